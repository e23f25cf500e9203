"""Datasets that are already in memory."""

from __future__ import annotations

import pytest
from datasets import Dataset

from hardneg_plugin.datasets.memory import from_judgements, from_pairs
from hardneg_plugin.errors import DatasetError

ROWS = [
    {"question": "a", "text": "one", "more": "x"},
    {"question": "b", "text": "two", "more": "y"},
    {"question": "a", "text": "three", "more": "z"},
    {"question": "a", "text": "one", "more": "z"},
]
QUERIES, PASSAGES = {"q1": "first", "q2": "second"}, {"p1": "one", "p2": "two", "p3": "three"}


def read_pairs(rows, anchor=None, positive=None, corpus=(), on_bad_row="error"):
    return from_pairs(Dataset.from_list(rows), anchor, positive, corpus, on_bad_row)


def texts(dataset):
    return list(dataset.corpus.iter_texts())


def pairs(dataset):
    """Return the judged pairs as texts."""
    queries = {query.id: query.text for query in dataset.queries("train")}
    return [
        (queries[query], dataset.corpus.text(int(dataset.corpus.rows_of([passage])[0])))
        for query, grades in dataset.qrels("train").items()
        for passage in grades
    ]


def test_the_first_column_holds_queries_and_the_second_positives():
    dataset = read_pairs(ROWS)
    assert dataset.splits == ("train",)
    assert texts(dataset) == ["one", "two", "three"]
    # The fourth row repeats the first.
    assert pairs(dataset) == [("a", "one"), ("a", "three"), ("b", "two")]
    assert dataset.left_out == {}


def test_named_columns():
    assert pairs(read_pairs(ROWS, "text", "question")) == [("one", "a"), ("two", "b"), ("three", "a")]
    assert pairs(read_pairs(ROWS[:1], positive="more")) == [("a", "x")]


def test_lists_of_positives():
    rows = [{"query": "a", "positives": ["one", "two"]}, {"query": "b", "positives": ["two"]}]
    dataset = read_pairs(rows)
    assert texts(dataset) == ["one", "two"]
    assert pairs(dataset) == [("a", "one"), ("a", "two"), ("b", "two")]


def test_further_passages_come_behind_and_once():
    assert texts(read_pairs(ROWS, corpus=["four", "one", "four"])) == ["one", "two", "three", "four"]


def test_columns_that_are_not_there():
    with pytest.raises(DatasetError, match="the dataset: no column 'anchor'; columns: question, text, more"):
        read_pairs(ROWS, anchor="anchor")
    with pytest.raises(DatasetError, match="the dataset: no column ''; columns"):
        read_pairs(ROWS, positive="")
    with pytest.raises(DatasetError, match="no column for the positive; columns: question; name it with positive_col"):
        read_pairs([{"question": "a"}])
    with pytest.raises(DatasetError, match="column 'text' cannot be both query and positive"):
        read_pairs(ROWS, anchor="text", positive="text")


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ({"query": "b", "positive": None}, "no text", "expected a text in column 'positive', got None"),
        ({"query": None, "positive": "two"}, "no text", "expected a text in column 'query', got None"),
        ({"query": " ", "positive": "two"}, "empty text", "expected a text in column 'query', got an empty text"),
        ({"query": "b", "positive": "two\0"}, "broken character", "column 'positive': the text has a NUL byte"),
        ({"query": "b", "positive": "x" * 100_001}, "too long", "column 'positive': the text has 100,001 characters"),
    ],
)
def test_a_row_that_is_no_pair_of_texts(row, kind, message):
    rows = [{"query": "a", "positive": "one"}, row, {"query": "c", "positive": "three"}]
    with pytest.raises(DatasetError, match=f"^dataset, row 2: {message}"):
        read_pairs(rows).qrels("train")
    dataset = read_pairs(rows, on_bad_row="skip")
    assert pairs(dataset) == [("a", "one"), ("c", "three")]
    assert texts(dataset) == ["one", "three"]
    assert dataset.left_out == {"corpus": {kind: 1}}


def test_a_column_of_numbers():
    with pytest.raises(DatasetError, match=r"dataset, row 1: expected a text in column 'positive', got 1"):
        _ = read_pairs([{"query": "a", "positive": 1}]).corpus


def test_further_passages_that_are_no_texts():
    with pytest.raises(DatasetError, match=r"corpus:2: expected a text, got 7"):
        _ = read_pairs(ROWS, corpus=["four", 7]).corpus
    with pytest.raises(DatasetError, match=r"corpus:1: .*the text is empty"):
        _ = read_pairs(ROWS, corpus=[" "]).corpus
    dataset = read_pairs(ROWS, corpus=[None, " ", "four"], on_bad_row="skip")
    assert texts(dataset)[3:] == ["four"]
    assert dataset.left_out == {"corpus": {"empty text": 1, "no text": 1}}


