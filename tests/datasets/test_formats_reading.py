"""Reading anybody's training files: what is found out, what is asked for, and what is wrong with a row."""

from __future__ import annotations

import json

import pytest

from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError, ParameterError


@pytest.fixture
def write(tmp_path):
    def lines(*rows, name="rows.jsonl"):
        texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts), "utf-8")
        return tmp_path / name

    return lines


def said(text, role="user"):
    return [{"role": role, "content": text}]


PASSAGES = {"positive_passages": [{"docid": "d1", "title": "T", "text": "p"}], "negative_passages": [{"text": "n"}]}
CASES = {
    "triplet": ({"query": "q", "answer": "p", "negative": "n"}, "triplet", ("q", ("p",), ("n",))),
    "numbered": ({"question": "q", "positive": "p", "negative_2": "m", "negative_1": "n"}, "n-tuple", None),
    "lists": ({"query": "q", "positives": ["p"], "negatives": ["n", "m"]}, "n-tuple", None),
    "pairs": ({"sentence1": "q", "positive": "p"}, "n-tuple", ("q", ("p",), ())),
    "graded list": ({"query": "q", "docs": ["p", "n"], "scores": [9.5, 1]}, "labeled-list", ("q", ("p",), ("n",))),
    "labelled list": ({"query": "q", "docs": ["n", "p"], "labels": [0, 1]}, "labeled-list", ("q", ("p",), ("n",))),
    "margins": ({"query": "q", "positive": "p", "negative": "n", "label": 3.5}, "triplet", ("q", ("p",), ("n",))),
    "labelled pair": ({"query": "q", "text": "n", "label": 0}, "labeled-pair", ("q", (), ("n",))),
    "flag": ({"query": "q", "pos": ["p"], "neg": ["n"], "prompt": "find", "type": "normal"}, "flagembedding", None),
    "tevatron": ({"query_id": 7, "query": "q", **PASSAGES}, "tevatron", ("q", ("T p",), ("n",))),
    "swift": (
        {
            "messages": [*said("find", "system"), *said("q")],
            "positive_messages": [said("p")],
            "negative_messages": None,
        },
        "ms-swift",
        ("q", ("p",), ()),
    ),
    "older swift": ({"query": "q", "response": "p", "rejected_response": ["n"]}, "ms-swift", ("q", ("p",), ("n",))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_of_each_kind(write, case):
    row, name, expected = CASES[case]
    rows = read_training_rows(write(row))
    assert rows.format == name
    default = ("q", ("p",), ("n", "m") if case in ("numbered", "lists") else ("n",))
    assert [(found.query, found.positives, found.negatives) for found in rows] == [expected or default]


def test_ids_languages_and_scores_beside_the_texts(write):
    row = {"anchor": "q", "positive": "p", "negative_1": "n", "negative_2": None, "scores": [1, 0.5]}
    beside = {"anchor_id": "q1", "positive_id": "p1", "negative_ids": ["n1"], "language": "ko"}
    (found,) = read_training_rows(write({**row, **beside}))
    assert found == TrainingRow(1, "q", ("p",), ("n",), "q1", ("p1",), ("n1",), (1.0,), (0.5,), language="ko")


def test_rows_keep_their_line_and_are_joined_only_when_asked(write):
    file = write(
        {"anchor": "q", "positive": "p", "negative": "a"},
        "",
        {"anchor": "q", "positive": "p", "negative": "b"},
        {"anchor": "q", "positive": "other", "negative": "c"},
        {"anchor": "q", "positive": "p", "negative": "d"},
    )
    assert [(row.number, row.negatives) for row in read_training_rows(file)] == [
        (1, ("a",)),
        (3, ("b",)),
        (4, ("c",)),
        (5, ("d",)),
    ]
    joined = [(row.number, row.negatives) for row in read_training_rows(file, group=True)]
    assert joined == [(1, ("a", "b")), (4, ("c",)), (5, ("d",))]


def test_columns_by_name_and_by_place(write):
    file = write({"frage": "q", "antwort": "p", "falsch": "n"})
    with pytest.raises(
        DatasetError, match=r"no known format; columns: frage \(text\), antwort \(text\).*flagembedding"
    ):
        read_training_rows(file)
    by_place = read_training_rows(file, "triplet")
    by_name = read_training_rows(f"{file}?anchor=antwort&positive=frage&negative=falsch")
    assert [row[1:4] for row in by_place] == [("q", ("p",), ("n",))]
    assert [row[1:4] for row in by_name] == [("p", ("q",), ("n",))]
    with pytest.raises(DatasetError, match=r"expected \?name=value.*got 'ancor=antwort'"):
        read_training_rows(f"{file}?ancor=antwort")


BAD = {
    "broken JSON": ('{"query": ', "broken JSON"),
    "no object": ("[1]", "expected a JSON object, got list"),
    "string for a list": ({"query": "q", "pos": "abc", "neg": []}, r"expected a list of texts in 'pos', got 'abc'"),
    "no positive": ({"query": "q", "pos": [], "neg": ["n"]}, "expected at least one text in 'pos'"),
    "no query": ({"pos": ["p"], "neg": []}, "no 'query'; the row has pos, neg"),
    "empty negative": ({"query": "q", "pos": ["p"], "neg": ["n", " "]}, r"'neg\[1\]': the text is empty"),
    "number": ({"query": 5, "pos": ["p"], "neg": []}, "expected a text in 'query', got 5"),
    "too few scores": (
        {"query": "q", "pos": ["p"], "neg": ["n"], "pos_scores": [1], "neg_scores": []},
        "expected 1 numbers in 'neg_scores', one per passage, got 0",
    ),
    "no score": ({"query": "q", "pos": ["p"], "neg": [], "pos_scores": ["x"]}, "expected a number in 'pos_scores"),
    "half a character": ('{"query": "q", "pos": ["\\ud800"], "neg": []}', "half a surrogate pair"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named_and_may_be_skipped(write, case):
    row, message = BAD[case]
    good = {"query": "q", "pos": ["p"], "neg": ["n"]}
    file = write(good, row, good)
    with pytest.raises(DatasetError, match=rf"rows\.jsonl:2: .*{message}"):
        read_training_rows(file)
    rows = read_training_rows(file, on_bad_row="skip")
    assert [found.number for found in rows] == [1, 3]
    assert len(rows.faults) == 1
    assert rows.faults[0].startswith(f"{file}:2: ")


def test_a_label_beside_further_columns_is_never_passed_over(write, tmp_path):
    (tmp_path / "rows.csv").write_text("query,answer,origin,label\nq,n,web,0\n", "utf-8")
    with pytest.raises(DatasetError, match="no known format"):
        read_training_rows(tmp_path / "rows.csv")
    (found,) = read_training_rows(tmp_path / "rows.csv", "labeled-pair")
    assert (found.positives, found.negatives) == ((), ("n",))


def test_a_file_without_a_readable_row_names_the_first_fault(write):
    with pytest.raises(DatasetError, match=r"rows\.jsonl:1: broken JSON"):
        read_training_rows(write('{"query"', '{"query"'))
    with pytest.raises(DatasetError, match="no known format; columns: no readable row"):
        read_training_rows(write('{"query"'), on_bad_row="skip")


def test_all_faults_are_kept(write):
    file = write({"query": "q", "pos": ["p"], "neg": []}, *[{"query": "", "pos": ["p"], "neg": []}] * 40)
    assert len(read_training_rows(file, on_bad_row="skip").faults) == 40


def test_json_arrays_tables_and_datasets(write, tmp_path):
    from datasets import Dataset, DatasetDict

    rows = [{"anchor": "q", "positive": "p", "negative": "n"}] * 2
    array = tmp_path / "rows.json"
    array.write_text(json.dumps(rows), "utf-8")
    dataset = Dataset.from_list(rows)
    dataset.save_to_disk(tmp_path / "stored")
    DatasetDict({"dev": dataset}).save_to_disk(tmp_path / "splits")
    (tmp_path / "folder").mkdir()
    write(*rows, name="folder/train.jsonl")
    sources = [array, dataset, tmp_path / "stored", tmp_path / "folder"]
    found = [list(read_training_rows(source)) for source in sources]
    assert found == [[TrainingRow(1, "q", ("p",), ("n",)), TrainingRow(2, "q", ("p",), ("n",))]] * 4
    assert len(read_training_rows(tmp_path / "splits", split="dev")) == 2
    with pytest.raises(DatasetError, match="no split 'train'; splits: dev"):
        read_training_rows(tmp_path / "splits")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DatasetError, match="no such file or folder, nor a hub id"):
        read_training_rows(tmp_path / "nothing.jsonl")
    with pytest.raises(DatasetError, match="some/rows: no such file or folder, and the hub did not give the split"):
        read_training_rows("some/rows")
    with pytest.raises(ParameterError, match="format must be one of hardneg, .*; got 'flag'"):
        read_training_rows(tmp_path, "flag")
    (tmp_path / "notes.txt").write_text("text", "utf-8")
    with pytest.raises(DatasetError, match="expected a file that ends in"):
        read_training_rows(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match=r"expected a folder of save_to_disk.*it has notes\.txt"):
        read_training_rows(tmp_path)


def test_texts_in_other_tables(write, tmp_path):
    write({"query_id": "q1", "text": "q"}, name="queries.jsonl")
    write({"document_id": 1, "text": "p"}, {"document_id": 2, "text": "n"}, name="documents.jsonl")
    file = write({"query_id": "q1", "document_ids": "[1, 2]", "scores": "[0.5, 0.25]"}, name="train.jsonl")
    expected = TrainingRow(1, "q", ("p",), ("n",), "q1", ("1",), ("2",), (0.5,), (0.25,))
    assert list(read_training_rows(file)) == [expected]
    assert list(read_training_rows(tmp_path)) == [expected]
    write({"query_id": "q1", "document_ids": [1, 3], "scores": [1, 0]}, name="train.jsonl")
    with pytest.raises(DatasetError, match=r"train\.jsonl:1: '3' is not in the table 'documents'"):
        read_training_rows(file)
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(DatasetError, match=r"its texts are in another table; expected queries\.jsonl"):
        read_training_rows(file)
