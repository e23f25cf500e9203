"""Differences by which two near-copies do not say the same: a number, a date, a unit, a code, a sign, a negation."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import regex

from hardneg_plugin.text.answers import contains_answer
from hardneg_plugin.text.latin_language import likeliest_language
from hardneg_plugin.text.telling_words import CALENDAR, NUMBERS, UNITS, Meanings, meanings, negations

# A code is an ordinary word beyond so many letters: iPhone12, but v2 and H2O.
_LONGEST_CODE = 3
# Short names of units are other words where no number stands before them.
_SHORTEST_UNIT = 4
_PIECES = regex.compile(r"[-+]?\d+(?:[.\-/;:]\d+)*|\.\d+|\p{L}[\p{L}\p{M}]*")
_SYMBOLS = regex.compile(r"(?V1)[\p{Sc}\p{Sm}%‰°*#!^/()\[\];\-′--[|~]]")
_ROMAN = regex.compile(r"(?=[ivxl]{2,}$)(?:xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_HAN_NUMBERS = regex.compile(r"[〇零一二三四五六七八九十百千万萬億亿两兩]")
_LETTER = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}]")
_Meant = tuple[frozenset[str], ...]


class Claims(NamedTuple):
    """Parts of a text that must be the same in a copy, each kind in reading order.

    :param numbers: Numbers and the letters glued to them.
    :param symbols: Signs, operators, currencies, percent and degree signs.
    :param units: Units by their meanings, where a form may have several.
    :param words: Number words, months and days, likewise.
    :param romans: Roman numerals.
    :param letters: Single letters.
    :param negated: The word behind each negation.
    """

    numbers: tuple[str, ...]
    symbols: tuple[str, ...]
    units: _Meant
    words: _Meant
    romans: tuple[str, ...]
    letters: tuple[str, ...]
    negated: tuple[str, ...]


def tells_apart(first: str, second: str) -> bool:
    """Tell whether two near-copies differ in what matters, and so count as two texts.

    That is a number, a date, a unit, a code of a model or section, a sign or operator, percent, or a negation. Where
    neither has such a thing that the other lacks, they differ in wording alone.

    :param first: A levelled text.
    :param second: Another one, nearly the same.
    """
    if first == second:
        return False
    language = likeliest_language(f"{first} {second}")
    one, other = claims(first, language), claims(second, language)
    if (one.numbers, one.symbols, one.romans, one.negated) != (
        other.numbers,
        other.symbols,
        other.romans,
        other.negated,
    ):
        return True
    return not _mean_same(one.units, other.units) or _other_words(one, other) or _other_letters(one, other)


@lru_cache(maxsize=4096)
def claims(levelled: str, language: str) -> Claims:
    """Return what of a levelled text must be the same in a copy.

    :param levelled: The text.
    :param language: Its language, if it is written in Latin script and known.
    """
    numbers: list[str] = []
    units: list[frozenset[str]] = []
    letters: list[str] = []
    behind_number = False
    tokens = levelled.split()
    for token in tokens:
        pieces = _PIECES.findall(token)
        coded = any(map(_is_number, pieces))
        for piece in pieces:
            if _is_number(piece):
                numbers.append(_ascii(piece))
                behind_number = True
                continue
            known = meanings(UNITS).words.get(piece)
            if known is not None and (behind_number or len(piece) >= _SHORTEST_UNIT):
                units.append(known)
            elif coded and len(piece) <= _LONGEST_CODE and _LETTER.match(piece):
                numbers.append(piece)
            elif len(piece) == 1 and _LETTER.match(piece):
                letters.append(piece)
            behind_number = False
    return Claims(
        (*numbers, *_HAN_NUMBERS.findall(levelled)),
        tuple(_SYMBOLS.findall(levelled)),
        (*units, *_unspaced(levelled, meanings(UNITS))),
        tuple(meant for file in (NUMBERS, CALENDAR) for meant in _words(levelled, meanings(file))),
        tuple(token for token in tokens if _ROMAN.fullmatch(token)),
        tuple(letters),
        _negated(levelled, tokens, language),
    )


def _is_number(piece: str) -> bool:
    return piece[-1].isdigit()


def _ascii(number: str) -> str:
    return number if number.isascii() else "".join(str(unicodedata.decimal(digit, digit)) for digit in number)


def _words(levelled: str, known: Meanings) -> list[frozenset[str]]:
    alone = [known.words[word] for word in levelled.split() if word in known.words]
    return alone + _unspaced(levelled, known)


def _unspaced(levelled: str, known: Meanings) -> list[frozenset[str]]:
    """Return the meanings of words that are glued to others."""
    if levelled.isascii() or known.unspaced is None:
        return []
    glued = " ".join(word for word in levelled.split() if word not in known.words)
    return [known.words[form] for form in known.unspaced.findall(glued)]


def _negated(levelled: str, tokens: Sequence[str], language: str) -> tuple[str, ...]:
    rules = negations(language)
    following = [*tokens[1:], ""][: len(tokens)]
    # A word that is negated by its beginning says itself what it is.
    found = [
        following[position] if token in rules.words else token
        for position, token in enumerate(tokens)
        if rules.negates(token)
    ]
    return (*found, *(rules.parts.findall(levelled) if rules.parts is not None else ()))


def _mean_same(one: _Meant, other: _Meant) -> bool:
    return len(one) == len(other) and all(first & second for first, second in zip(one, other, strict=True))


def _other_words(one: Claims, other: Claims) -> bool:
    """Tell whether each text has a number word, month or day that the other lacks; one alone may be another word."""
    pairs = ((one.words, other.words), (other.words, one.words))
    return all(any(not any(word & same for same in known) for word in words) for words, known in pairs)


def _other_letters(one: Claims, other: Claims) -> bool:
    """Tell whether texts name things by other letters (plan A, plan B); an article more or less does not count."""
    if len(one.letters) == len(other.letters):
        return one.letters != other.letters
    first, second = Counter(one.letters), Counter(other.letters)
    return bool(first - second) and bool(second - first)


def is_near_copy(first: str, second: str, answers: Sequence[str] = (), language: str = "") -> bool:
    """Tell whether two levelled texts that are similar are copies.

    They are not where they differ in what matters (:func:`tells_apart`), or where the second holds an answer and the
    first holds none: another answer stands in its place.

    :param first: The text that may be a copy.
    :param second: The text that it may be a copy of.
    :param answers: Short answers that the second may hold.
    :param language: ISO 639-1 code of both; empty lets the script tell.
    """
    return not tells_apart(first, second) and not lacks_answer(first, second, answers, language)


def lacks_answer(first: str, second: str, answers: Sequence[str], language: str = "") -> bool:
    """Tell whether a text holds none of some answers, and another one does.

    :param first: The text that may lack them.
    :param second: The other text.
    :param answers: Short answers.
    :param language: ISO 639-1 code of both; empty lets the script tell.
    """
    return contains_answer(second, answers, language) and not contains_answer(first, answers, language)
