from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc

import pytest

from hardneg_plugin.cache import entries
from hardneg_plugin.datasets import Passage, load_dataset
from hardneg_plugin.datasets.importer import import_corpus, validate_text
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError


class GeneratedSource:
    """Passages made while they are read; counts how often they were read from the start."""

    name = "generated"

    def __init__(self, count: int, *, version: int = 0, fail_at: int = -1) -> None:
        self.count, self.version, self.fail_at = count, version, fail_at
        self.readings = 0

    def identity(self):
        return {"kind": "generated", "count": self.count, "version": self.version}

    def passages(self):
        self.readings += 1
        for number in range(self.count):
            if number == self.fail_at:
                msg = "the disk is gone"
                raise OSError(msg)
            yield Passage(f"id-{number}", f"text number {number} " + "word " * 40, language="en", line=number + 1)

    def where(self, part):
        return f"generated {part}"


def read(source, on_bad_row="error"):
    return import_corpus(source, RowProblems(on_bad_row), max_chars=1000, language="")


def kinds():
    return [entry.kind for entry in entries()]


def test_the_same_source_is_read_once():
    source = GeneratedSource(100)
    first = read(source)
    assert read(source) is first
    assert read(GeneratedSource(100)) is first
    assert source.readings == 1


def test_another_identity_is_read_again_and_the_same_content_is_the_same_corpus():
    first = read(GeneratedSource(100))
    changed = GeneratedSource(100, version=1)
    assert read(changed) is first
    assert changed.readings == 1
    assert kinds().count("corpus") == 1


def test_options_are_part_of_what_is_remembered():
    source = GeneratedSource(10)
    key = read(source).key
    assert read(source, "skip").key == key
    with pytest.raises(DatasetError, match=r"generated corpus:1: passage 'id-0': the text has"):
        import_corpus(source, RowProblems(), max_chars=20, language="")
    assert source.readings == 3


def test_a_corpus_that_was_cleared_is_read_again(cache_folder):
    import shutil

    source = GeneratedSource(10)
    read(source)
    shutil.rmtree(cache_folder / "corpus")
    assert read(source).texts([9])[0].startswith("text number 9")
    assert source.readings == 2
    assert kinds().count("corpus") == 1


def test_an_untouched_file_is_not_read_again(tiny_beir, monkeypatch):
    key = load_dataset(f"beir:{tiny_beir}").corpus.key

    def never(*_):
        pytest.fail("the file was read again")

    with monkeypatch.context() as patch:
        patch.setattr("hardneg_plugin.datasets.beir.BeirSource.passages", never)
        assert load_dataset(f"beir:{tiny_beir}").corpus.key == key
    with (tiny_beir / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "late", "text": "late"}\n')
    changed = load_dataset(f"beir:{tiny_beir}").corpus
    assert len(changed) == 13
    assert changed.key != key


