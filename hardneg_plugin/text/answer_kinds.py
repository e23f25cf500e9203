"""Classify short answers by their form, so that an answer is swapped for one of the same kind."""

from __future__ import annotations

import unicodedata

import regex

_YEAR = regex.compile(r"[12]\p{Nd}{3}")
_NUMBER = regex.compile(r"\p{Nd}[\p{Nd}.,٫٬'’ ]*")
_HAS_NUMBER = regex.compile(r"\p{Nd}")
_LETTER = regex.compile(r"\p{L}")
_CAPITALS = regex.compile(r"(?:\p{Lu}[\p{L}\p{M}'’.-]*[ ]?){1,5}")


def answer_kind(answer: str) -> str:
    """Return a name of the answer's kind: two answers of one kind read alike in one another's place.

    ``year``, ``number``, ``number with words`` and their count of words, ``name`` (capitalised words), ``words``; each
    with the script of its first letter and, but for numbers, with its number of words up to five.

    :param answer: A short answer.
    """
    text = answer.strip()
    if _YEAR.fullmatch(text):
        return "year"
    if _NUMBER.fullmatch(text):
        return f"number of {len(regex.findall(r'[0-9]', _ascii_digits(text)))} digits"
    words = min(len(text.split()), 5)
    if _HAS_NUMBER.search(text):
        return f"number with words, {words}, {_script(text)}"
    kind = "name" if _CAPITALS.fullmatch(text) else "words"
    return f"{kind}, {words}, {_script(text)}"


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character, character)) for character in text)


def _script(text: str) -> str:
    letter = _LETTER.search(text)
    return unicodedata.name(letter.group(), "unknown").split()[0] if letter else "none"
