"""Detect answers of language models that talk about the task instead of giving a passage."""

from __future__ import annotations

from functools import cache
from importlib import resources

import regex
import yaml

from hardneg_plugin.text.normalise import fold_characters

DATA_FILE = "preambles.yaml"

# What models put in front of their first word: quotes, Markdown, brackets.
_ORNAMENT = regex.compile(r"^[\s\p{P}\p{S}]+")
# "1. ", "2) ", "(3) "; "3.5 million", "1861: War" and "30. lokakuuta" are no list.
_NUMBERED = regex.compile(r"^[\s*_#\"(\[]*\p{Nd}[.):\]、](?=\s|\*|$)")
_SENTENCE = regex.compile(r"^[^\n:]*?(?:(?=[\n:])|\p{Sentence_Terminal}(?=\s|$)|$)")
_INSIDE = regex.compile(r"\p{Sentence_Terminal}[\p{Pe}\p{Pf}\"']*\s|\p{Lo}[。！？]")
_ANSWERED = regex.compile(r"^\s*(?:[!:]|\p{Pd}\s)")
_ASIDE = regex.compile(r"^[\s,.،、。，]+")
# Scripts whose words are written together, or take endings: the beginning of a word must do.
_JOINED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Telugu}\p{Bengali}\p{Devanagari}]")
_LONGEST_LINE = 240
_LONGEST_LABEL = 80


def is_preamble(text: str) -> bool:
    """Tell whether a text begins as an answer to a user, or as an entry of a list, and not as a passage.

    ``Here are three passages that meet the requirements:``, ``Sure! …``, ``1. …`` and ``**Passage 2:** …`` do, in the
    languages of ``preambles.yaml``; so does a line that ends with a colon and presents what does not follow.

    :param text: Text in any script.
    """
    if _NUMBERED.match(text[:_LONGEST_LABEL]):
        return True
    folded = _fold(text.strip())
    if _is_lead_in(folded):
        return True
    beginning = _ORNAMENT.sub("", folded[:_LONGEST_LINE])
    return _is_label(beginning) or _assents(beginning) or _presents(beginning)


def is_refusal(text: str) -> bool:
    """Tell whether a text begins as a refusal or an apology of a language model, in the languages of the data file.

    :param text: Text in any script.
    """
    return _begins(_ORNAMENT.sub("", _fold(text[:_LONGEST_LINE])), "refuse")


def mentions_task(text: str) -> bool:
    """Tell whether a text speaks of the query it was written for: ``… but it does not answer the query``.

    :param text: Text in any script.
    """
    return _pattern("task", whole=True).search(_fold(text)) is not None


def _fold(text: str) -> str:
    return fold_characters(text).replace("’", "'")


def _is_lead_in(folded: str) -> bool:
    """Tell whether a text is, or begins with, a separate line with one sentence that ends with a colon."""
    line = folded.partition("\n")[0].rstrip("\"'*_ ")
    one_sentence = line.endswith(":") and len(line) <= _LONGEST_LINE and _INSIDE.search(line) is None
    return one_sentence and ("\n" not in folded or _begins(_ORNAMENT.sub("", line), "announce"))


def _begins(folded: str, kind: str) -> bool:
    return _pattern(kind).match(folded) is not None


def _presents(beginning: str) -> bool:
    if not _begins(beginning, "announce"):
        return False
    sentence = _SENTENCE.match(beginning)
    return sentence is not None and _pattern("things", whole=True).search(sentence[0]) is not None


def _assents(beginning: str) -> bool:
    assent = _pattern("assent").match(beginning)
    if assent is None:
        return False
    rest = beginning[assent.end() :]
    return _ANSWERED.match(rest) is not None or _presents(_ASIDE.sub("", rest))


def _is_label(beginning: str) -> bool:
    """Tell whether a text begins with the name of what was asked for, a colon behind it."""
    head, colon, _ = beginning[:_LONGEST_LABEL].partition(":")
    return bool(colon) and _begins(head, "things")


@cache
def _phrases() -> dict[str, dict[str, list[str]]]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    phrases: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return phrases


@cache
def _pattern(kind: str, whole: bool = False) -> regex.Pattern[str]:
    """Compile the phrases of all languages: models also answer in another language than they are asked in.

    :param kind: A list of the data file.
    :param whole: Whether a phrase may stand anywhere.
    """
    folded = {_fold(phrase) for phrases in _phrases()[kind].values() for phrase in phrases}
    longest_first = sorted(folded, key=lambda phrase: (-len(phrase), phrase))
    words = "|".join(map(_bounded, longest_first))
    return regex.compile(rf"(?:{words})" if whole else rf"^(?:{words})")


def _bounded(phrase: str) -> str:
    """Return a pattern that finds a phrase of a spaced alphabet as whole words only."""
    escaped = regex.escape(phrase)
    return escaped if _JOINED.search(phrase) else rf"(?<![\p{{L}}\p{{M}}]){escaped}(?![\p{{L}}\p{{M}}])"
