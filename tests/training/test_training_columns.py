from __future__ import annotations

import datasets
import pytest

from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.training.columns import find_columns, read_keys


def table(**columns: list[object]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns)


def test_finds_each_shape():
    pair = table(anchor=["q"], positive=["p"], score=[0.5])
    triplet = table(anchor_id=["1"], anchor=["q"], positive=["p"], negative=["n"])
    numbered = table(anchor=["q"], positive=["p"], negative_10=["j"], negative_2=["b"], negative_1=["a"])
    listed = table(anchor=["q"], positive=["p"], negatives=[["a", "b"]])
    assert find_columns(pair).names == ["anchor", "positive"]
    assert find_columns(triplet).negatives == ("negative",)
    assert find_columns(numbered).negatives == ("negative_1", "negative_2", "negative_10")
    assert (find_columns(listed).negatives, find_columns(listed).listed) == (("negatives",), True)


def test_ragged_rows_keep_every_negative_in_both_shapes():
    numbered = table(
        anchor=["q", "r", "s"], positive=["p", "o", "n"], negative_1=["a", None, "d"], negative_2=["b", "c", None]
    )
    listed = table(anchor=["q", "r", "s"], positive=["p", "o", "n"], negatives=[["a", "b"], ["c"], ["d"]])
    numbered_keys = read_keys(numbered, find_columns(numbered))
    listed_keys = read_keys(listed, find_columns(listed))
    assert numbered_keys.negative_counts.tolist() == [2, 1, 1]
    assert numbered_keys.negatives.tolist() == listed_keys.negatives.tolist()
    assert numbered_keys.digest == listed_keys.digest


def test_a_row_without_any_negative_and_a_column_of_none():
    ragged = table(anchor=["q", "r"], positive=["p", "o"], negatives=[None, ["c"]])
    empty = table(anchor=["q", "r"], positive=["p", "o"], negative_1=["a", "b"], negative_2=[None, None])
    assert read_keys(ragged, find_columns(ragged)).negative_counts.tolist() == [0, 1]
    assert read_keys(empty, find_columns(empty)).negative_counts.tolist() == [1, 1]


def test_the_digest_tells_order_and_texts_but_not_other_columns():
    first = table(anchor=["q", "r"], positive=["p", "o"])
    other_column = table(anchor=["q", "r"], positive=["p", "o"], score=[1, 2])
    digest = read_keys(first, find_columns(first)).digest
    assert read_keys(other_column, find_columns(other_column)).digest == digest
    shuffled = first.select([1, 0])
    assert read_keys(shuffled, find_columns(shuffled)).digest != digest
    assert read_keys(shuffled.select([1, 0]), find_columns(shuffled)).digest == digest


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": ["q"], "positive": ["p"]}, r"no column 'anchor'; its columns are \['query', 'positive'\]"),
        ({"anchor": ["q"]}, "no column 'positive'"),
        ({"anchor": ["q"], "positive": ["p"], "negative": ["n"], "negatives": [["m"]]}, "2 shapes"),
        ({"anchor": [1], "positive": ["p"]}, "column 'anchor' of the training table must hold texts"),
        ({"anchor": ["q"], "positive": ["p"], "negatives": ["n"]}, "must hold lists of texts"),
    ],
)
def test_columns_that_cannot_be_trained_on(columns, message):
    with pytest.raises(RecordError, match=message):
        find_columns(table(**columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"anchor": ["q", " "], "positive": ["p", "o"]}, "row 1 of the training table: column 'anchor' .* got ' '"),
        ({"anchor": ["q", "r"], "positive": ["p", None]}, "row 1 .* column 'positive' .* got None"),
        (
            {"anchor": ["q", "r"], "positive": ["p", "o"], "negative_1": ["a", "b"], "negative_2": [None, ""]},
            "row 1 .* column 'negative_2'",
        ),
        ({"anchor": ["q"], "positive": ["p"], "negatives": [["a", None]]}, "row 0 .* column 'negatives' .* got None"),
    ],
)
def test_a_missing_text_names_its_row_and_column(columns, message):
    dataset = table(**columns)
    with pytest.raises(RecordError, match=message):
        read_keys(dataset, find_columns(dataset))


def test_row_numbers_count_across_reads():
    texts = ["q"] * 5000
    dataset = table(anchor=texts, positive=[*texts[:4999], ""])
    with pytest.raises(RecordError, match="row 4999"):
        read_keys(dataset, find_columns(dataset))


def test_an_empty_table_and_something_else():
    empty = datasets.Dataset.from_dict(
        {"anchor": [], "positive": []},
        features=datasets.Features({"anchor": datasets.Value("string"), "positive": datasets.Value("string")}),
    )
    with pytest.raises(RecordError, match="no rows"):
        read_keys(empty, find_columns(empty))
    with pytest.raises(ParameterError, match=r"expected a datasets\.Dataset, got list"):
        find_columns([{"anchor": "q"}])  # type: ignore[arg-type]
