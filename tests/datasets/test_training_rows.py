"""Training rows: one table for every format."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import DatasetError

ROWS = [
    TrainingRow(1, "who wrote Faust", ("Goethe.",), ("Marlowe.", "Mann."), ranks=(4, 9), language="en"),
    TrainingRow(3, "오늘", ("예",), (), query_id="q3", positive_scores=(0.5,)),
]


def test_rows_come_back_as_they_were():
    assert list(TrainingRows.of(ROWS, "triplet", "a.jsonl")) == ROWS


def test_what_a_format_lacks_is_null():
    table = TrainingRows.of(ROWS, "triplet", "a.jsonl").table
    assert table.column("ranks").to_pylist() == [[4, 9], None]
    assert table.column("negatives").to_pylist() == [["Marlowe.", "Mann."], []]


def test_another_schema_is_refused():
    with pytest.raises(DatasetError, match=r"a\.jsonl: training rows of another schema"):
        TrainingRows(pa.table({"query": ["q"]}), "triplet", "a.jsonl")
