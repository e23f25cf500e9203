"""The index and the search against bm25s and against sums that are plain to see."""

from __future__ import annotations

import itertools
import math
import threading

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.search.bm25 import postings as bm25_postings
from hardneg_plugin.search.bm25.build import IndexBuilder
from hardneg_plugin.search.bm25.postings import Postings

K1, B = 1.2, 0.75


def build(folder, passages, terms, *, compiled, batch=7):
    """Index passages that are lists of term numbers, a few at a time."""
    folder.mkdir(parents=True)
    builder = IndexBuilder(folder, compiled=compiled)
    for start in range(0, len(passages), batch):
        some = passages[start : start + batch]
        ids = np.array([term for passage in some for term in passage], np.int32)
        builder.add(ids, np.array([len(passage) for passage in some], np.int32), terms)
    builder.finish({f"t{term}": term for term in range(terms)}, K1, B)
    return folder


def reference(passages, queries, k, k1=K1, b=B):
    """Score every passage in double precision; sort by score, then row."""
    mean = sum(map(len, passages)) / len(passages)
    holding = {}
    for passage in passages:
        for term in set(passage):
            holding[term] = holding.get(term, 0) + 1
    found = []
    for query in queries:
        scored = []
        for row, passage in enumerate(passages):
            score = 0.0
            for term in query:
                if term in passage:
                    idf = math.log(1 + (len(passages) - holding[term] + 0.5) / (holding[term] + 0.5))
                    frequency = passage.count(term)
                    score += idf * frequency / (frequency + k1 * (1 - b + b * len(passage) / mean))
            if score:
                scored.append((-score, row))
        found.append([(row, -score) for score, row in sorted(scored)[:k]])
    return found


def skewed(rng, passages, terms, longest):
    """Passages whose terms have frequencies as words have; some are empty."""
    shares = 1 / np.arange(1, terms + 1)
    lengths = rng.integers(0, longest, passages)
    return [rng.choice(terms, size=length, p=shares / shares.sum()).tolist() for length in lengths]


def assert_same(hits, expected):
    for rows, scores, wanted in zip(hits.rows, hits.scores, expected, strict=True):
        number = len(wanted)
        np.testing.assert_allclose(scores[:number], [score for _, score in wanted], rtol=1e-5, atol=1e-6)
        assert (rows[number:] == -1).all()
        assert np.isnan(scores[number:]).all()
        assert len(set(rows[:number].tolist())) == number
        # Double precision may part what is equal in single precision: compare the rows of clearly different scores.
        best = dict(wanted)
        for row, score in zip(rows[:number].tolist(), scores[:number].tolist(), strict=True):
            if row not in best:
                assert score == pytest.approx(wanted[-1][1], rel=1e-5)


PASSAGES = st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=40).filter(any)
QUERIES = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=6)


@pytest.mark.parametrize("compiled", [False, True])
def test_any_small_corpus(compiled, tmp_path_factory):
    @settings(max_examples=40, deadline=None)
    @given(PASSAGES, QUERIES, st.integers(1, 50))
    def check(passages, queries, k):
        folder = build(tmp_path_factory.mktemp("index") / "index", passages, 10, compiled=compiled)
        hits = Postings(folder, len(passages), compiled=compiled).search(queries, k)
        assert_same(hits, reference(passages, queries, k))

    check()


