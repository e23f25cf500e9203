"""Several datasets as one."""

from __future__ import annotations

import pytest

from hardneg_plugin.datasets import ExampleShards, load_dataset, resolve_spec, with_options
from hardneg_plugin.errors import DatasetError


@pytest.fixture
def two(make_beir):
    first = make_beir(
        passages=[{"_id": "p1", "text": "The Nile is long."}, {"_id": "p2", "text": "The Rhine is short."}],
        queries=[{"_id": "q1", "text": "long river"}, {"_id": "q2", "text": "short river"}],
        qrels={"train": [("q1", "p1", 1), ("q2", "p2", 1)], "test": [("q2", "p2", 1)]},
        name="en",
    )
    second = make_beir(
        passages=[{"_id": "p1", "text": "Der Nil ist lang."}],
        queries=[{"_id": "q1", "text": "langer Fluss"}],
        qrels={"train": [("q1", "p1", 1)]},
        name="de",
    )
    return f"beir:{first}?default_language=en + beir:{second}?default_language=de"


def test_ids_begin_with_the_name_of_their_part_and_languages_are_those_of_the_part(two):
    dataset = load_dataset(two)
    assert dataset.corpus.ids(range(3)) == ["en/p1", "en/p2", "de/p1"]
    assert [(query.id, query.language) for query in dataset.queries("train")] == [
        ("en/q1", "en"),
        ("en/q2", "en"),
        ("de/q1", "de"),
    ]
    assert dataset.qrels("train") == {"en/q1": {"en/p1": 1}, "en/q2": {"en/p2": 1}, "de/q1": {"de/p1": 1}}
    assert dataset.languages == ("de", "en")


def test_a_split_that_only_one_part_has_is_that_of_the_part(two):
    dataset = load_dataset(two)
    assert set(dataset.splits) == {"train", "test"}
    assert dataset.qrels("test") == {"en/q2": {"en/p2": 1}}


def test_parts_of_one_name_are_numbered(two):
    first = two.split(" + ")[0]
    assert load_dataset(f"{first} + {first}").corpus.ids(range(4)) == ["1-en/p1", "1-en/p2", "2-en/p1", "2-en/p2"]


def test_the_order_and_the_prefix_decide_over_the_corpus(two):
    other = " + ".join(reversed(two.split(" + ")))
    assert load_dataset(two).corpus.key != load_dataset(other).corpus.key


def test_a_bad_row_names_the_file_of_its_part(two, tmp_path):
    broken = tmp_path / "de" / "qrels" / "train.tsv"
    broken.write_text("query-id\tcorpus-id\tscore\nq1\tp7\t1\n", "utf-8")
    with pytest.raises(DatasetError) as caught:
        load_dataset(two).qrels("train")
    assert f"{broken}:2" in str(caught.value)
    assert "'de/p7'" in str(caught.value)


def test_relative_paths_and_options_go_to_every_part(tmp_path):
    assert resolve_spec("beir:a + beir:b", tmp_path) == f"beir:{tmp_path}/a + beir:{tmp_path}/b"
    assert with_options("beir:a + beir:b?on_bad_row=skip", {"on_bad_row": "skip"}) == (
        "beir:a?on_bad_row=skip + beir:b?on_bad_row=skip"
    )


def test_parts_must_agree_on_bad_rows(two):
    with pytest.raises(DatasetError, match="its parts must agree in on_bad_row, got error, skip"):
        load_dataset(f"{two}&on_bad_row=skip")


def test_a_limit_per_language_takes_some_of_each(two):
    shards = ExampleShards(load_dataset(two), "train", limit_per_language=1, seed=3)
    drawn = [query.language for query in shards.queries]
    assert drawn == ["en", "de"]
    again = ExampleShards(load_dataset(" + ".join(reversed(two.split(" + ")))), "train", limit_per_language=1, seed=3)
    assert {query.id for query in again.queries} == {query.id for query in shards.queries}
