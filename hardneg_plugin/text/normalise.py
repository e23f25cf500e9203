"""The form in which two passages count as the same text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import regex

from hardneg_plugin.text.formulas import formula_parts, has_rare_parts, joined_percent, unified

# Soft hyphens, joiners, direction marks, variation selectors: invisible, and often inside only one copy of a text.
# The zero-width space is not here: in Thai and Khmer it separates words, so it must not glue them.
_INVISIBLE = re.compile("[\u00ad\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+")
_GAPS = regex.compile(r"(?V1)[\p{P}\p{Z}\p{C}--[%‰]]+")
_WORD_GAPS = regex.compile(r"[\p{P}\p{Z}\p{C}]+")
# The same in ASCII, where blanking and splitting is several times as fast as the pattern.
_ASCII = [chr(code) for code in range(128)]
_ASCII_GAPS = str.maketrans({character: " " for character in _ASCII if _GAPS.match(character)})
_ASCII_WORD_GAPS = str.maketrans({character: " " for character in _ASCII if _WORD_GAPS.match(character)})
_ASCII_FORMS = np.array([ord(character.translate(_ASCII_GAPS).lower()) for character in _ASCII], np.uint8)
_KINDS = {1: r"\d", 2: r"[\p{L}\p{M}\p{N}]", 4: r"[^\S\n]", 8: r"[)\]}]", 16: r"\p{Sc}"}
_ASCII_KINDS = np.array(
    [sum(bit for bit, kind in _KINDS.items() if regex.match(kind, character)) for character in _ASCII], np.uint8
)
# Characters from which on loading the compiled loop pays.
_COMPILED_FROM = 1 << 16


def fold_characters(text: str) -> str:
    """Fold case, width and compatibility forms, and remove invisible characters.

    :param text: Text in any script.
    :returns: The text in NFKC, casefolded; combining marks that carry meaning (vowel signs, viramas) are kept.
    """
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKC", text)
    folded = _INVISIBLE.sub("", composed.casefold())
    # Casefolding can decompose (İ) and removing a joiner can bring a letter and its mark together: compose again.
    return composed if folded == composed else unicodedata.normalize("NFKC", folded)


def normalise(text: str) -> str:
    """Bring a text into the form in which two passages count as the same text.

    Case, width, punctuation, white space and invisible characters do not matter; letters, combining marks, digits and
    symbols (``+``, ``%``, ``€``) do, and so does punctuation that is part of a number or a formula: signs, decimal
    points, dashes and slashes between numbers, ``*`` as an operator, ``!=``, ``C#``, the brackets of ``[0, 1)`` (see
    :mod:`hardneg_plugin.text.formulas`). Works for all scripts alike.

    :param text: Text in any script.
    :returns: Folded text whose words are separated by single spaces; empty where the text has no letter, digit or
        symbol.
    """
    folded = unified(fold_characters(text))
    parts, position = [], 0
    for start, end, kept in formula_parts(folded):
        parts += [_blanked(folded[position:start]), kept]
        position = end
    blanked = _blanked(folded[position:])
    return joined_percent(" ".join("".join([*parts, blanked]).split() if parts else blanked.split()))


def normalise_words(text: str) -> str:
    """Bring a text into a form in which no punctuation counts, not even that of numbers: its words alone.

    :param text: Text in any script.
    """
    folded = fold_characters(text)
    if folded.isascii():
        return " ".join(folded.translate(_ASCII_WORD_GAPS).split())
    spaced: str = _WORD_GAPS.sub(" ", folded)
    return spaced.strip()


def normalise_all(texts: Iterable[str]) -> list[str]:
    """Bring many texts into the form of :func:`normalise`; those in ASCII several times as fast.

    :param texts: Texts in any script.
    """
    given = list(texts)
    plain = [position for position, text in enumerate(given) if text.isascii() and not has_rare_parts(text)]
    if sum(len(given[position]) for position in plain) < _COMPILED_FROM:
        return list(map(normalise, given))
    levelled = dict(zip(plain, _levelled([given[position] for position in plain]), strict=True))
    return [levelled[position] if position in levelled else normalise(text) for position, text in enumerate(given)]


def _blanked(text: str) -> str:
    """Write a space in place of each gap, also at both ends."""
    if text.isascii():
        return text.translate(_ASCII_GAPS)
    spaced: str = _GAPS.sub(" ", text)
    return spaced


def _levelled(texts: list[str]) -> list[str]:
    """Return the forms of texts in ASCII."""
    from hardneg_plugin.text.normalise_kernels import level_ascii

    characters = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    levelled, levelled_ends = np.empty_like(characters), np.empty_like(ends)
    level_ascii(characters, ends, _ASCII_FORMS, _ASCII_KINDS, levelled, levelled_ends)
    together = levelled[: levelled_ends[-1]].tobytes().decode("ascii")
    return [together[start:end] for start, end in pairwise([0, *levelled_ends.tolist()])]
