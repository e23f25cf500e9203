"""The form in which two passages count as the same text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import regex

# Soft hyphens, joiners, direction marks, variation selectors: invisible, and often inside only one copy of a text.
# The zero-width space is not here: in Thai and Khmer it separates words, so it must not glue them.
_INVISIBLE = re.compile("[\u00ad\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+")
_GAPS = regex.compile(r"[\p{P}\p{Z}\p{C}]+")
# The same in ASCII, where blanking and splitting is several times as fast as the pattern.
_ASCII = [chr(code) for code in range(128)]
_ASCII_GAPS = str.maketrans({character: " " for character in _ASCII if _GAPS.match(character)})
_ASCII_FORMS = np.array([ord(character.translate(_ASCII_GAPS).lower()) for character in _ASCII], np.uint8)
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
    symbols (``+``, ``%``, ``€``) do. Works for all scripts alike.

    :param text: Text in any script.
    :returns: Folded text whose words are separated by single spaces; empty where the text has no letter, digit or
        symbol.
    """
    folded = fold_characters(text)
    if folded.isascii():
        return " ".join(folded.translate(_ASCII_GAPS).split())
    spaced: str = _GAPS.sub(" ", folded)
    return spaced.strip()


def normalise_all(texts: Iterable[str]) -> list[str]:
    """Bring many texts into the form of :func:`normalise`; those in ASCII several times as fast.

    :param texts: Texts in any script.
    """
    given = list(texts)
    plain = [position for position, text in enumerate(given) if text.isascii()]
    if sum(len(given[position]) for position in plain) < _COMPILED_FROM:
        return list(map(normalise, given))
    levelled = dict(zip(plain, _levelled([given[position] for position in plain]), strict=True))
    return [levelled[position] if position in levelled else normalise(text) for position, text in enumerate(given)]


def _levelled(texts: list[str]) -> list[str]:
    """Return the forms of texts in ASCII."""
    from hardneg_plugin.text.normalise_kernels import level_ascii

    characters = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    levelled, levelled_ends = np.empty_like(characters), np.empty_like(ends)
    level_ascii(characters, ends, _ASCII_FORMS, levelled, levelled_ends)
    together = levelled[: levelled_ends[-1]].tobytes().decode("ascii")
    return [together[start:end] for start, end in pairwise([0, *levelled_ends.tolist()])]
