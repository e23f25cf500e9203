"""Which passages count as the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardneg_plugin.text import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("...", ""),
        ("  The   Cat,\n(sat) — on: the mat. ", "the cat sat on the mat"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ！", "full width"),
        ("STRASSE Straße", "strasse strasse"),
        ("ﬁne soft\u00adhyphen", "fine softhyphen"),
        ("C++ is 5% of €3", "c++ is 5 of €3"),
        ("你好，世界。", "你好 世界"),
        ("মহাশ্বেতা দেবী।", "মহাশ্বেতা দেবী"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_normalised_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_combining_marks_tell_words_apart() -> None:
    assert normalise("কি") != normalise("কা")


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
