"""Every way in which a row can be bad: the error names file, line, expected and got; `skip` counts it."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.errors import DatasetError, HardnegError

CORPUS, QUERIES, TRAIN = "corpus.jsonl", "queries.jsonl", "qrels/train.tsv"
PART = {CORPUS: "corpus", QUERIES: "queries", TRAIN: "qrels/train"}
GOOD = {CORPUS: 12, QUERIES: 5, TRAIN: 3}


class Bad(NamedTuple):
    """A line appended to a file of the tiny dataset.

    :param line: Bytes of the line.
    :param kind: What it is counted under.
    :param message: What the error says after file and line (a regular expression).
    """

    file: str
    line: bytes
    kind: str
    message: str


def row(**values: object) -> bytes:
    return json.dumps(values).encode()


BAD = {
    "broken JSON": Bad(CORPUS, b'{"_id": "x", "text": "t"', "broken JSON", r"broken JSON: .* at column 25"),
    "JSON with a number too long": Bad(CORPUS, b'{"_id": ' + b"1" * 5000 + b"}", "broken JSON", "broken JSON: .*4300"),
    "JSON too deep": Bad(CORPUS, b'{"a":' * 100_000, "broken JSON", "broken JSON: .*recursion"),
    "no object": Bad(CORPUS, b"[1, 2]", "not an object", "expected a JSON object, got list"),
    "no id": Bad(CORPUS, row(text="t"), "no _id", "expected a string under '_id', got nothing"),
    "id a list": Bad(CORPUS, row(_id=["x"], text="t"), "no _id", r"'_id', got \['x'\]"),
    "empty id": Bad(CORPUS, row(_id="", text="t"), "broken id", "passage '': the id is ''"),
    "no text": Bad(CORPUS, row(_id="x", title="only"), "no text", "expected a string under 'text', got nothing"),
    "text null": Bad(CORPUS, row(_id="x", text=None), "no text", "expected a string under 'text', got None"),
    "text a list": Bad(CORPUS, row(_id="x", text=["a"]), "no text", r"expected a string under 'text', got \['a'\]"),
    "empty text": Bad(CORPUS, row(_id="x", text=""), "empty text", "passage 'x': the text is empty"),
    "blank text": Bad(CORPUS, row(_id="x", text=" \n\t\u3000"), "empty text", "passage 'x': the text is empty"),
    "duplicate id": Bad(
        CORPUS, row(_id="p2", text="t"), "duplicate id", r"'p2' occurs twice, first in .*corpus\.jsonl:2"
    ),
    "NUL byte": Bad(
        CORPUS, row(_id="x", text="ab\0c"), "broken character", "'x': the text has a NUL byte at character 2"
    ),
    "NUL byte in the id": Bad(CORPUS, row(_id="x\0", text="t"), "broken id", r"the id is 'x\\x00'"),
    "NUL byte in the title": Bad(CORPUS, row(_id="x", text="t", title="\0"), "broken character", "NUL byte"),
    "lone surrogate": Bad(
        CORPUS,
        rb'{"_id": "x", "text": "a\ud83d"}',
        "broken character",
        r"half a surrogate pair \('\\ud83d'\) at character 1",
    ),
    "lone surrogate in the language": Bad(
        CORPUS, rb'{"_id": "x", "text": "a", "metadata": {"language": "\udc00"}}', "broken language", "the language is"
    ),
    "10 MB passage": Bad(
        CORPUS,
        row(_id="x", text="a" * 10_000_000),
        "too long",
        "10,000,000 characters, more than max_text_chars = 100,000",
    ),
    "not UTF-8": Bad(CORPUS, b'{"_id": "x", "text": "caf\xe9"}', "not UTF-8", "not UTF-8: .* at byte 25 of the line"),
    "query: broken JSON": Bad(QUERIES, b"nonsense", "broken JSON", "broken JSON"),
    "query: empty text": Bad(QUERIES, row(_id="x", text=" "), "empty text", "query 'x': the text is empty"),
    "query: no text": Bad(QUERIES, row(_id="x"), "no text", "expected a string under 'text'"),
    "query: duplicate id": Bad(
        QUERIES, row(_id="q1", text="t"), "duplicate id", "'q1': the id occurs twice, first in line 1"
    ),
    "query: lone surrogate in the id": Bad(QUERIES, rb'{"_id": "\ud800", "text": "t"}', "broken id", "the id is"),
    "query: too long": Bad(QUERIES, row(_id="x", text="a" * 100_001), "too long", "100,001 characters"),
    "query: answers a number": Bad(
        QUERIES, row(_id="x", text="t", metadata={"answers": 5}), "broken answers", "a string or a list of them .*got 5"
    ),
    "query: answers of numbers": Bad(
        QUERIES, row(_id="x", text="t", metadata={"answers": [None]}), "broken answers", r"got \[None\]"
    ),
    "query: NUL byte in an answer": Bad(
        QUERIES, row(_id="x", text="t", metadata={"answers": ["\0"]}), "broken character", "NUL byte"
    ),
    "qrel: unknown query": Bad(TRAIN, b"nobody\tp1\t1", "unknown query", r"query 'nobody' is not in .*queries\.jsonl"),
    "qrel: unknown passage": Bad(
        TRAIN, b"q1\tnowhere\t1", "unknown passage", r"passage 'nowhere' is not in .*corpus\.jsonl"
    ),
    "qrel: conflicting": Bad(
        TRAIN, b"q1\tp1\t2", "conflicting grades", r"\('q1', 'p1'\) has grade 2, an earlier line says 1"
    ),
    "qrel: two cells": Bad(
        TRAIN, b"q1\tp3", "broken line", r"expected 3 cells .*\(query-id, corpus-id, score\), got 2"
    ),
    "qrel: TREC format": Bad(TRAIN, b"q1 0 p3 1", "broken line", "expected 3 cells .*, got 1"),
    "qrel: four cells": Bad(TRAIN, b"q1\t0\tp3\t1", "broken line", "expected 3 cells .*, got 4"),
    "qrel: grade a word": Bad(TRAIN, b"q1\tp3\thigh", "broken grade", "expected a whole number, got 'high'"),
    "qrel: grade a fraction": Bad(TRAIN, b"q1\tp3\t0.5", "broken grade", "expected a whole number, got '0.5'"),
    "qrel: grade empty": Bad(TRAIN, b"q1\tp3\t", "broken grade", "expected a whole number, got ''"),
    "qrel: not UTF-8": Bad(TRAIN, b"q\xe9\tp3\t1", "not UTF-8", "not UTF-8"),
}


def read_all(dataset):
    """Return how many rows of each file are read."""
    dataset.queries("train")
    return {
        CORPUS: len(dataset.corpus),
        QUERIES: len(dataset._queries),
        TRAIN: sum(len(grades) for grades in dataset.qrels("train").values()),
    }


@pytest.fixture(params=BAD.values(), ids=BAD)
def bad(request):
    return request.param


@pytest.fixture
def folder(tiny_beir: Path, bad: Bad) -> Path:
    with (tiny_beir / bad.file).open("ab") as file:
        file.write(bad.line + b"\n")
    return tiny_beir


def test_error_names_file_line_and_fault(folder, bad):
    line = GOOD[bad.file] + 1 + (bad.file == TRAIN)
    with pytest.raises(DatasetError) as caught:
        read_all(load_dataset(f"beir:{folder}"))
    message = str(caught.value)
    assert message.startswith(f"{folder / bad.file}:{line}: ")
    assert re.search(bad.message, message)
    assert "on_bad_row: skip" in message
    assert len(message) < 600


def test_skip_counts_it_and_keeps_the_rest(folder, bad):
    dataset = load_dataset(f"beir:{folder}?on_bad_row=skip")
    assert read_all(dataset) == GOOD
    assert dataset.left_out == {PART[bad.file]: {bad.kind: 1}}
    (example,) = dataset.left_out_examples
    assert example.startswith(f"{folder / bad.file}:")
    assert re.search(bad.message, example)


def test_skip_gives_the_corpus_of_the_sound_rows(tiny_beir):
    key = load_dataset(f"beir:{tiny_beir}").corpus.key
    lines = [bad.line for bad in BAD.values() if bad.file == CORPUS]
    with (tiny_beir / CORPUS).open("ab") as file:
        file.write(b"\n".join(lines))
    dataset = load_dataset(f"beir:{tiny_beir}?on_bad_row=skip")
    assert dataset.corpus.key == key
    assert sum(dataset.left_out["corpus"].values()) == len(lines)
    assert len(dataset.left_out_examples) == 5


def test_skip_cascades_to_judgements_of_rows_left_out(make_beir):
    folder = make_beir(
        passages=[{"_id": "p1", "text": "a"}, {"_id": "p2", "text": ""}],
        queries=[{"_id": "q1", "text": "b"}, {"_id": "q2", "text": " "}],
        qrels={"test": [("q1", "p1", 1), ("q1", "p2", 1), ("q2", "p1", 1)]},
    )
    dataset = load_dataset(f"beir:{folder}?on_bad_row=skip")
    assert dataset.qrels("test") == {"q1": {"p1": 1}}
    assert dataset.left_out == {
        "corpus": {"empty text": 1},
        "queries": {"empty text": 1},
        "qrels/test": {"unknown passage": 1, "unknown query": 1},
    }


def test_the_first_of_conflicting_judgements_stays(tiny_beir):
    with (tiny_beir / TRAIN).open("a") as file:
        file.write("q1\tp1\t0\nq1\tp1\t3\nq1\tp1\t1\n")
    dataset = load_dataset(f"beir:{tiny_beir}?on_bad_row=skip")
    assert dataset.qrels("train")["q1"] == {"p1": 1}
    assert dataset.left_out == {"qrels/train": {"conflicting grades": 2}}


def test_of_several_duplicates_the_first_row_stays(make_beir):
    passages = [{"_id": identifier, "text": f"text {number}"} for number, identifier in enumerate("abcaab")]
    folder = make_beir(passages=passages, qrels={"test": [("q1", "a", 1)]})
    dataset = load_dataset(f"beir:{folder}?on_bad_row=skip")
    assert dataset.corpus.texts(dataset.corpus.rows_of(["a", "b", "c"])) == ["text 0", "text 1", "text 2"]
    assert dataset.left_out == {"corpus": {"duplicate id": 3}}
    assert [re.findall(r"jsonl:(\d+)", line) for line in dataset.left_out_examples] == [
        ["4", "1"],
        ["5", "1"],
        ["6", "2"],
    ]


def test_no_row_left_is_an_error_in_either_way(make_beir):
    for number, (passages, message) in enumerate(
        [([], "no passage is left; left out: nothing"), ([{"_id": "x", "text": ""}], "left out: {'empty text': 1}")]
    ):
        folder = make_beir(passages=passages, name=f"beir{number}")
        with pytest.raises(DatasetError, match=re.escape(message)):
            _ = load_dataset(f"beir:{folder}?on_bad_row=skip").corpus


@pytest.mark.parametrize("on_bad_row", ["error", "skip"])
@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[: len(packed) // 2], lambda packed: b"not gzip", lambda packed: packed[:30] + b"\xff" * 40],
    ids=["truncated", "no gzip", "damaged"],
)
def test_a_damaged_gzip_file_is_always_an_error(make_beir, on_bad_row, damage):
    # Half a file is no dataset: here skipping would leave out nobody knows how much.
    passages = [{"_id": f"p{number}", "text": f"text {number**7}"} for number in range(2000)]
    folder = make_beir(passages=passages)
    plain = folder / CORPUS
    (folder / "corpus.jsonl.gz").write_bytes(damage(gzip.compress(plain.read_bytes())))
    plain.unlink()
    with pytest.raises(DatasetError, match=r"corpus\.jsonl\.gz: cannot be read to its end: "):
        _ = load_dataset(f"beir:{folder}?on_bad_row={on_bad_row}").corpus


def test_max_text_chars_can_be_set(tiny_beir):
    with pytest.raises(DatasetError, match=r"corpus\.jsonl:1: passage 'p1': the text has 49 characters"):
        _ = load_dataset(f"beir:{tiny_beir}?max_text_chars=48").corpus
    assert len(load_dataset(f"beir:{tiny_beir}?max_text_chars=54").corpus) == 12


def test_every_fault_is_an_error_of_this_package(tiny_beir):
    with pytest.raises(HardnegError, match="on_bad_row must be one of error, skip; got 'ignore'"):
        load_dataset(f"beir:{tiny_beir}?on_bad_row=ignore")
