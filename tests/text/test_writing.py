from __future__ import annotations

import pytest

from hardneg_plugin.text.script_check import script_share, scripts_of


@pytest.mark.parametrize(
    ("language", "scripts"),
    [
        ("en", ("Latin",)),
        ("no", ("Latin",)),  # YAML reads a bare `no` as false
        ("sr", ("Latin", "Cyrillic")),
        ("ja", ("Han", "Hiragana", "Katakana")),
        ("pt-BR", ("Latin",)),
        ("KO", ("Han", "Hangul")),
        ("xx", ()),
        ("", ()),
    ],
)
def test_scripts_of_languages(language, scripts):
    assert scripts_of(language) == scripts


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("abcd", "en", 1.0),
        ("abcd", "ru", 0.0),
        ("abcd", "xx", None),
        ("12 + 3 = 15!", "en", None),
        ("", "en", None),
        ("abc где", "ru", 0.5),
        ("abc где", "sr", 1.0),
        # Two syllables count as four letters.
        ("abcd 한강", "ko", 0.5),
        ("ab漢字かな", "ja", 0.8),
        ("ab漢字かな", "zh", 0.4),
    ],
)
def test_the_share_of_letters_in_a_languages_scripts(text, language, share):
    assert script_share(text, language) == (None if share is None else pytest.approx(share))


def test_vowel_signs_and_digits_count_for_nothing():
    assert script_share("नमस्ते १२३", "hi") == 1.0
    assert script_share("สวัสดี", "th") == 1.0


def test_the_end_of_a_long_text_is_not_read():
    assert script_share("a" * 1024 + "я" * 5000, "en") == 1.0


@pytest.mark.parametrize(
    "language", ["ar", "bn", "en", "fi", "id", "ja", "ko", "ru", "sw", "te", "th", "hi", "zh", "fa"]
)
def test_the_languages_of_common_collections_are_known(language):
    assert scripts_of(language)
