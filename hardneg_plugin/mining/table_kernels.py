"""Loops over the rows of a candidate table, compiled by numba; import this inside a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached


@njit_cached()
def mark_first(order: Any, offsets: Any, number: int, mask: Any) -> None:
    """Mark the lowest rows of each example, of equal ones those that come first.

    :param order: A number for each row, none of them NaN.
    :param offsets: Where the rows of each example start, and where the last one's end.
    :param number: How many are marked of each example, where it has as many.
    :param mask: All false, a place for each row.
    """
    if number == 0:
        return
    lowest = np.empty(number, np.int64)
    for example in range(len(offsets) - 1):
        found = 0
        for row in range(offsets[example], offsets[example + 1]):
            if found == number and not order[row] < order[lowest[number - 1]]:
                continue
            position = min(found, number - 1)
            while position > 0 and order[row] < order[lowest[position - 1]]:
                lowest[position] = lowest[position - 1]
                position -= 1
            lowest[position] = row
            found = min(found + 1, number)
        for position in range(found):
            mask[lowest[position]] = True


@njit_cached()
def mark_wanted(values: Any, owner: Any, wanted: Any, ends: Any, mask: Any) -> None:
    """Mark the values that are one of those that their example wants.

    :param values: Any number.
    :param owner: Example of each, same shape.
    :param wanted: What the first example wants, what the second wants, and so on.
    :param ends: Where those of each example end.
    :param mask: All false, a place for each value.
    """
    for row in range(len(values)):
        example = owner[row]
        start = ends[example - 1] if example > 0 else 0
        for position in range(start, ends[example]):
            if values[row] == wanted[position]:
                mask[row] = True
                break
