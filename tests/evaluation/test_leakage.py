"""Texts of a test among those of a training."""

from __future__ import annotations

from hardneg_plugin.evaluation.leakage import Leakage, LeakageCounter
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
    assert count([LONG], [NEAR]) == Leakage(1, 0, 1, ((NEAR, LONG),))
    assert count([LONG], ["the longest river of the continent is the Nile"]).near == 0


def test_a_text_is_counted_once_however_often_it_occurs():
    found = count([LONG, LONG], [NEAR, LONG], [LONG, NEAR])
    assert (found.texts, found.exact, found.near) == (2, 2, 0)


def test_texts_without_letters_are_nothing_in_common():
    assert count(["???", "..."], ["!!!", ""]) == Leakage(2, 0, 0)


def test_nothing_found_is_nothing():
    assert count([], ["a"]) == Leakage(0, 0, 0)
    assert count(["a question"], []) == Leakage(1, 0, 0)
