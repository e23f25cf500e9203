from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from haystack.dataclasses import ByteStream, Document

from hardneg_plugin.errors import CacheError, RecordError
from hardneg_plugin.records import (
    MiningExample,
    merge_source,
    read_jsonl,
    read_parquet,
    table_of,
    with_table,
    write_jsonl,
    write_parquet,
)


def jsonl_again(path, examples):
    write_jsonl(path, examples)
    return list(read_jsonl(path))


def parquet_again(path, examples):
    write_parquet(path, examples)
    return read_parquet(path)


FORMATS = [jsonl_again, parquet_again]


@pytest.fixture(params=FORMATS, ids=["jsonl", "parquet"])
def again(request, tmp_path):
    return lambda examples: request.param(tmp_path / "examples", examples)


def test_everything_comes_back(again, rich_examples):
    back = again(rich_examples)
    assert back == rich_examples
    assert [example.to_dict() for example in back] == [example.to_dict() for example in rich_examples]
    assert list(back[0].candidates.table.ranks)[:2] == ["bm25", "dense:m/x"]
    assert back[0].candidates[0].document == rich_examples[0].candidates[0].document
    assert back[2].candidates[1].document.meta == {"prompt": "p"}
    assert back[2].candidates[1].document.score == 0.25
    assert back[2].candidates[2].document.content is None
    assert back[2].meta == {"fold": 3, "deep": {"a": [1, None]}}
    assert back[2].query == "a line\u2028parted\nby two"
    assert back[0].candidates.table.scores["ce"].dtype == np.float32


def test_arrays_come_back_read_only(again, rich_examples):
    table = again(rich_examples)[0].candidates.table
    assert not table.passages.flags.writeable
    assert not table.scores["ce"].flags.writeable


def test_examples_without_candidates(again):
    plain = [
        MiningExample(id="a", query="q", positives=(Document(id="d", content="t"),)),
        MiningExample(id="b", query="r", answers=("x",), meta={"k": "ü"}),
    ]
    assert again(plain) == plain


def test_no_examples(again):
    assert again([]) == []


def test_shuffled_examples_of_several_tables(again, rich_examples, plain_examples):
    mixed = [rich_examples[2], plain_examples[1], rich_examples[0], plain_examples[0]]
    assert again(mixed) == mixed


def test_what_comes_back_can_be_mined_and_scored_on(again, rich_examples, corpus):
    back = again(rich_examples)
    rows = np.array([[5], [4], [3], [2]])
    more, expected = (
        with_table(examples, merge_source(table_of(examples), "new", corpus, rows, rows.astype(np.float32)))
        for examples in (back, rich_examples)
    )
    assert more == expected


def test_documents_with_blob_and_embedding(again):
    document = Document(id="e", content="t", embedding=[0.5, -1.25], blob=ByteStream(b"\x00\xff", mime_type="a/b"))
    example = MiningExample(id="a", query="q", positives=(document,))
    back = again([example])
    assert back == [example]
    assert back[0].positives[0].embedding == [0.5, -1.25]
    assert back[0].positives[0].blob.data == b"\x00\xff"


def test_float32_comes_back_bit_for_bit(again, corpus):
    from hardneg_plugin.records import CandidateTable

    scores = np.array([[1 / 3, 1e-45, np.inf, -0.0, 16_777_217.0]], dtype=np.float32)
    table = merge_source(CandidateTable.empty([0]), "s", corpus, np.array([[0, 1, 2, 3, 4]]), scores)
    (back,) = again(with_table([MiningExample(id="a", query="q")], table))
    assert back.candidates.table.source_scores["s"].tobytes() == scores.tobytes()


class TestParquet:
    def test_same_examples_give_the_same_bytes(self, tmp_path, rich_examples):
        write_parquet(tmp_path / "one", rich_examples)
        write_parquet(tmp_path / "two", read_parquet(tmp_path / "one"))
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        assert sorted(path.name for path in tmp_path.glob("*one*")) == ["one"]

    def test_holds_no_corpus_text(self, tmp_path, plain_examples):
        write_parquet(tmp_path / "part", plain_examples)
        columns = pq.read_table(tmp_path / "part").to_pydict()
        assert columns["passages"] == [[0, 1], [1, 2]]
        assert "blue sky" not in str(columns)

    def test_other_files_are_refused(self, tmp_path):
        (tmp_path / "text").write_text("no")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "table")
        for name in ("text", "table", "nowhere"):
            with pytest.raises(RecordError, match=f"{name} is not a file of mining examples"):
                read_parquet(tmp_path / name)

    def test_a_file_that_lost_columns_is_refused(self, tmp_path, plain_examples):
        write_parquet(tmp_path / "part", plain_examples)
        arrow = pq.read_table(tmp_path / "part")
        before_checksums = {"hardneg": '{"format": 1, "corpus": null}'}
        less = arrow.drop_columns(["passages", "judge"]).replace_schema_metadata(before_checksums)
        pq.write_table(less, tmp_path / "less")
        with pytest.raises(RecordError, match="lacks the columns passages, judge"):
            read_parquet(tmp_path / "less")

    def test_a_newer_format_is_refused(self, tmp_path, plain_examples):
        write_parquet(tmp_path / "part", plain_examples)
        arrow = pq.read_table(tmp_path / "part")
        facts = {b"hardneg": json.dumps({"format": 99, "corpus": None}).encode()}
        pq.write_table(arrow.replace_schema_metadata(facts), tmp_path / "newer")
        with pytest.raises(RecordError, match=r"newer has format 99, this version reads up to \d+: update"):
            read_parquet(tmp_path / "newer")

    def test_a_lost_corpus_is_named(self, tmp_path, plain_examples, corpus, monkeypatch):
        write_parquet(tmp_path / "part", plain_examples)
        monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "empty"))
        with pytest.raises(CacheError, match=corpus.key):
            read_parquet(tmp_path / "part")


class TestJsonLines:
    def test_texts_can_be_read_by_people(self, tmp_path, rich_examples):
        path = tmp_path / "examples.jsonl"
        write_jsonl(path, rich_examples)
        lines = path.read_bytes().decode().split("\n")
        assert len(lines) == 5
        assert lines[-1] == ""
        readable = json.loads(lines[0])["readable"]
        assert readable[0] == {
            "id": "d0",
            "text": "red wine",
            "sources": {"bm25": {"rank": 1, "score": 9.5}, "dense:m/x": {"rank": 2, "score": None}},
            "scores": {"ce": pytest.approx(0.1)},
            "verdict": {"label": "false_negative", "score": 0.75, "judge": "llama", "prompt": "ab12"},
            "dropped": "positive: text",
        }
        assert readable[2].keys() == {"id", "text", "sources", "scores"}

    @pytest.mark.parametrize(
        "line", ["{", "[1]", "7", '{"id": "a"}', '{"id": "a", "query": "q", "positives": [], "candidates": []}', "\xff"]
    )
    def test_a_broken_line_is_named(self, tmp_path, plain_examples, line):
        path = tmp_path / "examples.jsonl"
        write_jsonl(path, plain_examples)
        with path.open("ab") as file:
            file.write(line.encode("latin-1") + b"\n")
        examples = read_jsonl(path)
        assert [next(examples), next(examples)] == plain_examples
        with pytest.raises(RecordError, match=r"examples\.jsonl:3: not a mining example"):
            next(examples)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(RecordError, match=r"nowhere\.jsonl: cannot be read"):
            list(read_jsonl(tmp_path / "nowhere.jsonl"))
