"""The loop that adds up a table's gradient, compiled by numba; import this inside a function."""

from __future__ import annotations

from typing import Any

from hardneg_plugin.compiled import njit_cached


@njit_cached()
def add_rows(gradient: Any, ids: Any, offsets: Any, shares: Any) -> None:
    """Add the share of each bag to all rows in it.

    :param gradient: Shape ``(rows, dimensions)``.
    :param ids: Rows of all bags, one bag behind the other.
    :param offsets: Where each bag starts.
    :param shares: Shape ``(bags, dimensions)``.
    """
    for bag in range(len(offsets)):
        end = offsets[bag + 1] if bag + 1 < len(offsets) else len(ids)
        for position in range(offsets[bag], end):
            row = ids[position]
            for column in range(gradient.shape[1]):
                gradient[row, column] += shares[bag, column]
