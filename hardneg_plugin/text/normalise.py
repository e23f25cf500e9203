"""The form in which two passages count as the same text."""

from __future__ import annotations

import re
import unicodedata

import regex

# Soft hyphens, joiners, direction marks, variation selectors: invisible, and often inside only one copy of a text.
# The zero-width space is not here: in Thai and Khmer it separates words, so it must not glue them.
_INVISIBLE = re.compile("[\u00ad\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+")
_GAPS = regex.compile(r"[\p{P}\p{Z}\p{C}]+")
# The same in ASCII, where blanking and splitting is several times as fast as the pattern.
_ASCII_GAPS = str.maketrans({character: " " for character in map(chr, range(128)) if _GAPS.match(character)})


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
