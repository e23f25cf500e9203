"""What ``mine`` takes as pairs, corpus and judgements."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from hardneg_plugin import mine
from hardneg_plugin.errors import DatasetError

PAIRS = [
    {"query": "red fish", "positive": "red fish swims fast"},
    {"query": "blue bird", "positive": "a blue bird sings"},
]
CORPUS = ["fish market", "red stone lies", "blue sky shines"]
EXPECTED = [("red fish", "fish market"), ("blue bird", "blue sky shines")]


def mined(pairs=None, **options):
    pairs = Dataset.from_list(PAIRS) if pairs is None else pairs
    rows = mine(pairs, num_negatives=1, **options).dataset
    return [(row["anchor"], row["negative"]) for row in rows]


IN_MEMORY = {
    "list": CORPUS,
    "tuple": tuple(CORPUS),
    "set": set(CORPUS),
    "generator": lambda: (text for text in CORPUS),
    "column": lambda: Dataset.from_dict({"text": CORPUS})["text"],
    "series": pd.Series(CORPUS),
    "series with an index": pd.Series(CORPUS, index=["a", "b", "c"]),
    "array": np.array(CORPUS),
    "array of objects": np.array(CORPUS, dtype=object),
    "list of numpy strings": list(np.array(CORPUS)),
    "list of dicts": [{"text": text} for text in CORPUS],
    "list of beir's dicts": [{"_id": str(n), "title": "", "text": text} for n, text in enumerate(CORPUS)],
    "list of both": [CORPUS[0], *({"text": text} for text in CORPUS[1:])],
    "ids to texts": dict(enumerate(CORPUS)),
    "beir's mapping": {str(n): {"title": "", "text": text} for n, text in enumerate(CORPUS)},
    "dataset": Dataset.from_dict({"text": CORPUS}),
    "dataset in numpy format": Dataset.from_dict({"text": CORPUS}).with_format("numpy"),
    "data frame": pd.DataFrame({"id": range(3), "text": CORPUS}),
    "dict of columns": {"text": CORPUS},
    "passages": {"passage": CORPUS},
}


@pytest.mark.parametrize("held", IN_MEMORY)
def test_further_passages_in_memory(held):
    corpus = IN_MEMORY[held]
    assert mined(corpus=corpus() if callable(corpus) else corpus) == EXPECTED


def test_further_passages_in_a_file(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in CORPUS))
    assert mined(corpus=path) == mined(corpus=str(path)) == EXPECTED


@pytest.mark.parametrize("held", ["list", "beir's mapping", "data frame"])
def test_a_file_of_pairs_with_passages_in_memory(tmp_path, held):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    assert mined(path, corpus=IN_MEMORY[held]) == mined(f"jsonl:{path}", corpus=IN_MEMORY[held]) == EXPECTED


def test_a_positive_with_its_title_is_no_second_passage():
    pairs = [{"query": "red fish", "positive": "swims fast"}]
    corpus = {"1": {"title": "Red fish", "text": "swims fast"}, "2": {"title": "Red fish", "text": "market opens"}}
    assert mined(pairs, corpus=corpus) == [("red fish", "Red fish market opens")]


QRELS = {
    "mapping": {"1": {"10": 1}, "2": {"11": 1}},
    "lists": {"1": ["10"], "2": ["11"]},
    "whole floats": {"1": {"10": 1.0}, "2": {"11": 2.0}},
    "numpy grades": {"1": {"10": np.int64(1)}, "2": {"11": np.float32(1)}},
    "numpy ids": {np.int64(1): {np.int64(10): 1}, np.int64(2): {np.int64(11): 1}},
    "array of ids": {1: np.array([10]), 2: np.array([11])},
    "series of ids": {1: pd.Series([10]), 2: pd.Series([11])},
    "list of dicts": [
        {"query-id": "1", "corpus-id": "10", "score": 1},
        {"query-id": "2", "corpus-id": "11", "score": 1},
    ],
    "dataset": Dataset.from_dict({"query-id": [1, 2], "corpus-id": [10, 11], "score": [1.0, 1.0]}),
    "dataset in torch format": Dataset.from_dict({"query_id": [1, 2], "docid": [10, 11]}).with_format("torch"),
    "data frame": pd.DataFrame({"qid": [1, 2], "pid": [10, 11], "relevance": [1, 1]}),
    "dict of columns": {"query-id": [1, 2], "corpus-id": [10, 11], "score": [1, 1]},
}


@pytest.mark.parametrize("held", QRELS)
@pytest.mark.parametrize("numbers", [False, True])
def test_judgements_in_memory(held, numbers):
    ids = (1, 2, 10, 11, 12, 13) if numbers else ("1", "2", "10", "11", "12", "13")
    queries = dict(zip(ids[:2], ["red fish", "blue bird"], strict=True))
    texts = ["red fish swims fast", "a blue bird sings", "fish market", "blue sky shines"]
    corpus = pd.DataFrame({"id": np.array(ids[2:]), "text": texts})
    assert mined(queries, corpus=corpus, qrels=QRELS[held]) == EXPECTED


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\n1\t10\t1\n2\t11\t1.0\n",
        "1 0 10 1\n2 0 11 2\n",
        "1\t10\t1\n2\t11\t1\n",
        "1\t10\n2\t11\n",
    ],
)
@pytest.mark.parametrize("name", ["qrels.tsv", "qrels.txt", "test.qrels"])
def test_judgements_of_a_file(tmp_path, content, name):
    (tmp_path / name).write_text(content)
    corpus = {"10": "red fish swims fast", "11": "a blue bird sings", "12": "fish market", "13": "blue sky shines"}
    assert mined({1: "red fish", 2: "blue bird"}, corpus=corpus, qrels=tmp_path / name) == EXPECTED


@pytest.mark.parametrize("grade", [0.5, "1.5", float("nan"), float("inf"), "much", None, [1]])
def test_grades_that_are_no_whole_numbers_are_errors(grade):
    corpus = {"10": "one"}
    with pytest.raises(DatasetError, match="expected a whole number for passage '10'"):
        mined({"1": "red"}, corpus=corpus, qrels={"1": {"10": grade}})


def test_qrels_that_are_no_judgements():
    with pytest.raises(DatasetError, match="qrels: expected columns of a query id .*; columns: a, b"):
        mined({"1": "red"}, corpus={"10": "one"}, qrels=pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(DatasetError, match="qrels: expected a mapping, a table or a file, got int"):
        mined({"1": "red"}, corpus={"10": "one"}, qrels=7)


@pytest.mark.parametrize("form", ["numpy", "torch", "pandas", "arrow"])
def test_pairs_with_a_format_set(form):
    assert mined(Dataset.from_list(PAIRS).with_format(form), corpus=CORPUS) == EXPECTED


def test_pairs_of_a_data_frame_and_of_dicts():
    assert mined(pd.DataFrame(PAIRS), corpus=CORPUS) == mined(PAIRS, corpus=CORPUS) == EXPECTED


def test_negatives_that_pairs_bring_are_passages_as_in_files():
    pairs = [{"query": "red fish", "positive": "red fish swims", "negative": "fish market"}]
    assert mined(pairs) == [("red fish", "fish market")]


def test_skipped_rows_are_in_the_statistics():
    rows = [*PAIRS, {"query": "none", "positive": None}]
    statistics = mine(Dataset.from_list(rows), corpus=[*CORPUS, None], on_bad_row="skip", num_negatives=1).statistics
    assert statistics.skipped == {"corpus": {"no text": 2}}


def test_a_top_k_above_the_corpus_costs_nothing(toy_model):
    import tracemalloc

    vectors = {"red": [1, 0], "yes": [1, 0.1], "no": [0, 1], "far": [-1, 0.5]}
    for model in (None, toy_model(vectors)):
        tracemalloc.start()
        rows = mine([{"query": "red", "positive": "yes"}] * 3, model, corpus=["no", "far", "red no"], range_max=10**9)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(rows.dataset)
        assert peak < 200_000_000
