from __future__ import annotations

import pytest

from hardneg_plugin.text.characters import count_cjk_characters, has_control_characters
from hardneg_plugin.text.mojibake import has_mojibake, repair_mojibake


@pytest.mark.parametrize(
    ("broken", "repaired"),
    [
        ("schÃ¶n und groÃŸ", "schön und groß"),
        ("The Mona Lisa doesnâ€™t have eyebrows.", "The Mona Lisa doesn’t have eyebrows."),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚ Ð¼Ð¸Ñ€", "Привет мир"),
    ],
)
def test_wrong_decodings_are_told_and_repaired(broken, repaired):
    assert has_mojibake(broken)
    assert repair_mojibake(broken) == repaired
    assert not has_mojibake(repaired)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "Der Fluß ist schön.",
        "naïve café — it’s “quoted”",
        "한강은 서울을 지나 서해로 흐른다.",
        "يجري نهر النيل",
        "NÃO É AQUI",
        'Šolem un Have" (”Šolem ja Have”)',
    ],
)
def test_sound_text_is_left_alone(text):
    assert not has_mojibake(text)
    assert repair_mojibake(text) == text


def test_lost_bytes_are_told_though_nothing_repairs_them():
    assert has_mojibake("a \ufffd b")
    assert repair_mojibake("a \ufffd b") == "a \ufffd b"


@pytest.mark.parametrize(
    "character", ["\x00", "\x07", "\x0b", "\x1b", "\x7f", "\x85", "\x9f", "\ud800", "\ufffe", "\uffff"]
)
def test_control_characters_are_told(character):
    assert has_control_characters(f"a{character}b")


@pytest.mark.parametrize("text", ["", "a\tb\r\n", "a\u00a0b", "a\u200bb", "e\u0301", "\U0001f600", "a\u00adb"])
def test_white_space_and_invisible_characters_are_no_control_characters(text):
    assert not has_control_characters(text)


def test_characters_that_write_syllables_and_words():
    assert count_cjk_characters("abc") == 0
    assert count_cjk_characters("ab 漢字かなカナ한글 é") == 8
