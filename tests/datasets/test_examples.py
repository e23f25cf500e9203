from __future__ import annotations

import pytest
from haystack.dataclasses import Document

from hardneg_plugin.datasets import ExampleShards, Query, load_dataset
from hardneg_plugin.datasets.examples import sample_queries
from hardneg_plugin.errors import DatasetError, ParameterError


@pytest.fixture
def tiny(tiny_beir):
    return load_dataset(f"beir:{tiny_beir}")


def ids(examples):
    return [example.id for example in examples]


def test_examples_of_a_split(tiny):
    shards = ExampleShards(tiny, "train")
    (examples,) = shards
    assert ids(examples) == ["q1", "q2", "q3"]
    first, _, third = examples
    assert first.query == "longest river of South America"
    assert first.positives == (
        Document(id="p1", content="The Amazon is the longest river of South America.", meta={"language": "en"}),
    )
    assert (third.language, third.answers) == ("ko", ("서해",))
    assert len(first.candidates) == 0
    assert shards.pairs == 3


def test_grades_and_the_lowest_that_is_a_positive(tiny):
    (examples,) = ExampleShards(tiny, "test")
    assert [[document.id for document in example.positives] for example in examples] == [["a2"], ["p5", "a1"]]
    (strict,) = ExampleShards(tiny, "test", relevance=2)
    assert [[document.id for document in example.positives] for example in strict] == [["a2"], ["p5"]]
    (all_judged,) = ExampleShards(tiny, "test", relevance=0)
    assert len(all_judged[1].positives) == 3
    with pytest.raises(DatasetError, match="no query of split 'test' has a passage of grade 3 or more"):
        ExampleShards(tiny, "test", relevance=3)


def test_queries_without_positives_are_counted(make_beir):
    folder = make_beir(qrels={"test": [("q1", "p1", 1), ("q2", "p2", 0), ("q2", "p3", 0), ("q3", "k1", -1)]})
    shards = ExampleShards(load_dataset(f"beir:{folder}"), "test")
    assert ids(shards[0]) == ["q1"]
    assert shards.without_positives == 2


def test_queries_without_positives_are_reported_as_left_out(make_beir):
    qrels = {"test": [("q1", "p1", 2), ("q2", "p2", 1), ("q3", "k1", 0)], "train": [("q1", "p1", 2)]}
    dataset = load_dataset(f"beir:{make_beir(qrels=qrels)}")
    assert dataset.left_out == {}
    for relevance, expected in ((1, 1), (2, 2), (1, 1)):
        ExampleShards(dataset, "test", relevance=relevance)
        assert dataset.left_out == {"test": {"no relevant passage": expected}}
    ExampleShards(dataset, "train")
    assert dataset.left_out == {"test": {"no relevant passage": 1}}
    assert dataset.left_out_examples == []


def test_passages_judged_relevant_below_the_grade_of_a_positive_are_named(tiny):
    (examples,) = ExampleShards(tiny, "test", relevance=2)
    # q5: p5 has grade 2, a1 grade 1, p3 grade 0.
    assert [dict(example.meta) for example in examples] == [{}, {"judged_relevant": ["a1"]}]
    for relevance in (0, 1):
        (examples,) = ExampleShards(tiny, "test", relevance=relevance)
        assert [dict(example.meta) for example in examples] == [{}, {}]


def test_shards(tiny):
    shards = ExampleShards(tiny, "train", shard_size=2)
    assert len(shards) == 2
    assert [ids(shard) for shard in shards] == [["q1", "q2"], ["q3"]]
    assert [ids(shard) for shard in shards[1:]] == [["q3"]]
    assert shards[0] == shards[0]
    for number in (-1, 2):
        with pytest.raises(IndexError, match=f"shard {number} of 2"):
            shards[number]


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_shard_size_out_of_range(tiny, size):
    with pytest.raises(ParameterError, match="shard_size must be 1 to 10,000"):
        ExampleShards(tiny, "train", shard_size=size)


def test_drawing_queries():
    queries = [Query(f"q{number}", "text") for number in range(1000)]
    drawn = sample_queries(queries, 100, seed=1)
    assert len(drawn) == 100
    assert drawn == [query for query in queries if query in drawn]
    assert set(sample_queries(queries[::-1], 100, seed=1)) == set(drawn)
    assert set(sample_queries(queries, 50, seed=1)) < set(drawn)
    assert set(sample_queries(queries, 100, seed=2)) != set(drawn)
    assert sample_queries(queries, None, seed=1) == queries == sample_queries(queries, 1000, seed=1)


def test_a_draw_of_examples(tiny):
    shards = ExampleShards(tiny, "train", limit=2, seed=5)
    assert len(shards[0]) == 2
    assert shards.pairs == 2


@pytest.mark.integration
def test_real_data(shared):
    """MS MARCO pool: 6,479 training queries with 6,480 pairs, as its README says."""
    shards = ExampleShards(load_dataset(f"beir:{shared / 'data' / 'msmarco'}"), "train")
    assert (len(shards.queries), shards.pairs, shards.without_positives) == (6479, 6480, 0)
    assert len(shards[0]) == 6479
