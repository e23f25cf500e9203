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
        ("C++ is 5% of €3", "c++ is 5% of €3"),
        ("The record low is −15 °C, not 15 °C.", "the record low is -15 °c not 15 °c"),
        ("x = -1; y=−2", "x = -1 y=-2"),
        ("5 % (or 10%), 3 ‰", "5% or 10% 3‰"),
        ("[0, 1) and (0,1] and [0;1]", "[0;1) and (0;1] and [0;1]"),
        ("1914–1918, 1914 - 1918 and 5 -3", "1914-1918 1914-1918 and 5 -3"),
        ("v2.1, 1,5 kg and .5", "v2.1 1.5 kg and .5"),
        ("SELECT * FROM t; COUNT(*); 2*3", "select * from t count * 2 * 3"),
        ("* one\n* **two** *three*", "one two three"),
        ("a != b! C# or #c", "a != b c# or c"),
        ("(a + b) * c, Bach (1685–1750)", "(a+b) * c bach 1685-1750"),
        ("3/4, ¾, 3 / 4, km/h", "3/4 3/4 3/4 km h"),
        ("well-known F-16 -- a jet - and -$5", "well known f 16 a jet and -$5"),
        ("٪٥ و ٣٫٥", "%٥ و ٣.٥"),
        ("你好，世界。", "你好 世界"),
        ("মহাশ্বেতা দেবী।", "মহাশ্বেতা দেবী"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_normalised_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_combining_marks_tell_words_apart() -> None:
    assert normalise("কি") != normalise("কা")


_FORMULAS = st.text(st.sampled_from("15ab x.,-–−/%*#!=+()[];$€٪٫\n\t\x00°é中)"), max_size=20)


@settings(max_examples=2000, deadline=None)
@given(st.one_of(st.text(max_size=60), _FORMULAS))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=30),
        _FORMULAS,
        st.text(st.sampled_from("15a .,-/%*!=($\n\t"), max_size=12),
        st.text(st.characters(max_codepoint=127), max_size=30),
    )
)


@settings(max_examples=500, deadline=None)
@given(_TEXTS)
def test_many_texts_at_once_come_out_as_each_alone(texts: list[str]) -> None:
    # Long enough for the compiled loop, which the drawn texts then go through as well.
    texts = [*texts, "Long, " * 12_000, *texts]
    assert normalise_all(texts) == [normalise(text) for text in texts]


def test_every_ascii_character_is_levelled_as_alone() -> None:
    texts = [f"A{chr(code)}B" for code in range(128)] * 200
    assert normalise_all(texts) == [normalise(text) for text in texts]
