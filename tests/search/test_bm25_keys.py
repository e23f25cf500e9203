"""Cutting pools of keys back: the same keys as sorting finds, whatever the scores are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.search.bm25.topk_kernels import BINS, cut, keep, key_of_rank, select

SCORES = st.one_of(
    st.floats(2.0**-100, 2.0**100, width=32),
    st.integers(1, 5).map(float),
    st.floats(1, 1 + 2.0**-10, width=32),
)
SCORE_LISTS = st.lists(SCORES, min_size=1, max_size=200)


def keys_of(scores):
    """Return the key of each score, the rows counted from 0."""
    bits = np.array(scores, np.float32).view(np.uint32).astype(np.uint64)
    return (bits << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.arange(len(scores), dtype=np.uint64))


def assert_cut(scores, rank):
    """Cut the keys of some scores back in both ways; compare with sorting them."""
    keys = keys_of(scores)
    expected = np.sort(keys)[::-1][:rank]
    shorter, ordered = keys.copy(), keys.copy()
    cut(shorter, len(keys), rank, np.ones(BINS, np.int32))
    select(ordered, len(keys), rank)
    for found in (shorter, ordered):
        assert found[rank - 1] == expected[-1]
        assert np.array_equal(np.sort(found[:rank])[::-1], expected)


@settings(deadline=None)
@given(SCORE_LISTS, st.data())
def test_a_cut_leaves_what_sorting_leaves(scores, data):
    assert_cut(scores, data.draw(st.integers(1, len(scores))))


def test_where_all_scores_are_equal_the_lowest_rows_are_left():
    assert_cut([2.0] * 700, 100)


@settings(deadline=None)
@given(SCORE_LISTS, st.data())
def test_the_key_of_a_rank_is_reached_by_so_many_and_by_no_more_than_a_128th_of_the_span_below(scores, data):
    keys = keys_of(scores)
    rank = data.draw(st.integers(1, len(keys)))
    found = int(key_of_rank(keys, len(keys), rank, np.ones(BINS, np.int32)))
    exact = int(np.sort(keys)[-rank])
    span = (int(keys.max()) >> 32) - (int(keys.min()) >> 32)
    assert found % 2**32 == 0
    assert found <= exact
    assert (exact >> 32) - (found >> 32) <= span / (BINS // 2)
    assert int((keys >= np.uint64(found)).sum()) >= rank


def test_keys_behind_the_given_size_are_not_looked_at():
    keys = keys_of([1.0, 3.0, 2.0, 9.0])
    before = keys.copy()
    cut(keys, 3, 2, np.ones(BINS, np.int32))
    assert keys[:2].tolist() == [before[1], before[2]]
    assert keys[3] == before[3]


@settings(deadline=None)
@given(st.lists(SCORE_LISTS, min_size=1, max_size=4), st.integers(1, 20), st.integers(1, 30), SCORES)
def test_a_pool_has_the_best_of_all_blocks_however_often_it_is_cut(blocks, k, room, least):
    least = np.float32(least)
    pool, full, size = np.zeros(k + room, np.uint64), np.zeros(1, np.uint64), 0
    first = 0
    for scores in blocks:
        block = np.array(scores, np.float32)
        rows = np.arange(first, first + len(block), dtype=np.int32)
        bins = np.ones(BINS, np.int32)
        size = keep(rows, block, block.view(np.uint32), len(block), least, k, pool, size, full, bins)
        first += len(block)
    every = np.concatenate([np.array(scores, np.float32) for scores in blocks])
    expected = np.sort(keys_of(every)[every >= least])[::-1]
    assert min(size, k) == min(len(expected), k)
    assert np.array_equal(np.sort(pool[:size])[::-1][:k], expected[:k])
    if full[0]:
        assert full[0] <= expected[k - 1]


def test_a_score_below_the_least_is_not_kept():
    scores = np.array([1.0, 3.0, 2.0, 3.0], np.float32)
    pool, full = np.zeros(8, np.uint64), np.zeros(1, np.uint64)
    rows, bins = np.arange(4, dtype=np.int32), np.ones(BINS, np.int32)
    size = keep(rows, scores, scores.view(np.uint32), 4, np.float32(2), 2, pool, 0, full, bins)
    assert pool[:size].tolist() == keys_of(scores)[1:].tolist()
    assert full[0] == 0
