import sys

import numpy as np
import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import flat_index, gpu
from hardneg_plugin.search.dense import search as dense
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import exact_search, search_space
from hardneg_plugin.search.dense.vector_space import VectorSpace

pytest.importorskip("faiss", reason="FAISS is not installed (extra `cpu` or `gpu`)")
SIMILARITIES = pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
PASSAGES = np.array([[1, 0], [0, 2], [3, 4], [0, 0]], dtype=np.float32)


def flat_search(queries, passages, k, similarity):
    return flat_index.flat_search(search_space(queries, passages, k, similarity), k)


def same(one, other):
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert (one.rows.dtype, one.scores.dtype) == (np.int64, np.float32)


def random_vectors(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_hand_checked_hits():
    query = np.array([[3, 4]], dtype=np.float32)
    assert flat_search(query, PASSAGES, 3, "dot").rows.tolist() == [[2, 1, 0]]
    assert flat_search(query, PASSAGES, 3, "dot").scores.tolist() == [[25, 8, 3]]
    np.testing.assert_allclose(flat_search(query, PASSAGES, 4, "cosine").scores, [[1, 0.8, 0.6, 0]], atol=1e-7)
    euclidean = flat_search(query, PASSAGES, 2, "euclidean")
    assert euclidean.rows.tolist() == [[2, 1]]
    np.testing.assert_allclose(euclidean.scores, [[0, -np.sqrt(13)]], rtol=1e-6)


@SIMILARITIES
@pytest.mark.parametrize(("queries", "passages", "k"), [(5, 3, 10), (1, 400, 7), (30, 400, 400), (300, 1000, 20)])
def test_faiss_gives_what_the_exact_search_gives(similarity, queries, passages, k):
    asked, corpus = random_vectors(1, queries, 24), random_vectors(2, passages, 24)
    same(flat_search(asked, corpus, k, similarity), exact_search(asked, corpus, k, similarity))


@SIMILARITIES
@pytest.mark.parametrize("blocks", [(2, 64), (7, 100), (50, 1000)])
def test_blocks_change_nothing(similarity, blocks, monkeypatch):
    monkeypatch.setattr(flat_index, "_QUERY_BLOCK", blocks[0])
    monkeypatch.setattr(flat_index, "_PASSAGE_BLOCK", blocks[1])
    asked, corpus = random_vectors(3, 11, 9), random_vectors(4, 300, 9)
    same(flat_search(asked, corpus, 40, similarity), exact_search(asked, corpus, 40, similarity))


@SIMILARITIES
def test_more_ties_than_faiss_proposes_are_ranked_by_row(similarity):
    # Ten vectors, each fifty times: forty copies of the best one do not fit into ten places and the spare ones.
    originals = random_vectors(5, 10, 8)
    corpus = originals[np.arange(500) % 10]
    hits = flat_search(originals, corpus, 10, similarity)
    same(hits, exact_search(originals, corpus, 10, similarity))
    if similarity == "euclidean":
        assert hits.rows[3].tolist() == list(range(3, 103, 10))


@SIMILARITIES
def test_near_ties_far_from_the_origin(similarity):
    """FAISS cannot tell these passages apart."""
    corpus = (1000 + random_vectors(6, 300, 16) * 1e-3).astype(np.float32)
    asked = (1000 + random_vectors(7, 4, 16) * 1e-3).astype(np.float32)
    same(flat_search(asked, corpus, 5, similarity), exact_search(asked, corpus, 5, similarity))


def test_padding_is_never_a_passage():
    hits = flat_search(PASSAGES[:1], PASSAGES, 9, "dot")
    assert hits.rows.tolist() == [[2, 0, 1, 3, -1, -1, -1, -1, -1]]
    assert np.isnan(hits.scores[0, 4:]).all()


def test_no_queries():
    assert flat_search(np.empty((0, 2), dtype=np.float32), PASSAGES, 3, "dot").rows.shape == (0, 3)


@pytest.mark.parametrize(
    ("queries", "passages", "k", "similarity", "message"),
    [
        (np.zeros((1, 3)), PASSAGES, 1, "dot", r"got shapes \(1, 3\) and \(4, 2\)"),
        (PASSAGES, PASSAGES, 0, "dot", "k must be at least 1, got 0"),
        (PASSAGES, PASSAGES[:0], 1, "dot", "at least one passage"),
        (PASSAGES, PASSAGES, 1, "manhattan", "got 'manhattan'"),
        (PASSAGES, np.array([[0, 1], [np.nan, 1]]), 1, "dot", "1 passage vectors .* row 1"),
    ],
)
def test_bad_input_is_named(queries, passages, k, similarity, message):
    with pytest.raises(ParameterError, match=message):
        flat_search(queries.astype(np.float32), passages.astype(np.float32), k, similarity)


def test_nearest_works_with_and_without_faiss(monkeypatch):
    asked, corpus = random_vectors(8, 6, 5), random_vectors(9, 90, 5)
    with_faiss = nearest(search_space(asked, corpus, 12, "cosine"), 12)
    monkeypatch.setattr(flat_index, "find_spec", lambda name: None)
    monkeypatch.setattr(flat_index, "flat_search", None)
    same(nearest(search_space(asked, corpus, 12, "cosine"), 12), with_faiss)


@SIMILARITIES
def test_pairs_score_as_the_search_scores_them(similarity):
    asked, corpus = random_vectors(10, 6, 5), random_vectors(11, 90, 5)
    hits = dense.exact_search(asked, corpus, 8, similarity)
    which, order = np.repeat(np.arange(6), 8), np.random.default_rng(0).permutation(48)
    scores = VectorSpace.of(asked, corpus, similarity).score_pairs(which[order], hits.rows.ravel()[order])
    np.testing.assert_array_equal(scores, hits.scores.ravel()[order])


@SIMILARITIES
def test_many_proposals_are_ranked_by_compiled_loops(similarity, monkeypatch):
    monkeypatch.setattr(flat_index, "_COMPILED_FROM", 0)
    queries, passages = (np.random.default_rng(n).standard_normal((n, 6)).astype(np.float32) for n in (5, 300))
    passages[100:] = passages[:200]  # ties
    same(flat_search(queries, passages, 40, similarity), exact_search(queries, passages, 40, similarity))


class FakeCard:
    """FAISS with a GPU that computes as the processor does, or more coarsely."""

    def __init__(self, faiss, factor=1.0):
        self._faiss, self._factor, self.moved = faiss, np.float32(factor), []

    def __getattr__(self, name):
        return getattr(self._faiss, name)

    def StandardGpuResources(self):  # noqa: N802 - FAISS's name
        return "resources"

    def get_num_gpus(self):
        return 1

    def index_cpu_to_gpu(self, resources, number, index):
        assert (resources, number) == ("resources", 0)
        self.moved.append(index.ntotal)
        return FakeIndex(index, self._factor)


class FakeIndex:
    def __init__(self, index, factor):
        self._index, self._factor, self.ntotal = index, factor, index.ntotal

    def search(self, queries, k):
        scores, rows = self._index.search(queries, k)
        return scores * self._factor, rows


@pytest.fixture
def card(monkeypatch):
    def install(factor):
        fake = FakeCard(pytest.importorskip("faiss"), factor)
        monkeypatch.setitem(sys.modules, "faiss", fake)
        gpu.gpu_resources.cache_clear()
        return fake

    yield install
    gpu.gpu_resources.cache_clear()


def test_parts_of_the_corpus_stream_through_a_gpu(card, monkeypatch):
    monkeypatch.setattr(flat_index, "_PASSAGE_BLOCK", 400)
    queries, passages = (np.random.default_rng(n).standard_normal((n, 24)).astype(np.float32) for n in (7, 1000))
    fake = card(1.0)
    hits = nearest(search_space(queries, passages, 9, "cosine"), 9)
    assert fake.moved == [4096, 400, 400, 200]  # the first is the probe
    expected = exact_search(queries, passages, 9, "cosine")
    np.testing.assert_array_equal(hits.rows, expected.rows)
    assert hits.scores.tobytes() == expected.scores.tobytes()


def test_a_gpu_that_is_coarser_than_float32_is_not_used(card, caplog):
    fake = card(1 + 1e-3)
    queries, passages = (np.random.default_rng(n).standard_normal((n, 24)).astype(np.float32) for n in (7, 1000))
    hits = nearest(search_space(queries, passages, 9, "dot"), 9)
    assert fake.moved == [4096]
    assert "more coarsely than float32" in caplog.text
    np.testing.assert_array_equal(hits.rows, exact_search(queries, passages, 9, "dot").rows)
