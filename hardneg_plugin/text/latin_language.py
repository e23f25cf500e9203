"""Detect the language of a text in Latin script by its function words."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources

import yaml

from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.scripts import WORDS

DATA_FILE = "function_words.yaml"

_FEWEST_WORDS = 15
_LEAST_SHARE = 0.15
# How many times as many function words of its own a text must have as of the language it should be in.
_RATIO = 2.0
_CLEARLY_MORE = 2


def other_latin_language(text: str, language: str) -> str:
    """Return the language that a text in Latin script is in where it is clearly not the one it should be in.

    Clearly: at least 15 words, 15 % of them function words of the other language, and twice as many as of its own.

    :param text: Text in any script.
    :param language: ISO 639-1 code of the language it should be in, with or without a region (``pt-BR``).
    :returns: ISO 639-1 code; empty where the text may be in ``language``, or ``function_words.yaml`` lacks that.
    """
    wanted = language.partition("-")[0].lower()
    words = WORDS.findall(fold_characters(text))
    if wanted not in _languages() or len(words) < _FEWEST_WORDS:
        return ""
    counts = Counter(found for word in words for found in _languages_of().get(word, ()))
    likeliest = max(sorted(counts), key=counts.__getitem__, default="")
    clear = counts[likeliest] >= max(_LEAST_SHARE * len(words), _RATIO * counts[wanted]) if likeliest else False
    return likeliest if clear and likeliest != wanted else ""


def likeliest_language(text: str) -> str:
    """Return the language in Latin script that a text has most function words of, a guess.

    :param text: Text in any script.
    :returns: ISO 639-1 code; empty where no language has two more than every other.
    """
    words = WORDS.findall(fold_characters(text))
    counts = Counter(found for word in words for found in _languages_of().get(word, ())).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] < counts[1][1] + _CLEARLY_MORE):
        return ""
    return counts[0][0] if counts[0][1] >= _CLEARLY_MORE else ""


@cache
def _languages() -> dict[str, list[str]]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    languages: dict[str, list[str]] = yaml.safe_load(text)
    return languages


@cache
def _languages_of() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for language, words in _languages().items():
        for word in dict.fromkeys(map(fold_characters, words)):
            found.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in found.items()}
