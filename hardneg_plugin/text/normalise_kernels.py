"""Loops over the characters of texts, compiled by numba; import this inside a function."""

from __future__ import annotations

from typing import Any

from hardneg_plugin.compiled import njit_cached

DIGIT, WORD, BLANK, CLOSING, CURRENCY = 1, 2, 4, 8, 16
"""Bits of the kinds of characters."""
_SPACE, _PERCENT, _COMMA, _DASH, _POINT, _SLASH = 32, 37, 44, 45, 46, 47


@njit_cached()
def _is(characters: Any, kinds: Any, position: int, start: int, end: int, kind: int) -> Any:
    """Tell whether the character at a place of a text is of a kind; none is outside of it."""
    return start <= position < end and kinds[characters[position]] & kind != 0


@njit_cached()
def _number_at(characters: Any, kinds: Any, position: int, start: int, end: int) -> Any:
    """Tell whether a number stands at a place: 5, .5, $5."""
    if _is(characters, kinds, position, start, end, DIGIT):
        return True
    begins = position < end and (characters[position] == _POINT or kinds[characters[position]] & CURRENCY != 0)
    return begins and _is(characters, kinds, position + 1, start, end, DIGIT)


@njit_cached()
def _point(characters: Any, kinds: Any, position: int, start: int, end: int) -> Any:
    """Tell whether a point or comma is one of decimals."""
    if not _is(characters, kinds, position + 1, start, end, DIGIT):
        return False
    if _is(characters, kinds, position - 1, start, end, DIGIT):
        return True
    if characters[position] == _COMMA or _is(characters, kinds, position - 1, start, end, WORD):
        return False
    return position == start or (characters[position - 1] != _POINT and characters[position - 1] != _COMMA)


@njit_cached()
def _between(characters: Any, kinds: Any, position: int, start: int, end: int) -> Any:
    """Return where the number behind a dash or slash begins that stands between two numbers; else -1."""
    before, behind = position - 1, position + 1
    while _is(characters, kinds, before, start, end, BLANK):
        before -= 1
    while _is(characters, kinds, behind, start, end, BLANK):
        behind += 1
    # A blank in front alone makes it the sign of the second.
    if before < position - 1 and behind == position + 1:
        return -1
    number = _is(characters, kinds, before, start, end, DIGIT)
    if characters[position] == _SLASH:
        return behind if number and _is(characters, kinds, behind, start, end, DIGIT) else -1
    number = number or (before >= start and characters[before] == _PERCENT)
    return behind if number and _number_at(characters, kinds, behind, start, end) else -1


@njit_cached()
def _is_sign(characters: Any, kinds: Any, position: int, start: int, end: int) -> Any:
    if _is(characters, kinds, position - 1, start, end, WORD | CLOSING):
        return False
    if position > start and characters[position - 1] == _DASH:
        return False
    return _number_at(characters, kinds, position + 1, start, end)


@njit_cached()
def level_ascii(characters: Any, ends: Any, forms: Any, kinds: Any, levelled: Any, levelled_ends: Any) -> None:
    """Write texts with other forms of their characters, a single space in place of each gap inside of them.

    What belongs to numbers is kept, as :mod:`hardneg_plugin.text.formulas` says; what is rare of that is not known
    here.

    :param characters: Characters of all texts, one text behind the other.
    :param ends: Where each text ends.
    :param forms: What is written for each character, shape ``(128,)``; a space makes it part of a gap.
    :param kinds: Bits of what each character is, shape ``(128,)``.
    :param levelled: Room for as many characters.
    :param levelled_ends: Where each text ends in it; same shape as ``ends``.
    """
    start, written = 0, 0
    for text in range(len(ends)):
        begin, end = written, ends[text]
        behind_gap = True
        position = start
        while position < end:
            character = characters[position]
            form = forms[character]
            following = position + 1
            if _COMMA <= character <= _SLASH:
                if character in (_COMMA, _POINT):
                    if _point(characters, kinds, position, start, end):
                        form = _POINT
                elif character == _DASH and _is_sign(characters, kinds, position, start, end):
                    form = _DASH
                else:
                    number = _between(characters, kinds, position, start, end)
                    if number >= 0:
                        form, following = character, number
                        # The gap in front goes, unless nothing is in front of it.
                        written -= behind_gap and written > begin
            elif character == _PERCENT and behind_gap and written > begin + 1:
                written -= kinds[levelled[written - 2]] & DIGIT != 0
            gap = form == _SPACE
            # Without a branch: what is not to stay is written over by the next.
            levelled[written] = form
            written += not (gap and behind_gap)
            behind_gap = gap
            position = following
        if behind_gap and written > begin:
            written -= 1
        start = end
        levelled_ends[text] = written
