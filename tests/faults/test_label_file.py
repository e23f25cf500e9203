"""The label file is the person's: the page changes the cells that are labelled, and not a byte more."""

from __future__ import annotations

import pytest

from hardneg_plugin.datasets.labels import LabelRow, read_labels, set_label, write_labels
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.report.label_page import LabelPage

# A column and a row of the person's own, Windows' ends of lines, quotes, a line break in a cell, a byte of Latin-1.
THEIRS = (
    b"\xef\xbb\xbfmy notes,query_id,passage_id,label,passage\r\n"
    b'"he said ""no""",q1,p1,,"one, two"\r\n'
    b"\r\n"
    b'caf\xc3\xa9,q1,p2,"","a\nb"\r\n'
    b"  spaces  ,q2,p1,YES,x"
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "labels.csv").write_bytes(THEIRS)
    return tmp_path / "labels.csv"


def test_one_cell_changes(path):
    assert set_label(path, "q1", "p2", "relevant")
    assert path.read_bytes() == THEIRS.replace(b'q1,p2,""', b"q1,p2,relevant")
    assert set_label(path, "q1", "p2", "")
    assert path.read_bytes() == THEIRS.replace(b'q1,p2,""', b"q1,p2,")
    assert set_label(path, "q2", "p1", "unsure")
    assert path.read_bytes() == THEIRS.replace(b'q1,p2,""', b"q1,p2,").replace(b"YES", b"unsure")
    assert not set_label(path, "q9", "p1", "relevant")


def test_labels_and_columns_that_came_meanwhile_stay(path):
    page = LabelPage(path)
    assert "one, two" in page.html()
    changed = THEIRS.replace(b"spaces", b"new words") + b"\r\nmore,q3,p3,no,y\r\n"
    path.write_bytes(changed)
    assert page.answer("q1", "p1", "irrelevant")
    assert path.read_bytes() == changed.replace(b'q1,p1,,"one', b'q1,p1,irrelevant,"one')
    assert {(row.query_id, row.passage_id): row.label for row in read_labels(path)} == {
        ("q1", "p1"): "irrelevant",
        ("q1", "p2"): "",
        ("q2", "p1"): "relevant",
        ("q3", "p3"): "irrelevant",
    }
    assert "3 of 4" in page.html()


def test_a_file_that_was_broken_meanwhile_is_said_and_left(path):
    page = LabelPage(path)
    path.write_bytes(b"something else entirely\n")
    with pytest.raises(DatasetError, match="no pair in it|no column"):
        page.answer("q1", "p1", "relevant")
    with pytest.raises(DatasetError):
        page.html()
    assert path.read_bytes() == b"something else entirely\n"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-x", "@x", "\tx", "\rx", "＝1", "'=1", "''+1", "it's", "'quoted'", "-"]
)
def test_formulas_in_any_cell_are_written_so_that_none_runs_and_read_as_they_were(tmp_path, text):
    row = LabelRow(text.strip() or "q", f"p{text}", query=text, positive=text, passage=text, source=text, stratum=text)
    write_labels(tmp_path / "labels.csv", [row])
    assert read_labels(tmp_path / "labels.csv") == [row]
    import csv

    with (tmp_path / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for line in list(csv.reader(file))[1:] for cell in line]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r＝")]
    assert set_label(tmp_path / "labels.csv", row.query_id, row.passage_id, "relevant")
    assert read_labels(tmp_path / "labels.csv")[0].label == "relevant"
