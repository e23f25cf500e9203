"""A collection of some queries and their relevant passages alone."""

from __future__ import annotations

import pytest

from hardneg_plugin import load_dataset
from hardneg_plugin.errors import DatasetError


@pytest.fixture
def folder(make_beir):
    judged = {
        "test": [("q0", "p0", 1), ("q0", "p9", 0), ("q1", "p1", 2), ("q1", "p2", 1), ("q2", "p3", 0)],
        "dev": [("q3", "p5", 1)],
    }
    passages = [{"_id": f"p{n}", "text": f"passage {n}"} for n in range(10)]
    return make_beir(passages, [{"_id": f"q{n}", "text": f"question {n}"} for n in range(5)], judged)


def test_the_corpus_is_what_is_relevant(folder):
    dataset = load_dataset(f"beir:{folder}?gold=test")
    assert dataset.corpus.ids(range(len(dataset.corpus))) == ["p0", "p1", "p2"]
    assert dataset.splits == ("test",)
    assert dataset.qrels("test") == {"q0": {"p0": 1}, "q1": {"p1": 2, "p2": 1}}
    assert [query.id for query in dataset.queries("test")] == ["q0", "q1"]
    assert dataset.name.endswith("-gold-test")


def test_queries_are_drawn_by_their_id(folder):
    drawn = load_dataset(f"beir:{folder}?gold=test&queries=1")
    (query,) = drawn.queries("test")
    expected = {"q0": ["p0"], "q1": ["p1", "p2"]}[query.id]
    assert drawn.corpus.ids(range(len(drawn.corpus))) == expected


def test_it_may_be_part_of_a_union(folder):
    union = load_dataset(f"beir:{folder}?gold=test + beir:{folder}?gold=dev")
    assert len(union.corpus) == 4
    assert union.splits == ("test", "dev")
    assert len({query.id for split in union.splits for query in union.queries(split)}) == 3


def test_a_split_that_is_not_there_is_named(folder):
    with pytest.raises(DatasetError, match="gold=train: no such split; splits: dev, test"):
        load_dataset(f"beir:{folder}?gold=train")


def test_a_number_of_queries_without_a_split_is_refused(folder):
    with pytest.raises(DatasetError, match="queries=3 is for gold=SPLIT"):
        load_dataset(f"beir:{folder}?queries=3")
