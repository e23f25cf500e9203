"""Vectors of a large corpus lie on disk, and are found as if they lay in memory."""

from __future__ import annotations

import numpy as np
import pytest

from hardneg_plugin.errors import CacheError
from hardneg_plugin.search.dense import buffers as vector_memory
from hardneg_plugin.search.dense.buffers import empty_vectors
from hardneg_plugin.search.dense.search import encode_corpus, exact_search


def test_few_vectors_lie_in_memory_and_many_on_disk(monkeypatch, cache_folder):
    monkeypatch.setattr(vector_memory, "IN_MEMORY", 4 * 6)
    assert not isinstance(empty_vectors(2, 3), np.memmap)
    many = empty_vectors(3, 3)
    assert isinstance(many, np.memmap)
    many[:] = 7
    assert many.sum() == 63
    # The file has no name: nothing is left behind, whatever happens to the process.
    assert list(cache_folder.iterdir()) == []


def test_a_search_on_disk_finds_what_one_in_memory_does(monkeypatch, cache_folder, make_static):
    model = make_static()
    texts = ["red wine", "blue sky", "green grass", "the sea is blue", "apple tea"]
    queries = model.encode_query(["blue sea", "red"])
    in_memory = encode_corpus(model, texts, len(texts))
    monkeypatch.setattr(vector_memory, "IN_MEMORY", 0)
    on_disk = encode_corpus(model, texts, len(texts))
    assert isinstance(on_disk, np.memmap)
    hits, expected = (exact_search(queries, vectors, 3, "cosine") for vectors in (on_disk, in_memory))
    assert hits.rows.tolist() == expected.rows.tolist()
    assert hits.scores.tobytes() == expected.scores.tobytes()


def test_a_folder_that_cannot_hold_them_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(vector_memory, "IN_MEMORY", 0)
    with pytest.raises(CacheError, match=r"0.0 GB of vectors do not fit into .*file"):
        empty_vectors(1, 1)
