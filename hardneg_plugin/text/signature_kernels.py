"""Loops over the marks of texts, compiled by numba; import this inside a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached

_GROUP_BITS, _MOST = 31, 255


@njit_cached()
def count_groups(codes: Any, ends: Any, counts: Any) -> None:
    """Count the characters of each group.

    :param codes: Code points of all texts, one text behind the other.
    :param ends: Where each text ends.
    :param counts: Zeros, shape ``(texts, groups)``.
    """
    start = 0
    for text in range(len(ends)):
        for position in range(start, ends[text]):
            group = codes[position] & _GROUP_BITS
            if counts[text, group] < _MOST:
                counts[text, group] += 1
        start = ends[text]


@njit_cached()
def within(
    lengths: Any,
    counts: Any,
    positions: Any,
    other_lengths: Any,
    other_counts: Any,
    other_places: Any,
    share: float,
    out: Any,
) -> None:
    """Mark pairs of texts that may be at most ``share`` of their lengths apart (``passes_length_and_count_filter``)."""
    groups = counts.shape[1]
    for pair in range(len(positions)):
        one, other = positions[pair], other_places[pair]
        length, other_length = lengths[one], other_lengths[other]
        most = share * (length + other_length)
        out[pair] = False
        if other_length == 0 or abs(length - other_length) > most:
            continue
        # In 32 bits the processor adds up many differences at once.
        apart = np.int32(0)
        for group in range(groups):
            apart += np.int32(abs(np.int32(counts[one, group]) - np.int32(other_counts[other, group])))
        out[pair] = apart <= most
