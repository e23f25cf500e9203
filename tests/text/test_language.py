"""The language that a script tells."""

from __future__ import annotations

import pytest

from hardneg_plugin.text import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", ""),
        ("1234 !?", ""),
        ("plain English", ""),
        ("déjà vu", ""),
        ("한국어 문장", "ko"),
        ("日本語の文", "ja"),
        ("カタカナ", "ja"),
        ("中文句子", "zh"),
        ("ภาษาไทย", "th"),
        ("বাংলা", "bn"),
        ("తెలుగు", "te"),
        ("हिन्दी", "hi"),
        ("العربية", "ar"),
        ("русский язык", "ru"),
        ("ελληνικά", "el"),
        ("עברית", "he"),
        ("አማርኛ", "am"),
    ],
)
def test_script_of_one_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_most_letters_decide() -> None:
    assert detect_language("The word мир means peace") == ""
    assert detect_language("Операция Urgent Fury закончилась") == "ru"


def test_a_dense_script_counts_double() -> None:
    assert detect_language("NFL 国家") == "zh"


def test_kana_turn_han_into_japanese() -> None:
    assert detect_language("東京大学の") == "ja"
