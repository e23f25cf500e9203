"""Words that tell near-copies apart: negations, number words, units, names of months and days; from data files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import regex
import yaml

from hardneg_plugin.text.normalise import normalise

NEGATIONS, NUMBERS, UNITS, CALENDAR = "negations.yaml", "number_words.yaml", "units.yaml", "calendar.yaml"
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]")
_LATIN = regex.compile(r"\p{Latin}")
# Shorter words of such a beginning or end are too often others.
_SHORTEST_INFLECTED = 5


class Negations(NamedTuple):
    """Words and parts of words by which some languages negate.

    :param words: Whole words.
    :param parts: Pieces of words; None where there are none.
    :param prefixes: Beginnings of words.
    :param suffixes: Ends of words.
    """

    words: frozenset[str]
    parts: regex.Pattern[str] | None
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]

    def negates(self, word: str) -> bool:
        """Tell whether a word negates."""
        if word in self.words:
            return True
        return len(word) >= _SHORTEST_INFLECTED and (word.startswith(self.prefixes) or word.endswith(self.suffixes))


class Meanings(NamedTuple):
    """Meanings of words, such as the unit that each names.

    :param words: Word → its meanings.
    :param unspaced: Finds such words in scripts that glue words together; None where there are none.
    """

    words: Mapping[str, frozenset[str]]
    unspaced: regex.Pattern[str] | None


@cache
def negations(latin: str) -> Negations:
    """Return how texts negate: in all scripts but Latin, and in one language that is written in Latin.

    :param latin: ISO 639-1 code; where the file lacks it, all languages in Latin script together.
    """
    lists: dict[str, dict[str, list[str]]] = _read(NEGATIONS)
    own = [latin] if latin in lists else [name for name, kinds in lists.items() if _is_latin(kinds)]
    chosen = [kinds for name, kinds in lists.items() if name in own or not _is_latin(kinds)]

    def of(kind: str) -> list[str]:
        return sorted({_levelled(word) for kinds in chosen for word in kinds.get(kind, ())})

    return Negations(frozenset(of("words")), _any_of(of("parts")), tuple(of("prefixes")), tuple(of("suffixes")))


@cache
def meanings(file: str) -> Meanings:
    """Return the words of a data file that lists them by meaning.

    :param file: ``UNITS``, ``NUMBERS`` or ``CALENDAR``.
    """
    words: dict[str, set[str]] = {}
    for meaning, forms in _read(file).items():
        for form in forms:
            words.setdefault(_levelled(form), set()).add(str(meaning))
    words.pop("", None)
    glued = [word for word in words if _UNSPACED.search(word)]
    return Meanings({word: frozenset(found) for word, found in words.items()}, _any_of(glued, alone=False))


def _levelled(word: str) -> str:
    return normalise(str(word))


def _is_latin(kinds: Mapping[str, list[str]]) -> bool:
    return any(_LATIN.match(word) for words in kinds.values() for word in words)


def _any_of(forms: Iterable[str], *, alone: bool = True) -> regex.Pattern[str] | None:
    """Return a pattern that finds the longest of some forms.

    :param forms: The forms.
    :param alone: Whether a form of one character counts also where no digit stands before it.
    """
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    if not ordered:
        return None
    short = [form for form in ordered if len(form) == 1 and not alone]
    parts = [regex.escape(form) for form in ordered if form not in short]
    if short:
        parts.append(rf"(?<=\d ?)[{''.join(map(regex.escape, short))}]")
    return regex.compile("|".join(parts))


def _read(file: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    return loaded
