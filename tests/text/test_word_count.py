from __future__ import annotations

import pytest

from hardneg_plugin.text.word_count import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("   - ! -", 0),
        ("The Nile is long.", 4),
        ("Don't stop at 6,650 km", 5),
        ("나일강은 매우 길다.", 3),
        ("النيل نهر طويل", 3),
        ("नील एक नदी है", 4),
        # 8 Han characters at 1.6 to a word.
        ("尼罗河非常长河。", 4),
        ("尼罗河非常长河流", 5),
        # 3 Han, 3 kana: 3 / 1.6 + 3 / 3 = 2.9.
        ("川長山のはが", 3),
        # The long vowel sign belongs to the word it stands in: 6 characters at 3.
        ("コーヒーギー", 2),
        # 18 characters at 4.5, signs counted.
        ("แม่น้ำไนล์ยาวมากๆๆ", 4),
        ("The Nile 尼罗河非常长河流", 7),
    ],
)
def test_words_are_counted_in_any_script(text, words):
    assert count_words(text) == words
