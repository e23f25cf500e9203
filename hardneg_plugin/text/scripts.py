"""Split words of each script into index terms.

A word is indexed by two of its prefixes, a short one for recall and a long one for precision: that joins inflected
forms in any suffixing language without a stemmer of its own (truncation: McNamee, Nicholas and Mayfield, SIGIR 2009),
and a word no longer than the short prefix, mostly a function word, counts once where content words count twice. Scripts
that write one syllable or word with one character take shorter prefixes; scripts without spaces between words take
character n-grams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from hardneg_plugin.text import folding


@dataclass(frozen=True, slots=True)
class TermRule:
    """Rule that turns a run of characters in one script into index terms.

    :param prefixes: Lengths in characters of the prefixes that become terms; equal ones count once.
    :param ngrams: Lengths in characters of the n-grams that become terms besides.
    :param fold: Unifies spellings before anything is cut.
    """

    prefixes: tuple[int, ...] = ()
    ngrams: tuple[int, ...] = ()
    fold: Callable[[str], str] = folding.keep_spelling

    def terms(self, run: str) -> tuple[str, ...]:
        """Cut a folded run into its terms.

        :param run: Folded characters of one script.
        :returns: Terms, prefixes first; the run itself where it is shorter than every n-gram; nothing for an empty run.
        """
        terms = list(dict.fromkeys(run[:length] for length in self.prefixes))
        for length in self.ngrams:
            terms += [run[start : start + length] for start in range(len(run) - length + 1)]
        return tuple(terms or [run]) if run else ()


ALPHABET = TermRule(prefixes=(4, 6), fold=folding.fold_alphabet)
CYRILLIC = TermRule(prefixes=(4, 6), fold=folding.fold_cyrillic)
# Vowels are left out (Arabic, Hebrew), signs on a consonant (Indic scripts), or part of its letter (Ethiopic).
ARABIC = TermRule(prefixes=(3, 5), fold=folding.fold_arabic)
HEBREW = TermRule(prefixes=(3, 5), fold=folding.fold_hebrew)
ABUGIDA = TermRule(prefixes=(3, 5))
# Particles are glued to the end and compounds written together: word beginnings count more than what follows.
HANGUL = TermRule(prefixes=(1, 2), ngrams=(2,))
HAN = TermRule(ngrams=(1, 2))
HIRAGANA = TermRule(ngrams=(2,))
KATAKANA = TermRule(ngrams=(2, 3))
UNSPACED_ABUGIDA = TermRule(ngrams=(3,))

_SPACED = {
    "arabic": (r"\p{Arabic}\p{Syriac}\p{Thaana}", ARABIC),
    "hebrew": (r"\p{Hebrew}", HEBREW),
    "cyrillic": (r"\p{Cyrillic}", CYRILLIC),
    "abugida": (
        r"\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}"
        r"\p{Sinhala}\p{Ethiopic}",
        ABUGIDA,
    ),
}
_UNSPACED = {
    "hangul": (r"\p{Hangul}", HANGUL),
    "han": (r"\p{Han}", HAN),
    "hiragana": (r"\p{Hiragana}", HIRAGANA),
    "katakana": (r"\p{Katakana}ー", KATAKANA),
    "thai": (r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}", UNSPACED_ABUGIDA),
}
_RULES = {name: rule for name, (_, rule) in (_SPACED | _UNSPACED).items()}
_NOT_UNSPACED = "".join(characters for characters, _ in _UNSPACED.values())

WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# A run of a spaced script is named by its first letter and keeps what is glued to it (digits, foreign letters, marks).
_RUNS = regex.compile(
    "|".join(
        [rf"(?P<{name}>[{characters}]+)" for name, (characters, _) in _UNSPACED.items()]
        + [rf"(?P<{name}>[{characters}][^{_NOT_UNSPACED}]*)" for name, (characters, _) in _SPACED.items()]
        + [rf"(?P<alphabet>[^{_NOT_UNSPACED}]+)"]
    )
)


def runs_of(word: str) -> Iterator[tuple[str, TermRule]]:
    """Split a word where it changes between scripts with and without spaces.

    :param word: Letters, marks and digits without a gap.
    :returns: Runs that together make up the word, each with the rule of its script.
    """
    if word.isascii():
        yield word, ALPHABET
        return
    for run in _RUNS.finditer(word):
        yield run[0], _RULES.get(run.lastgroup, ALPHABET)
