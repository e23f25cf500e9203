from __future__ import annotations

import pickle

import numpy as np
import pytest
import xxhash
from haystack.dataclasses import Document

from hardneg_plugin.cache import entry_path
from hardneg_plugin.errors import CacheError
from hardneg_plugin.records import Corpus, corpus_writer
from hardneg_plugin.records import corpus as corpus_module
from hardneg_plugin.records.corpus_writer import CorpusWriter, duplicate_rows
from hardneg_plugin.records.row_writer import BATCH_ROWS


def write(folder, rows):
    folder.mkdir(exist_ok=True)
    with CorpusWriter(folder) as writer:
        for row in rows:
            writer.add(*row)
    return writer.key


def test_reads_by_row(tmp_path):
    rows = [("a", "text a", "", "en"), ("b", "글", "제목", "ko"), ("c", "c", "", "")]
    write(tmp_path / "c", rows)
    corpus = Corpus(tmp_path / "c")
    assert len(corpus) == 3
    assert corpus.ids([2, 0]) == ["c", "a"]
    assert corpus.texts([1, 0]) == ["제목 글", "text a"]
    assert corpus.language(1) == "ko"
    assert corpus.languages == ("en", "ko")
    assert corpus.document(1) == Document(id="b", content="제목 글", meta={"title": "제목", "language": "ko"})
    assert corpus.document(2).meta == {}
    assert list(corpus.iter_texts()) == ["text a", "제목 글", "c"]


@pytest.mark.parametrize("titles", [("", "", ""), ("", "제목", ""), ("one", "two", "three")])
def test_a_column_of_texts_has_each_once_titles_included(tmp_path, titles):
    write(tmp_path / "c", [(name, f"text {name}", title, "") for name, title in zip("abc", titles, strict=True)])
    corpus = Corpus(tmp_path / "c")
    rows = np.array([2, 0, 2, 1])
    texts, positions = corpus.text_column(rows)
    assert texts.take(positions).to_pylist() == corpus.texts(rows)
    assert sorted(texts.to_pylist()) == sorted(corpus.texts([0, 1, 2]))
    nothing, nowhere = corpus.text_column(np.zeros(0, np.int64))
    assert len(nothing) == len(nowhere) == 0


def test_a_column_of_texts_over_several_batches(make_corpus):
    corpus = make_corpus([f"text {number}" for number in range(2 * BATCH_ROWS + 3)])
    rows = np.array([2 * BATCH_ROWS, 0, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS + 2, 0])
    texts, positions = corpus.text_column(rows)
    assert texts.take(positions).to_pylist() == [f"text {row}" for row in rows]
    with pytest.raises(IndexError, match="not all of 0 to 16387"):
        corpus.text_column(np.array([0, 2 * BATCH_ROWS + 3]))


@pytest.mark.parametrize("row", [-1, 3])
def test_rows_out_of_range(make_corpus, row):
    three = make_corpus(["a", "b", "c"])
    with pytest.raises(IndexError, match=f"rows 0 to 2, not {row}"):
        three.text(row)


def test_rows_of(make_corpus):
    corpus = make_corpus(["a", "b", "c"], ids=["한", "x", "X "])
    assert corpus.rows_of(["X ", "nothing", "한", "x", "x", "X"]).tolist() == [2, -1, 0, 1, 1, -1]
    assert corpus.rows_of([]).tolist() == []


def test_rows_beyond_one_batch(make_corpus):
    count = 2 * BATCH_ROWS + 3
    corpus = make_corpus([f"text {number}" for number in range(count)])
    for row in (0, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS, count - 1):
        assert corpus.text(row) == f"text {row}"
        assert corpus.rows_of([f"d{row}"]).tolist() == [row]
    sizes = [len(texts) for texts, _ in corpus.iter_batches()]
    assert sizes == [BATCH_ROWS, BATCH_ROWS, 3]


def test_key_depends_on_content_and_order_alone(tmp_path):
    rows = [("a", "1", "", ""), ("b", "2", "", "")]
    assert write(tmp_path / "x", rows) == write(tmp_path / "y", list(rows))
    keys = {
        write(tmp_path / str(number), changed)
        for number, changed in enumerate(
            [
                rows,
                rows[::-1],
                rows[:1],
                [("ab", "", "", ""), ("b", "2", "", "")],
                [("a", "1", "", "en"), rows[1]],
                [("a", "", "1", ""), rows[1]],
            ]
        )
    }
    assert len(keys) == 6


def test_colliding_hashes_are_told_apart_by_id(make_corpus, monkeypatch):
    # All ids of one length collide.
    def by_length(ids):
        return np.array([len(identifier) for identifier in ids], dtype=np.uint64)

    monkeypatch.setattr(corpus_module, "hash_ids", by_length)
    monkeypatch.setattr(corpus_writer, "hash_ids", by_length)
    corpus = make_corpus(["one", "two", "three", "four"], ids=["aa", "b", "bb", "cc"])
    assert corpus.rows_of(["cc", "aa", "b", "bb", "zz", "zzz", "z"]).tolist() == [3, 0, 1, 2, -1, -1, -1]


def test_duplicate_rows(tmp_path, monkeypatch):
    rows = [(identifier, "t", "", "") for identifier in ["a", "b", "a", "c", "a", "b"]]
    write(tmp_path / "c", rows)
    expected = [(2, 0, "a"), (4, 0, "a"), (5, 1, "b")]
    assert list(duplicate_rows(tmp_path / "c")) == expected
    monkeypatch.setattr(corpus_writer, "hash_ids", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    write(tmp_path / "colliding", rows)
    assert list(duplicate_rows(tmp_path / "colliding")) == expected


def test_hashes_are_those_of_xxhash():
    hashed = corpus_module.hash_ids(["a", "한"])
    assert hashed.tolist() == [xxhash.xxh3_64_intdigest(b"a"), xxhash.xxh3_64_intdigest("한".encode())]


def test_a_pickled_corpus_is_its_key(make_corpus):
    corpus = make_corpus(["a" * 5000])
    pickled = pickle.dumps(corpus)
    assert len(pickled) < 200
    assert pickle.loads(pickled) is corpus


def test_missing_and_damaged_corpora_are_named(make_corpus):
    with pytest.raises(CacheError, match=r"no corpus 0123: load its dataset again"):
        Corpus.open("0123")
    corpus = make_corpus(["a", "b"])
    folder = entry_path("corpus", corpus.key)
    for name in ("passages.arrow", "id_rows.npy", "corpus.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(CacheError, match="missing or damaged"):
            Corpus(folder)
        (folder / name).write_bytes(content)
    assert len(Corpus(folder)) == 2
