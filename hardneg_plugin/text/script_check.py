"""Check that a text is written in a script of its language."""

from __future__ import annotations

from functools import cache
from importlib import resources

import regex
import yaml

from hardneg_plugin.text.characters import count_cjk_characters

DATA_FILE = "language_scripts.yaml"

_LETTERS = regex.compile(r"\p{L}+")
# The script of a text shows in its beginning; a long passage need not be read to its end.
_READ_CHARACTERS = 1024


def scripts_of(language: str) -> tuple[str, ...]:
    """Return the Unicode names of the scripts that a language is written in.

    :param language: ISO 639-1 code, with or without a region (``pt-BR``).
    :returns: Scripts; none where the language is not in ``language_scripts.yaml``.
    """
    return _scripts().get(language.partition("-")[0].lower(), ())


def script_share(text: str, language: str) -> float | None:
    """Return how much of a text is written in the scripts of a language.

    A character that writes a whole syllable or word (Han, kana, Hangul) counts as two letters of an alphabet, so that
    a Korean question with a foreign name in it stays Korean.

    :param text: Text in any script; its first 1,024 characters are read.
    :param language: ISO 639-1 code, with or without a region.
    :returns: From 0 to 1; None where the language is not known or the text has no letters.
    """
    scripts = scripts_of(language)
    text = text[:_READ_CHARACTERS]
    letters = _weight(_LETTERS.findall(text)) if scripts else 0
    return _weight(_letters_of(scripts).findall(text)) / letters if letters else None


def _weight(runs: list[str]) -> int:
    return sum(len(run) + count_cjk_characters(run) for run in runs)


@cache
def _letters_of(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    wanted = "".join(rf"\p{{{script}}}" for script in scripts)
    # Letters only: a script's own digits and marks are in no one's count.
    return regex.compile(rf"(?V1)[\p{{L}}&&[{wanted}]]+")


@cache
def _scripts() -> dict[str, tuple[str, ...]]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    lists: dict[str, list[str]] = yaml.safe_load(text)
    scripts: dict[str, tuple[str, ...]] = {}
    for script, languages in lists.items():
        for language in languages:
            scripts[language] = (*scripts.get(language, ()), script)
    return scripts
