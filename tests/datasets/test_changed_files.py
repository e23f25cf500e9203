"""A file of data that changed is read again, however little shows it."""

from __future__ import annotations

import os

import pytest
from pair_files import load, texts

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.files import file_identity

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


def test_a_change_inside_a_large_file_shows_by_its_times(tmp_path, monkeypatch):
    from hardneg_plugin.datasets import file_stamps

    monkeypatch.setattr(file_stamps, "_LARGE", 1000)
    path, times = tmp_path / "large", (1_700_000_000 * 10**9,) * 2
    write_within_the_second(path, "a" * 5000, times)
    before = file_identity(path)
    assert file_identity(path) == before
    write_within_the_second(path, "a" * 1100 + "b" + "a" * 3899, times)
    assert file_identity(path) != before
