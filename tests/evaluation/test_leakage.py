"""Texts of a test among those of a training."""

from __future__ import annotations

import pytest

from hardneg_plugin.evaluation.leakage import LeakageCounter, LeakedTexts
from hardneg_plugin.text import normalise
from hardneg_plugin.text.near_duplicates import jaccard

LONG = "the longest river of the continent rises in the mountains of the south and flows north into the sea"
NEAR = LONG.replace("flows north", "runs north")


def count(test, *trained):
    counter = LeakageCounter(test)
    for texts in trained:
        counter.add(texts)
    return counter.leakage()


def test_case_punctuation_and_width_do_not_hide_a_text():
    found = count(["Who wrote Faust?", "한강은 얼마나 긴가?", "other"], ["who wrote faust", "한강은 얼마나 긴가"])
    assert (found.texts, found.exact, found.near) == (3, 2, 0)
    assert found.examples[0] == ("who wrote faust", "Who wrote Faust?")


def test_a_near_copy_is_found_and_a_text_on_the_same_subject_is_not():
    assert jaccard(LONG, NEAR) >= 0.8
    assert count([LONG], [NEAR]) == LeakedTexts(1, 0, 1, ((NEAR, LONG),))
    assert count([LONG], ["the longest river of the continent is the Nile"]).near == 0


def test_a_text_is_counted_once_however_often_it_occurs():
    found = count([LONG, LONG], [NEAR, LONG], [LONG, NEAR])
    assert (found.texts, found.exact, found.near) == (2, 2, 0)


def test_texts_without_letters_are_nothing_in_common():
    assert count(["???", "..."], ["!!!", ""]) == LeakedTexts(2, 0, 0)


def test_nothing_found_is_nothing():
    assert count([], ["a"]) == LeakedTexts(0, 0, 0)
    assert count(["a question"], []) == LeakedTexts(1, 0, 0)


# A question, and a word of it with what it is replaced by: some of its 5-grams differ, fewer than a fifth.
SCRIPTS = {
    "ar": ("ما هي أطول الأنهار في القارة الإفريقية وأين تقع منابعها بالتحديد", "القارة الإفريقية", "القارة الافريقية"),
    "ko": (
        "아프리카 대륙에서 가장 긴 강은 무엇이며 그 강은 어느 나라의 산에서 시작하여 어디로 흐르는가",
        "흐르는가",
        "흐르나요",
    ),
    "th": ("แม่น้ำที่ยาวที่สุดในทวีปแอฟริกาคือแม่น้ำอะไรและไหลลงสู่ทะเลใด", "ทะเลใด", "ทะเลอะไร"),
    "te": ("ఆఫ్రికా ఖండంలో అతి పొడవైన నది ఏది మరియు అది ఎక్కడ పుడుతుంది", "పుడుతుంది", "పుడుతుందా"),
}


@pytest.mark.parametrize("language", SCRIPTS)
def test_near_copies_are_found_in_every_script(language):
    text, before, after = SCRIPTS[language]
    changed = text.replace(before, after)
    assert 0.8 <= jaccard(normalise(text), normalise(changed)) < 1
    assert count([text], [changed]) == LeakedTexts(1, 0, 1, ((changed, text),))
    assert count([text], [f"«{text}»؟"]).exact == 1
    others = [other for name, (other, _, _) in SCRIPTS.items() if name != language]
    assert count([text], others) == LeakedTexts(1, 0, 0)


def test_the_order_of_the_training_decides_over_no_count():
    train = [NEAR, "x y z", LONG.upper(), LONG]
    for order in (train, train[::-1]):
        found = count([LONG, "x, y, z", "Goethe wrote it"], order)
        assert (found.texts, found.exact, found.near) == (3, 2, 0)


@pytest.mark.parametrize(
    ("tested", "trained"),
    [
        (f"{LONG} in 1990", f"{LONG} in 1991"),
        (LONG, LONG.replace("rises", "never rises")),
        (f"{LONG} at -5 degrees", f"{LONG} at 5 degrees"),
    ],
)
def test_a_question_about_another_number_or_its_negation_is_no_copy(tested, trained):
    assert jaccard(normalise(tested), normalise(trained)) >= 0.8
    found = count([tested], [trained])
    assert (found.exact, found.near) == (0, 0)
