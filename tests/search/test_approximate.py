"""An approximate index says how much it finds, and scores what it finds exactly."""

from __future__ import annotations

import numpy as np
import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search import ann as approximate
from hardneg_plugin.search.ann import approximate_search
from hardneg_plugin.search.dense.search import exact_search, search_space

pytest.importorskip("faiss", reason="FAISS is not installed (extra `cpu` or `gpu`)")
KINDS = pytest.mark.parametrize("kind", ["ivf", "hnsw"])


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "cache"))


def random_vectors(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@KINDS
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_the_measured_recall_is_the_share_of_exact_hits(kind, similarity):
    queries, passages = random_vectors(1, 60, 24), random_vectors(2, 4000, 24)
    found = approximate_search(search_space(queries, passages, 10, similarity), 10, kind, "key")
    exact = exact_search(queries, passages, 10, similarity)
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(found.hits.rows.tolist(), exact.rows.tolist(), strict=True)]
    assert found.recall == pytest.approx(np.mean(shares))
    assert found.sample == 60
    assert found.recall > 0.3
    assert found.recall < 1 or kind == "hnsw"
    common = found.hits.rows == exact.rows
    np.testing.assert_array_equal(found.hits.scores[common], exact.scores[common])
    assert (np.diff(found.hits.scores, axis=1) <= 0).all()


@KINDS
def test_an_index_is_built_once(kind, monkeypatch, caplog):
    space = search_space(random_vectors(3, 5, 8), random_vectors(4, 300, 8), 4, "cosine")
    caplog.set_level("INFO")
    first = approximate_search(space, 4, kind, "key")
    assert f"{kind}: recall {first.recall:.4f} of the exact 4 nearest, over 5 queries" in caplog.text
    monkeypatch.setattr(approximate, "_build", None)
    again = approximate_search(space, 4, kind, "key")
    np.testing.assert_array_equal(again.hits.rows, first.hits.rows)


@KINDS
def test_fewer_passages_than_asked_for_leave_padding(kind):
    passages = random_vectors(5, 3, 8)
    hits = approximate_search(search_space(passages[:2], passages, 5, "dot"), 5, kind, "key").hits
    assert (hits.rows[:, 3:] == -1).all()
    assert np.isnan(hits.scores[hits.rows < 0]).all()
    assert sorted(hits.rows[0, :3].tolist()) == [0, 1, 2]


def test_no_queries_have_no_recall():
    found = approximate_search(
        search_space(np.zeros((0, 8), np.float32), random_vectors(6, 9, 8), 2, "dot"), 2, "ivf", "k"
    )
    assert found.hits.rows.shape == (0, 2)
    assert np.isnan(found.recall)


def test_faiss_is_needed(monkeypatch):
    monkeypatch.setattr(approximate, "find_spec", lambda name: None)
    space = search_space(random_vectors(7, 2, 4), random_vectors(8, 9, 4), 2, "dot")
    with pytest.raises(ParameterError, match=r"index 'hnsw' needs FAISS; install hardneg\[cpu\]"):
        approximate_search(space, 2, "hnsw", "key")