def test_the_arrays_are_those_of_bm25s_which_reads_them(tmp_path):
    rng = np.random.default_rng(5)
    passages = skewed(rng, 3000, 400, 60)
    # bm25s needs a term in each; the empty ones are tested elsewhere.
    passages = [passage or [0] for passage in passages]
    peer = bm25s.BM25(method="lucene", k1=K1, b=B)
    vocabulary = {f"t{term}": term for term in range(400)}
    peer.index((passages, vocabulary), create_empty_token=False, show_progress=False)
    for compiled in (False, True):
        folder = build(tmp_path / f"{compiled}", passages, 400, compiled=compiled, batch=700)
        read = bm25s.BM25.load(folder, mmap=True, load_vocab=True)
        assert read.vocab_dict == vocabulary
        for name in ("indptr", "indices", "data"):
            assert np.array_equal(read.scores[name], peer.scores[name]), name
            assert read.scores[name].dtype == peer.scores[name].dtype
        assert read.scores["num_docs"] == 3000
        ours = Postings(folder, 3000, compiled=compiled).search([[3, 50, 7], [1]], 20)
        _, scores = read.retrieve([[3, 50, 7], [1]], k=20, show_progress=False)
        np.testing.assert_allclose(ours.scores, scores, rtol=1e-5)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Enough passages for several blocks and terms with steps, and queries of many kinds."""
    rng = np.random.default_rng(11)
    passages = skewed(rng, 30_000, 2_000, 30)
    queries = [rng.choice(2_000, size=rng.integers(1, 9)).tolist() for _ in range(150)]
    queries += [passage[:6] for passage in passages[:150]] + [
        [0],
        [0, 1, 2],
        [1999],
        [],
        [5, 5, 5, 900],
        list(range(300)),
    ]
    folder = build(tmp_path_factory.mktemp("large") / "index", passages, 2_000, compiled=True, batch=4096)
    return folder, passages, queries


@pytest.mark.integration
@pytest.mark.parametrize("k", [1, 10, 100, 1500])
def test_compiled_and_plain_search_are_equal_to_the_last_bit(large, k):
    folder, passages, queries = large
    compiled = Postings(folder, len(passages), compiled=True).search(queries, k)
    plain = Postings(folder, len(passages), compiled=False).search(queries, k)
    assert np.array_equal(compiled.scores, plain.scores, equal_nan=True)
    assert np.array_equal(compiled.rows, plain.rows)


@pytest.mark.integration
def test_scores_are_those_of_bm25s(large):
    folder, passages, queries = large
    hits = Postings(folder, len(passages), compiled=True).search(queries, 100)
    peer = bm25s.BM25.load(folder, mmap=True, load_vocab=True)
    asked = [number for number, query in enumerate(queries) if query]
    _, scores = peer.retrieve([queries[number] for number in asked], k=100, show_progress=False)
    np.testing.assert_allclose(np.nan_to_num(hits.scores[asked]), scores, rtol=1e-5, atol=1e-5)


@pytest.mark.integration
def test_neither_threads_nor_blocks_nor_the_batch_decide(large, monkeypatch):
    folder, passages, queries = large
    postings = Postings(folder, len(passages), compiled=True)
    whole = postings.search(queries, 50)
    monkeypatch.setattr(bm25_postings, "BLOCK", 8192)
    monkeypatch.setattr(bm25_postings, "_QUERIES", 7)
    monkeypatch.setattr(bm25_postings, "processors", lambda: 3)
    parts = postings.search(queries, 50)
    assert np.array_equal(whole.rows, parts.rows)
    assert np.array_equal(whole.scores, parts.scores, equal_nan=True)


@pytest.mark.integration
def test_a_corpus_sorted_by_topic_misleads_no_guess(tmp_path):
    # All good passages stand in the first block: a guess from its share of the corpus is far too high.
    rng = np.random.default_rng(3)
    good = [[0, 1, *rng.integers(2, 500, 3).tolist()] for _ in range(60)]
    poor = [[0, *rng.integers(2, 500, 20).tolist()] if row % 40 == 0 else [7] for row in range(25_000)]
    passages = good + poor
    folder = build(tmp_path / "index", passages, 500, compiled=True, batch=4096)
    for k in (50, 60, 61, 100, 400):
        compiled = Postings(folder, len(passages), compiled=True).search([[0, 1]], k)
        plain = Postings(folder, len(passages), compiled=False).search([[0, 1]], k)
        assert np.array_equal(compiled.rows, plain.rows)
        assert (plain.rows[0] >= 0).all()


def test_equal_scores_come_in_row_order_from_the_lowest_row_on(tmp_path):
    passages = [[1, 2], [0, 3]] * 9_000
    folder = build(tmp_path / "index", passages, 4, compiled=True, batch=5000)
    hits = Postings(folder, len(passages), compiled=True).search([[0], [1, 3]], 700)
    assert hits.rows[0].tolist() == list(range(1, 1401, 2))
    assert hits.rows[1].tolist() == list(range(700))


@pytest.mark.parametrize("compiled", [False, True])
def test_no_queries_find_nothing(compiled, tmp_path):
    folder = build(tmp_path / "index", [[0, 1], [1]], 2, compiled=compiled)
    hits = Postings(folder, 2, compiled=compiled).search([], 2)
    assert hits.rows.shape == hits.scores.shape == (0, 2)


def test_terms_are_cut_into_ranges_that_threads_fill(tmp_path, monkeypatch):
    from hardneg_plugin.search.bm25 import build as bm25_build

    passages = skewed(np.random.default_rng(1), 500, 50, 20)
    whole = build(tmp_path / "whole", passages, 50, compiled=False, batch=100)
    monkeypatch.setattr(bm25_build, "_PART", 40)
    for compiled in (False, True):
        parts = build(tmp_path / f"parts-{compiled}", passages, 50, compiled=compiled, batch=33)
        assert sorted(file.name for file in parts.iterdir()) == sorted(file.name for file in whole.iterdir())
        for file in whole.iterdir():
            assert file.read_bytes() == (parts / file.name).read_bytes(), file.name


@pytest.mark.integration
def test_a_batch_that_fails_does_not_leave_the_next_waiting(large, monkeypatch):
    from hardneg_plugin.search.bm25 import search_kernels as bm25_kernels

    batches, third, in_time = itertools.count(), threading.Event(), []

    def search(*given):
        number = next(batches)
        if number == 0:
            in_time.append(third.wait(20))
        elif number == 1:
            raise MemoryError("no room")
        else:
            third.set()

    folder, passages, queries = large
    monkeypatch.setattr(bm25_postings, "processors", lambda: 2)
    monkeypatch.setattr(bm25_postings, "_QUERIES", 1)
    monkeypatch.setattr(bm25_kernels, "search", search)
    with pytest.raises(MemoryError, match="no room"):
        Postings(folder, len(passages), compiled=True).search(queries[:3], 5)
    assert in_time == [True]
