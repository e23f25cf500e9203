"""The CSV of a label sample: round trip, what a person may write, and messages that name the line."""

import math

import pytest

from hardneg_plugin.datasets.labels import LabelRow, read_labels, write_labels
from hardneg_plugin.errors import DatasetError

ROW = LabelRow(
    "q1", "p1", "relevant", "who, when?", '=SUM("1")', "two\nlines", "bm25", 3, "hard_negative", "bm25, 1 to 10", 2.5
)


def test_round_trip_with_texts_that_need_care(tmp_path):
    rows = [ROW, LabelRow("q1", "p2"), LabelRow("q2", "p1", "unsure", passage="한강은", weight=1 / 3)]
    write_labels(tmp_path / "labels.csv", rows)
    read = read_labels(tmp_path / "labels.csv")
    assert read[:2] == rows[:2]
    assert read[2].weight == pytest.approx(1 / 3, rel=1e-5)
    assert read[2].passage == "한강은"


def test_a_spreadsheet_gets_no_formula_from_a_text(tmp_path):
    write_labels(tmp_path / "labels.csv", [ROW])
    assert "\"'=SUM(" in (tmp_path / "labels.csv").read_text("utf-8-sig")


def test_a_person_may_write_it_in_several_ways(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("passage_id,query_id,label,note\na,q,1,x\nb,q,No,\nc,q, ? ,\nd,q,,\ne,q,YES,\n", "utf-8")
    rows = read_labels(file)
    assert [row.label for row in rows] == ["relevant", "irrelevant", "unsure", "", "relevant"]
    assert [row.relevant for row in rows[:2]] == [1, 0]
    assert all(math.isnan(row.relevant) for row in rows[2:4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query_id,label\nq,1\n", "no column passage_id; expected query_id, passage_id, label, found query_id, label"),
        ("query_id,passage_id,label\n", "no pair in it"),
        ("query_id,passage_id,label\nq,p,1\nq,o,maybe\n", r"labels\.csv:3: label must be one of relevant, 1, yes"),
        ("query_id,passage_id,label\nq,p,1\nq,o,1\nq,p,1\n", r"labels\.csv:4: .* is there already, in line 2"),
        ("query_id,passage_id,label\nq,,1\n", r"labels\.csv:2: passage_id is empty"),
        ("query_id,passage_id,label\nq,p\n", r"labels\.csv:2: expected 3 cells"),
        ("query_id,passage_id,label,rank\nq,p,1,x\n", "labels.csv:2: rank must be a whole number above 0, got 'x'"),
        ("query_id,passage_id,label,weight\nq,p,1,0\n", "labels.csv:2: weight must be a number above 0, got '0'"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text, "utf-8")
    with pytest.raises(DatasetError, match=message) as raised:
        read_labels(tmp_path / "labels.csv")
    assert "on_bad_row" not in str(raised.value)


def test_no_file(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.csv"):
        read_labels(tmp_path / "none.csv")


def test_a_pair_is_written_once(tmp_path):
    with pytest.raises(DatasetError, match="query 'q1' and passage 'p1' occurs twice"):
        write_labels(tmp_path / "labels.csv", [ROW, ROW])
    assert not list(tmp_path.iterdir())