def test_the_same_texts_are_the_same_corpus():
    key = read_pairs(ROWS).corpus.key
    assert read_pairs([{"q": row["question"], "p": row["text"]} for row in ROWS]).corpus.key == key
    assert read_pairs(ROWS[:2], corpus=["three"]).corpus.key == key
    assert read_pairs(ROWS[:2]).corpus.key != key
    # The same letters, parted elsewhere.
    keys = {
        read_pairs([{"q": "a", "p": ["one", "two"]}]).corpus.key,
        read_pairs([{"q": "a", "p": "onetwo"}]).corpus.key,
    }
    assert len(keys) == 2
    assert from_judgements(QUERIES, PASSAGES, {"q1": ["p1"]}, "error").corpus.key != key


def test_the_fingerprint_knows_the_pairs():
    one, other = read_pairs(ROWS), read_pairs([*ROWS[:2], {**ROWS[2], "question": "b"}])
    assert one.corpus.key == other.corpus.key
    assert one.fingerprint("train") != other.fingerprint("train")
    assert one.fingerprint("train") == read_pairs(ROWS).fingerprint("train")


def test_judgements_of_mappings():
    dataset = from_judgements(QUERIES, PASSAGES, {"q1": {"p1": 2, "p2": 0}, "q2": ["p3", "p1"]}, "error")
    assert dataset.qrels("train") == {"q1": {"p1": 2, "p2": 0}, "q2": {"p3": 1, "p1": 1}}
    assert [(query.id, query.text) for query in dataset.queries("train")] == [("q1", "first"), ("q2", "second")]
    assert texts(dataset) == ["one", "two", "three"]


def test_judgements_of_tables():
    queries = Dataset.from_list([{"_id": key, "text": text} for key, text in QUERIES.items()])
    corpus = Dataset.from_list([{"extra": 1, "docid": key, "passage": text} for key, text in PASSAGES.items()])
    dataset = from_judgements(queries, corpus, {"q2": {"p2": 1}}, "error")
    assert pairs(dataset) == [("second", "two")]
    assert dataset.corpus.key == from_judgements(QUERIES, PASSAGES, {"q1": ["p1"]}, "error").corpus.key


def test_ids_that_are_numbers_meet():
    queries = Dataset.from_list([{"id": 1, "text": "first"}])
    dataset = from_judgements(queries, {7: "one", 8: "two"}, {1: {8: 1}}, "error")
    assert pairs(dataset) == [("first", "two")]


def test_a_set_of_relevant_passages_is_read_in_the_order_of_the_ids():
    dataset = from_judgements(QUERIES, PASSAGES, {"q1": {"p3", "p1", "p2"}}, "error")
    assert list(dataset.qrels("train")["q1"]) == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ({"q1": "p1"}, "qrels of query 'q1': expected passage ids, or a mapping of them to grades; got 'p1'"),
        ({"q1": 1}, "qrels of query 'q1': expected passage ids, or a mapping of them to grades; got 1"),
        ({"q1": {"p1": 0.5}}, "qrels of query 'q1': expected a whole number for passage 'p1', got 0.5"),
        ({"q1": {"p1": 1}, "q9": ["p1"]}, r"dataset \(qrels/train\):2: query 'q9' is not in dataset \(queries\)"),
        ({"q1": ["p1", "p9"]}, r"dataset \(qrels/train\):2: passage 'p9' is not in dataset \(corpus\)"),
    ],
)
def test_judgements_that_cannot_be_read(qrels, message):
    with pytest.raises(DatasetError, match=message):
        from_judgements(QUERIES, PASSAGES, qrels, "error").qrels("train")


def test_tables_without_ids_or_texts():
    table = Dataset.from_list([{"number": 1, "text": "one"}])
    with pytest.raises(DatasetError, match=r"corpus: expected a mapping of ids to texts.*columns: number, text"):
        from_judgements(QUERIES, table, {}, "error")
    with pytest.raises(DatasetError, match="queries: expected a mapping of ids to texts.*got list"):
        from_judgements(["first"], PASSAGES, {}, "error")


def test_queries_and_passages_that_are_no_texts():
    qrels = {"q1": ["p1"]}
    with pytest.raises(DatasetError, match=r"dataset \(corpus\):2: 'p2': expected a text, got None"):
        from_judgements(QUERIES, {"p1": "one", "p2": None}, qrels, "error").qrels("train")
    with pytest.raises(DatasetError, match=r"dataset \(queries\):1: expected an id, got None"):
        from_judgements({None: "first"}, PASSAGES, qrels, "error").qrels("train")
    dataset = from_judgements({**QUERIES, "q3": 3}, {"p1": "one", "p2": " "}, {**qrels, "q2": ["p2"]}, "skip")
    assert pairs(dataset) == [("first", "one")]
    assert dataset.left_out == {
        "corpus": {"empty text": 1},
        "queries": {"no text": 1},
        "qrels/train": {"unknown passage": 1},
    }
