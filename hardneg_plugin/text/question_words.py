"""The words of a question that no answer repeats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import regex
import yaml

from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.scripts import runs_of

DATA_FILE = "question_words.yaml"

# Latin script does not tell its language. English is the likeliest; in another language its question words are rare.
_UNKNOWN_LANGUAGE = "en"


@dataclass(frozen=True)
class QuestionWords:
    """Question words of one language.

    :param words: Folded words that are left out as a whole.
    :param parts: Pattern of what is cut out of words in scripts that join words; ``None`` where there is none.
    """

    words: frozenset[str]
    parts: regex.Pattern[str] | None

    def pieces(self, run: str) -> list[str]:
        """Leave the question words out of a run.

        :param run: Folded characters of one script.
        :returns: What remains: the run, the pieces around what was cut out, or nothing.
        """
        if run in self.words:
            return []
        return [piece for piece in self.parts.split(run) if piece] if self.parts else [run]


@cache
def _lists() -> dict[str, dict[str, list[str]]]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    lists: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return lists


def _fold(word: str) -> str:
    """Fold a word of the list as the analyzer folds the words of a text."""
    return "".join(rule.fold(run) for run, rule in runs_of(fold_characters(word)))


def list_language(language: str) -> str:
    """Name the list of question words that serves a language.

    :param language: ISO 639-1 code, with or without a region (``pt-BR``), or an empty string where it is not known.
    :returns: The code itself, the likeliest one where it is not known, or ``none`` where there is no list for it.
    """
    primary = language.replace("_", "-").partition("-")[0].lower() or _UNKNOWN_LANGUAGE
    return primary if any(primary in languages for languages in _lists().values()) else "none"


@cache
def question_words(language: str) -> QuestionWords:
    """Load the question words of one language.

    :param language: What :func:`list_language` returned.
    :returns: Its question words; empty for ``none``.
    """
    words = frozenset(_fold(word) for word in _lists()["words"].get(language, []))
    parts = sorted(_lists()["parts"].get(language, []), key=len, reverse=True)
    return QuestionWords(words, regex.compile("|".join(map(regex.escape, parts))) if parts else None)
