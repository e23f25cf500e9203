"""Rules that reject a query or a passage as unfit for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hardneg_plugin.text.characters import count_cjk_characters, has_control_characters
from hardneg_plugin.text.mojibake import has_mojibake
from hardneg_plugin.text.normalise import normalise
from hardneg_plugin.text.script_check import script_share

Kind = Literal["query", "passage"]
EMPTY = "empty"


@dataclass(frozen=True)
class TextRules:
    """Rules on single texts; what is None or False is not checked.

    :param min_chars: Fewest characters of each kind of text.
    :param max_chars: Most characters of each kind of text.
    :param dense_weight: Characters that one of Han, kana or Hangul counts for against the lower limits.
    :param mojibake: Whether wrongly decoded text is a fault.
    :param control_characters: Whether control characters are a fault.
    :param script_share: Least share of the letters that must be of the language's scripts.
    """

    min_chars: dict[Kind, int | None]
    max_chars: dict[Kind, int | None]
    dense_weight: float
    mojibake: bool
    control_characters: bool
    script_share: float | None

    def fault(self, text: str, kind: Kind) -> str:
        """Return what is wrong with a text in itself; empty where nothing is.

        :param text: The text; its white space at both ends counts as nothing.
        :param kind: Whose limits apply.
        """
        text = text.strip()
        if not normalise(text):
            return EMPTY
        # Wrong decodings leave control characters behind (U+0080 to U+009F); they are no fault of their own.
        if self.mojibake and has_mojibake(text):
            return "mojibake"
        if self.control_characters and has_control_characters(text):
            return "control characters"
        return self._wrong_length(text, kind)

    def wrong_language(self, text: str, language: str, declared: str = "") -> str:
        """Return how a text's language differs from the example's; empty where it does not, or nobody knows.

        :param text: The text.
        :param language: ISO 639-1 code of the example, or empty.
        :param declared: ISO 639-1 code that the passage itself carries, or empty.
        """
        if self.script_share is None or not language:
            return ""
        if declared and _base(declared) != _base(language):
            return "wrong language"
        share = script_share(text, language)
        return "wrong script" if share is not None and share < self.script_share else ""

    def _wrong_length(self, text: str, kind: Kind) -> str:
        least, most = self.min_chars[kind], self.max_chars[kind]
        if most is not None and len(text) > most:
            return "too long"
        # Texts that are long enough as they are need not be read character by character.
        if least is None or len(text) >= least:
            return ""
        return "too short" if len(text) + (self.dense_weight - 1) * count_cjk_characters(text) < least else ""


def _base(language: str) -> str:
    return language.partition("-")[0].lower()
