"""A file of data that changed is read again, however little shows it."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
from pair_files import load, texts

from hardneg_plugin.checksums import file_digest
from hardneg_plugin.datasets import file_stamps, load_dataset
from hardneg_plugin.datasets.files import file_identity
from hardneg_plugin.errors import DatasetError

CONTENT = {
    "jsonl": '{{"query": "a", "positive": "{0}"}}\n',
    "csv": "query,positive\na,{0}\n",
    "tsv": "query\tpositive\na\t{0}\n",
}


def write_within_the_second(path, content, times):
    """Write a file in place, with the times of an earlier one."""
    path.write_text(content)
    os.utime(path, ns=times)


@pytest.mark.parametrize("ending", CONTENT)
def test_a_change_of_the_same_size_and_time_is_noticed(tmp_path, ending):
    path, times = tmp_path / f"t.{ending}", (1_700_000_000 * 10**9,) * 2
    for text in ("one", "two", "six"):
        write_within_the_second(path, CONTENT[ending].format(text), times)
        assert texts(load(path)) == [text]


def test_a_changed_file_of_further_passages_is_noticed(tmp_path):
    path, times = tmp_path / "t.jsonl", (1_700_000_000 * 10**9,) * 2
    path.write_text(CONTENT["jsonl"].format("one"))
    for text in ("two", "six"):
        write_within_the_second(tmp_path / "c.txt", f"{text}\n", times)
        assert texts(load_dataset(f"jsonl:{path}?corpus={tmp_path / 'c.txt'}")) == ["one", text]


def test_a_changed_beir_folder_is_noticed(tiny_beir):
    corpus, times = tiny_beir / "corpus.jsonl", (1_700_000_000 * 10**9,) * 2
    before = corpus.read_text()
    os.utime(corpus, ns=times)
    assert "longest river" in " ".join(load_dataset(f"beir:{tiny_beir}").corpus.iter_texts())
    write_within_the_second(corpus, before.replace("longest river", "biggest river"), times)
    assert "biggest river" in " ".join(load_dataset(f"beir:{tiny_beir}").corpus.iter_texts())


def test_a_large_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(file_stamps, "_LARGE", 1000)
    monkeypatch.setattr(file_stamps, "file_digest", lambda path: read.append(path) or file_digest(path))
    # As if the file had been written well before it is looked at.
    monkeypatch.setattr(file_stamps, "time", SimpleNamespace(time_ns=lambda: time.time_ns() + 10**10))
    path, times = tmp_path / "large", (1_700_000_000 * 10**9,) * 2
    write_within_the_second(path, "a" * 5000, times)
    before, changed_at = file_identity(path), path.stat().st_ctime_ns
    assert file_identity(path) == before
    assert read == [path]
    deadline = time.monotonic() + 10
    while path.stat().st_ctime_ns == changed_at and time.monotonic() < deadline:
        write_within_the_second(path, "a" * 1100 + "b" + "a" * 3899, times)
    assert file_identity(path) != before


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.jsonl: cannot be read: No such file"):
        file_identity(tmp_path / "gone.jsonl")
