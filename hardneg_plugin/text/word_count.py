"""Count words, also in scripts without spaces."""

from __future__ import annotations

from functools import cache
from importlib import resources

import regex
import yaml

DATA_FILE = "characters_per_word.yaml"

_WORD = regex.compile(r"[^\s]*[\p{L}\p{N}][^\s]*")


def count_words(text: str) -> int:
    """Count the words of a text.

    Words are what stands between spaces. Scripts that write none are counted by their characters, at the mean number
    that an English word takes in translation (``characters_per_word.yaml``): an estimate, fit for limits of length.

    :param text: Text in any script.
    """
    if text.isascii():
        return len(_WORD.findall(text))
    words = 0.0
    for script, characters in _characters_per_word().items():
        pattern = _script(script)
        words += sum(run.end() - run.start() for run in pattern.finditer(text)) / characters
        text = pattern.sub(" ", text)
    return len(_WORD.findall(text)) + round(words)


@cache
def _characters_per_word() -> dict[str, float]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    characters: dict[str, float] = yaml.safe_load(text)
    return characters


@cache
def _script(name: str) -> regex.Pattern[str]:
    # The sign that lengthens a vowel belongs to both kana, marks to any script.
    return regex.compile(rf"\p{{{name}}}[\p{{{name}}}\p{{M}}ー]*")
