"""Spellings of one word that readers take for the same, brought together script by script.

Only foldings that raised RR@10, or follow those that did, are here. For Indic scripts, removing the nukta and mapping
native digits to ASCII did not.
"""

from __future__ import annotations

import re
import unicodedata

_ACCENTS = re.compile("[\u0300-\u036f]+")
# Hook, dot below and horn: tone languages such as Vietnamese and Yoruba tell words apart by them.
_TONES = re.compile("[\u0309\u031b\u0323]")
_STRESS = re.compile("[\u0300\u0301]+")

_ARABIC_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]+")
_ARABIC_LETTERS = str.maketrans("أإآٱىةکیؤئ", "اااايهكيوي")
# Conjunction, preposition and article in the orders in which they are written before a noun, the longest first
# (the prefixes of Larkey, Ballesteros and Connell's light10 stemmer, 2002, and "لل", "ولل").
_ARABIC_PREFIXES = ("وال", "بال", "كال", "فال", "ولل", "ال", "لل")
_ARABIC_AND = "و"
_SHORTEST_STEM = 2
_SHORTEST_AFTER_AND = 3

_HEBREW_MARKS = re.compile("[\u0591-\u05c7]+")


def fold_alphabet(word: str) -> str:
    """Remove accents from a word in Latin, Greek or a similar alphabet, unless they are the marks of a tone language.

    :param word: Casefolded word.
    :returns: The word without accents, in NFC.
    """
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFD", word)
    if _TONES.search(letters):
        return word
    return unicodedata.normalize("NFC", _ACCENTS.sub("", letters))


def fold_cyrillic(word: str) -> str:
    """Remove stress marks and write ``ё`` as ``е``; ``й`` is kept.

    :param word: Casefolded word.
    :returns: The folded word, in NFC.
    """
    letters = _STRESS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", letters).replace("ё", "е")


def fold_arabic(word: str) -> str:
    """Remove vowel marks and the article with what is written before it, and unify the variants of alef, yeh and teh.

    :param word: Word in Arabic script.
    :returns: The word without its proclitics; at least two letters of a word stay.
    """
    letters = _ARABIC_MARKS.sub("", word).translate(_ARABIC_LETTERS)
    for prefix in _ARABIC_PREFIXES:
        if letters.startswith(prefix) and len(letters) >= len(prefix) + _SHORTEST_STEM:
            return letters[len(prefix) :]
    if letters.startswith(_ARABIC_AND) and len(letters) > _SHORTEST_AFTER_AND:
        return letters[1:]
    return letters


def fold_hebrew(word: str) -> str:
    """Remove vowel points and cantillation.

    :param word: Word in Hebrew script.
    :returns: The word's letters.
    """
    return _HEBREW_MARKS.sub("", word)


def keep_spelling(word: str) -> str:
    """Return a word of a script in which no folding helped.

    :param word: Casefolded word.
    :returns: The same word.
    """
    return word
