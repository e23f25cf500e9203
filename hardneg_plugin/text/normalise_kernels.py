"""Loops over the characters of texts, compiled by numba; import this inside a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached

_SPACE = 32


@njit_cached()
def level_ascii(characters: Any, ends: Any, forms: Any, levelled: Any, levelled_ends: Any) -> None:
    """Write texts with other forms of their characters, a single space in place of each gap inside of them.

    :param characters: Characters of all texts, one text behind the other.
    :param ends: Where each text ends.
    :param forms: What is written for each character, shape ``(128,)``; a space makes it part of a gap.
    :param levelled: Room for as many characters.
    :param levelled_ends: Where each text ends in it; same shape as ``ends``.
    """
    start, written = np.uint64(0), np.uint64(0)
    for text in range(len(ends)):
        begin, end = written, np.uint64(ends[text])
        behind_gap = True
        # Without a branch: what is not to stay is written over by the next.
        for position in range(start, end):
            form = forms[characters[position]]
            gap = form == _SPACE
            levelled[written] = form
            written += np.uint64(not (gap and behind_gap))
            behind_gap = gap
        if behind_gap and written > begin:
            written -= np.uint64(1)
        start = end
        levelled_ends[text] = written