def test_a_file_of_the_same_size_and_another_time_is_read_again(tiny_beir):
    path = tiny_beir / "corpus.jsonl"
    before = load_dataset(f"beir:{tiny_beir}").corpus
    stat = path.stat()
    path.write_text(path.read_text("utf-8").replace("longest", "LONGEST"), "utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert path.stat().st_size == stat.st_size
    after = load_dataset(f"beir:{tiny_beir}").corpus
    assert "LONGEST" in after.text(0)
    assert after.key != before.key


def test_key_does_not_depend_on_time_place_or_what_is_done_with_bad_rows(tiny_beir, tmp_path):
    key = load_dataset(f"beir:{tiny_beir}").corpus.key
    os.utime(tiny_beir / "corpus.jsonl", (1, 1))
    assert load_dataset(f"beir:{tiny_beir}").corpus.key == key
    assert load_dataset(f"beir:{tiny_beir}?on_bad_row=skip").corpus.key == key
    assert load_dataset(f"beir:{tiny_beir.rename(tmp_path / 'elsewhere')}").corpus.key == key


def test_what_was_left_out_is_remembered_with_the_corpus(make_beir):
    passages = [{"_id": "p1", "text": "a"}, {"_id": "p2", "text": ""}, {"_id": "p1", "text": "b"}]
    spec = f"beir:{make_beir(passages=passages)}?on_bad_row=skip"
    first, second = load_dataset(spec), load_dataset(spec)
    assert first.corpus is second.corpus
    assert second.left_out == first.left_out == {"corpus": {"duplicate id": 1, "empty text": 1}}
    assert second.left_out_examples == first.left_out_examples
    assert len(first.left_out_examples) == 2


def test_an_import_that_fails_leaves_nothing(cache_folder):
    with pytest.raises(OSError, match="disk is gone"):
        read(GeneratedSource(20_000, fail_at=15_000))
    assert kinds() == []
    source = GeneratedSource(20_000)
    assert len(read(source)) == 20_000


def test_an_import_without_rows_leaves_nothing():
    with pytest.raises(DatasetError, match="generated corpus: no passage is left"):
        read(GeneratedSource(0))
    assert kinds() == []


@pytest.mark.integration
def test_a_killed_import_leaves_no_broken_entry(tiny_beir, cache_folder):
    """The process dies without any clean-up behind the rename of nothing: only a building folder may stay."""
    code = """if True:
        import os, sys
        from hardneg_plugin.datasets import load_dataset
        from hardneg_plugin.records.corpus_writer import CorpusWriter
        write = CorpusWriter.add
        def add(self, identifier, *values):
            if identifier == "k3":
                self._flush()
                os._exit(9)
            write(self, identifier, *values)
        CorpusWriter.add = add
        load_dataset(sys.argv[1]).corpus
    """
    died = subprocess.run([sys.executable, "-c", code, f"beir:{tiny_beir}"], check=False, timeout=60)
    assert died.returncode == 9
    names = [path.name for path in (cache_folder / "corpus").iterdir()]
    assert [name.startswith(".building-") for name in names] == [True]
    assert not (cache_folder / "sources").exists()
    corpus = load_dataset(f"beir:{tiny_beir}").corpus
    assert len(corpus) == 12
    assert corpus.rows_of(["a2"]).tolist() == [11]


@pytest.mark.integration
def test_memory_does_not_grow_with_the_corpus():
    """200,000 passages of 220 characters are 44 MB of text alone."""
    tracemalloc.start()
    corpus = read(GeneratedSource(200_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(corpus) == 200_000
    # One batch of 8,192 rows is 4 MB of strings; hashes, order and their copies are 32 bytes a row.
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fine", None),
        ("a\n\tb \ue000 \U0001f600 \ufffd", None),
        ("x" * 10, None),
        ("x" * 11, "too long"),
        ("", "empty text"),
        ("\u2003\u00a0\n", "empty text"),
        ("a\x00", "broken character"),
        ("\udfff", "broken character"),
    ],
)
def test_text_fault(text, kind):
    fault = validate_text(text, 10)
    assert (fault and fault[0]) == kind


def test_problems_show_five_examples_of_a_part():
    problems = RowProblems("skip")
    problems.start("corpus")
    for line in range(9):
        problems.bad("corpus", "kind", f"file:{line}", "fault")
    problems.bad("queries", "other", "file:1", "fault")
    assert problems.counts() == {"corpus": {"kind": 9}, "queries": {"other": 1}}
    assert problems.examples["corpus"] == [f"file:{line}: fault" for line in range(5)]
    problems.start("corpus")
    assert problems.counts() == {"queries": {"other": 1}}


def test_memo_is_json_for_people(cache_folder):
    corpus = read(GeneratedSource(3))
    (memo,) = (cache_folder / "sources").iterdir()
    assert json.loads(memo.read_text()) | {"checksum": ""} == {
        "corpus": corpus.key, "left_out": {}, "examples": [], "checksum": "",
    }  # fmt: skip
