"""Datasets on file systems of fsspec."""

from __future__ import annotations

import fsspec
import pytest

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.spec import resolve_spec
from hardneg_plugin.errors import DatasetError


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_a_beir_folder_in_another_file_system_is_the_same_dataset(memory, tiny_beir):
    memory.put(str(tiny_beir), "/data/tiny", recursive=True)
    here, there = load_dataset(f"beir:{tiny_beir}"), load_dataset("beir:memory://data/tiny")
    assert there.name == "tiny"
    assert there.splits == here.splits == ("test", "train")
    assert there.fingerprint("train") == here.fingerprint("train")
    assert load_dataset(f"beir:file://{tiny_beir}").fingerprint("train") == here.fingerprint("train")


def test_it_is_copied_once_and_again_when_it_changes(memory, monkeypatch):
    memory.pipe("/pairs.jsonl", b'{"anchor": "who", "positive": "he"}\n')
    copied = []
    get = type(memory).get_file
    monkeypatch.setattr(type(memory), "get_file", lambda self, *a, **k: (copied.append(a[0]), get(self, *a, **k))[1])
    spec = "jsonl:memory://pairs.jsonl"
    first = load_dataset(spec).fingerprint("train")
    assert load_dataset(spec).fingerprint("train") == first
    assert len(copied) == 1
    memory.pipe("/pairs.jsonl", b'{"anchor": "who", "positive": "she"}\n')
    assert load_dataset(spec).fingerprint("train") != first
    assert len(copied) == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("beir:memory://none", "memory://none: no such file or folder"),
        ("jsonl:nothing-known://a.jsonl", "nothing-known://a.jsonl: cannot be read: Protocol not known"),
    ],
)
def test_what_cannot_be_read_is_said(memory, spec, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(spec)


def test_a_recipes_folder_does_not_count(tmp_path):
    assert resolve_spec("beir:s3://bucket/data?gold=train", tmp_path) == "beir:s3://bucket/data?gold=train"
    assert resolve_spec("beir:data", tmp_path) == f"beir:{tmp_path.resolve()}/data"
