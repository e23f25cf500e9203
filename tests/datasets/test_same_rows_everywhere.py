"""A table of pairs gives the same queries, positives, passages and answers wherever it is held."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset
from pair_files import load, write

from hardneg_plugin.datasets.memory import from_pairs
from hardneg_plugin.errors import DatasetError

A, B = "where do bees dance?", "how long is the Nile?"
P, Q, N = "In the dark of the hive.", "6,650 kilometres.", "A hive holds one queen."

TABLES = {
    "plain": [{"query": A, "positive": P}, {"query": B, "positive": Q}],
    "swapped": [{"positive": P, "anchor": A}, {"positive": Q, "anchor": B}],
    "an id in front": [{"id": "7", "query": A, "passage": P}, {"id": "8", "query": B, "passage": Q}],
    "an id and a title": [
        {"_id": "7", "title": "Bees", "passage": P, "question": A},
        {"_id": "8", "title": "Rivers", "passage": Q, "question": B},
    ],
    "answers, a language and negatives": [
        {"negative_1": N, "language": "en", "answers": "the hive", "pos": P, "query": A},
        {"negative_1": "", "language": "en", "answers": "6,650", "pos": Q, "query": B},
    ],
    "a score behind": [
        {"sentence1": A, "positive": P, "score": "1"},
        {"sentence1": B, "positive": Q, "score": "0.5"},
    ],
}
MEMORY = {
    "dataset": Dataset.from_list,
    "numpy format": lambda rows: Dataset.from_list(rows).with_format("numpy"),
    "torch format": lambda rows: Dataset.from_list(rows).with_format("torch"),
    "pandas format": lambda rows: Dataset.from_list(rows).with_format("pandas"),
    "data frame": pd.DataFrame,
    "data frame with an index": lambda rows: pd.DataFrame(rows, index=[f"row {n}" for n in range(len(rows))]),
    "arrow": pa.Table.from_pylist,
    "list of dicts": list,
    "tuple of dicts": tuple,
    "dict of columns": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
}


def content(dataset):
    """Return all that is read: queries with languages and answers, passages, and which are relevant."""
    queries = {query.id: query[:4] for query in dataset.queries("train")}
    return list(queries.values()), list(dataset.corpus.iter_texts()), dataset.qrels("train"), dataset.corpus.key


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("held", MEMORY)
def test_a_table_in_memory_is_read_as_a_file_is(tmp_path, table, held):
    rows = TABLES[table]
    expected = content(load(write(tmp_path / "t.parquet", rows)))
    assert expected[2]
    assert content(from_pairs(MEMORY[held](rows), None, None, None, "error")) == expected


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "jsonl.gz"])
def test_files_of_all_kinds_are_read_alike(tmp_path, table, ending):
    import gzip

    expected = content(load(write(tmp_path / "t.parquet", TABLES[table])))
    path = write(tmp_path / f"t.{ending.removesuffix('.gz')}", TABLES[table])
    if ending.endswith(".gz"):
        zipped = tmp_path / f"z.{ending}"
        zipped.write_bytes(gzip.compress(path.read_bytes()))
        from hardneg_plugin.datasets import load_dataset

        assert content(load_dataset(f"jsonl:{zipped}")) == expected
    else:
        assert content(load(path)) == expected


def test_lists_of_answers_and_numbers_in_arrays():
    rows = [{"query": A, "positive": [P, Q], "answers": ["the hive", "a hive"]}]
    expected = content(from_pairs(Dataset.from_list(rows), None, None, None, "error"))
    assert expected[0][0][3] == ("the hive", "a hive")
    for held in ("numpy format", "data frame", "list of dicts", "arrow"):
        assert content(from_pairs(MEMORY[held](rows), None, None, None, "error")) == expected


def test_where_no_name_is_known_the_place_decides_and_that_is_said_once(caplog):
    rows = [{"id": 1, "premise": A, "hypothesis": P}, {"id": 2, "premise": B, "hypothesis": Q}]
    with caplog.at_level(logging.WARNING):
        dataset = from_pairs(Dataset.from_list(rows), None, None, None, "error")
        assert [query.text for query in dataset.queries("train")] == [A, B]
        _ = dataset.corpus
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "'premise' as the anchor, 'hypothesis' as the positive" in said[0]


@pytest.mark.parametrize("held", ["dataset", "data frame", "list of dicts"])
def test_columns_that_are_known_are_not_said(held, caplog):
    with caplog.at_level(logging.WARNING):
        content(from_pairs(MEMORY[held](TABLES["swapped"]), None, None, None, "error"))
    assert not caplog.records


def test_two_columns_for_one_role_are_an_error_in_memory_as_in_files():
    rows = [{"question": A, "answer": "the hive", "context": P}]
    with pytest.raises(DatasetError, match="several columns could be the positive: answer, context; name it with pos"):
        from_pairs(Dataset.from_list(rows), None, None, None, "error")
    dataset = from_pairs(Dataset.from_list(rows), None, "context", None, "error")
    assert list(dataset.corpus.iter_texts()) == [P]


def test_a_row_that_lacks_a_key_is_a_bad_row():
    rows = [{"query": A, "positive": P}, {"query": B}]
    with pytest.raises(DatasetError, match="dataset, row 2: expected a text in column 'positive', got None"):
        content(from_pairs(rows, None, None, None, "error"))
    with pytest.raises(DatasetError, match="row 2 of a list of dicts: expected a dict, got 'x'"):
        from_pairs([{"query": A, "positive": P}, "x"], None, None, None, "error")


def test_missing_cells_of_a_data_frame_are_no_texts():
    frame = pd.DataFrame({"query": [A, B], "positive": [P, np.nan], "negative_1": [np.nan, N]})
    with pytest.raises(DatasetError, match="row 2: expected a text in column 'positive', got None"):
        content(from_pairs(frame, None, None, None, "error"))
    dataset = from_pairs(frame, None, None, None, "skip")
    assert list(dataset.corpus.iter_texts()) == [P]
    assert dataset.left_out == {"corpus": {"no text": 1}}
