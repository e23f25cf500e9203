"""Find short answers in passages in any language (the rule of DPR, Karpukhin et al., 2020)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex
import yaml

from hardneg_plugin.text.language import detect_language
from hardneg_plugin.text.normalise import normalise_words

_RULES = Path(__file__).with_name("answer_rules.yaml")
_THOUSANDS = regex.compile(r"(?<=\d)[,.٬'’ \u00a0\u202f](?=\d{3}(?:\D|$))")
_NO_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_WORD = r"[\p{L}\p{M}\p{N}]"
# What makes another number of one; Han, Hangul and others write their counters right beside it.
_OF_NUMBER = r"[\p{N}\p{Latin}]"
# An answer of one letter or digit is in every text.
SHORTEST = 2


@lru_cache(maxsize=1)
def _rules() -> dict[str, dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = yaml.safe_load(_RULES.read_text("utf-8"))
    return rules


def is_telling(answer: str) -> bool:
    """Tell whether an answer is specific enough to match; yes, no and single characters are not.

    :param answer: The answer.
    """
    folded = _folded(answer)
    return len(folded.replace(" ", "")) >= SHORTEST and folded not in _rules()["untelling"]["words"]


def contains_answer(text: str, answers: Sequence[str], language: str = "") -> bool:
    """Tell whether a passage contains one of the answers.

    Both are normalised: case, width, punctuation, separators of thousands and the digits of other scripts do not count.
    An answer must stand as whole words; where words are not separated (Han, kana, Thai, …) it may stand anywhere, and
    where a language glues particles or cases to nouns, a short ending (Korean, Finnish, …) or beginning (Arabic) may.
    Answers that tell nothing (:func:`is_telling`) are not looked for.

    :param text: The passage.
    :param answers: Short answers.
    :param language: ISO 639-1 code; where it is empty the script of the passage tells it, as far as scripts do.
    """
    wanted = [answer for answer in answers if is_telling(answer)]
    if not wanted:
        return False
    folded, language = _folded(text), language or detect_language(text)
    return any(_pattern(answer, language).search(folded) is not None for answer in wanted)


@lru_cache(maxsize=65536)
def _pattern(answer: str, language: str) -> regex.Pattern[str]:
    folded = _folded(answer)
    # Between words there may be a space, or in scripts without them none.
    words = [regex.escape(word) for word in folded.split()]
    body = r"\s?".join(words) if _NO_SPACES.search(folded) else r"\s".join(words)
    return regex.compile(_before(folded, language) + body + _after(folded, language))


def _before(answer: str, language: str) -> str:
    if _NO_SPACES.match(answer):
        return ""
    if answer[0].isdigit():
        return f"(?<!{_OF_NUMBER})"
    glued = _rules()["beginnings"].get(language)
    return f"(?<!{_WORD})(?:{glued})?" if glued else f"(?<!{_WORD})"


def _after(answer: str, language: str) -> str:
    if _NO_SPACES.match(answer[-1]):
        return ""
    if answer[-1].isdigit():
        return f"(?!{_OF_NUMBER})"
    longest = _rules()["endings"].get(language, 0)
    return rf"[\p{{L}}\p{{M}}]{{0,{longest}}}(?!{_WORD})" if longest else f"(?!{_WORD})"


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Bring a text into the form in which answers are compared."""
    plain = "".join(_digit(character) for character in text)
    return normalise_words(_THOUSANDS.sub("", plain))


def _digit(character: str) -> str:
    if character.isascii():
        return character
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
