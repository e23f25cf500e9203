"""Which passages count as the same text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.text import normalise, normalise_all


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


_TEXTS = st.lists(st.one_of(st.text(max_size=30), st.text(st.characters(max_codepoint=127), max_size=30)))


@settings(deadline=None)
@given(_TEXTS)
def test_many_texts_at_once_come_out_as_each_alone(texts: list[str]) -> None:
    # Long enough for the compiled loop, which the drawn texts then go through as well.
    texts = [*texts, "Long, " * 12_000, *texts]
    assert normalise_all(texts) == [normalise(text) for text in texts]


def test_every_ascii_character_is_levelled_as_alone() -> None:
    texts = [f"A{chr(code)}B" for code in range(128)] * 200
    assert normalise_all(texts) == [normalise(text) for text in texts]
