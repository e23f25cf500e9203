"""Answers as a way to find false negatives, and to write true ones."""

from __future__ import annotations

import pytest
from hand_made import corpus_of, found, reasons
from haystack import Document

from hardneg_plugin import AnswerMatchFilter, AnswerSwapGenerator, MiningExample
from hardneg_plugin.messages import shown_by

TEXTS = {
    "a": "The tower was finished in 1889, in Paris.",
    "b": "The tower is 330 metres high.",
    "c": "Eighteen eighty-nine was a good year, and 18890 is a number.",
}


def example(identifier, query, positive, answers, language="en"):
    return MiningExample(
        identifier, query, (Document(id=f"+{identifier}", content=positive),), language=language, answers=answers
    )


TOWER = example("tower", "when was the tower finished", "It opened in 1889; since 1889 it stands.", ("1889",))
BRIDGE = example("bridge", "when was the bridge built", "The bridge dates from 1937.", ("1937",))
CANAL = example("canal", "when was the canal dug", "The canal dates from 1869.", ("1869",))
RIVER = example("river", "which river is it", "It is the Rhine.", ("Rhine",))
YES = example("yes", "is it", "Yes, it is.", ("yes",))
NONE = example("none", "is it", "So they say.", ())


def test_candidates_with_the_answer_are_dropped():
    mined = found([TOWER, NONE, YES], corpus_of(TEXTS), [["a", "b", "c"], ["a"], ["a"]])
    tower, none, yes = AnswerMatchFilter().run(examples=mined)["examples"]
    assert reasons(tower) == {"a": "answer: contained", "b": "", "c": ""}
    assert reasons(none) == reasons(yes) == {"a": ""}


def test_without_examples_there_is_nothing_to_do():
    assert AnswerMatchFilter().run(examples=[])["examples"] == []
    assert AnswerSwapGenerator().run(examples=[])["examples"] == []


def test_the_positive_gets_another_answer_of_the_same_kind_everywhere():
    swapped = AnswerSwapGenerator(num_passages=2).run(examples=[TOWER, BRIDGE, CANAL, RIVER])["examples"][0]
    texts = sorted(candidate.text for candidate in swapped.candidates)
    assert texts == ["It opened in 1869; since 1869 it stands.", "It opened in 1937; since 1937 it stands."]
    assert {candidate.document.meta["swapped"][0] for candidate in swapped.candidates} == {"1889"}
    assert {name: found.rank for name, found in swapped.candidates[0].sources.items()} == {"answer-swap": 1}


def test_who_gets_nothing_is_counted():
    said = []
    with shown_by(said.append):
        examples = AnswerSwapGenerator().run(examples=[TOWER, BRIDGE, RIVER, YES, NONE])["examples"]
    assert [len(one.candidates) for one in examples] == [1, 1, 0, 0, 0]
    assert said == [
        "AnswerSwapGenerator: no passage for 3 of 5 examples: 1 no other answer of its kind, 2 without an answer"
    ]


def test_no_accepted_answer_stays_behind_or_is_put_in():
    both = example("both", "when", "It dates from 1901, or 1902.", ("1901", "1902"))
    (alone, other) = AnswerSwapGenerator(num_passages=5).run(examples=[both, TOWER])["examples"]
    assert len(alone.candidates) == 0
    assert {candidate.document.meta["swapped"][1] for candidate in other.candidates} == {"1901", "1902"}


def test_answers_stay_in_their_language():
    german = example("brücke", "wann", "Die Brücke ist von 1955.", ("1955",), language="de")
    swapped = AnswerSwapGenerator(num_passages=3).run(examples=[TOWER, german, BRIDGE])["examples"]
    assert [len(one.candidates) for one in swapped] == [1, 0, 1]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_the_order_of_examples_decides_nothing(order):
    examples = [TOWER, BRIDGE, CANAL]
    once = {
        one.id: [c.text for c in one.candidates]
        for one in AnswerSwapGenerator(seed=3).run(examples=examples)["examples"]
    }
    mixed = AnswerSwapGenerator(seed=3).run(examples=[examples[position] for position in order])["examples"]
    assert {one.id: [c.text for c in one.candidates] for one in mixed} == once
