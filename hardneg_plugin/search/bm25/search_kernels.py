"""The inner loops of the BM25 search, compiled by numba; import this module inside a function.

One query at a time goes through the corpus in blocks of rows whose accumulator stays in the cache. None of what makes
a block cheap changes what is found:

* A threshold that rises: a lower bound of the score of the k-th best so far and, before that is high enough to help, a
  guess from the share of the corpus that has been read. A guess is checked at the end: where fewer than k passages
  reached it, the query runs again without guessing.
* MaxScore (Turtle and Flood, 1995): terms that even together cannot lift a passage over the threshold are not added up;
  they are looked up for the few passages that the other terms bring near it.
* Steps: for a frequent term, the position of its first posting at every 2^shift rows, so that a look-up reads one step
  and a few postings.
* Where a block has few postings, these are walked a second time instead of scanning the block's rows.
* Otherwise a scan that compares 64 rows at a time.

A passage's score is the sum of its terms' weights in the order the terms are given in, in single precision, wherever it
was worked out: so scores do not depend on blocks, thresholds or threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached
from hardneg_plugin.search.bm25.primitive_kernels import (
    BEGIN,
    BLOCK_BITS,
    END,
    ORIGIN,
    SHIFT,
    STOP,
    TABLE,
    PostingArrays,
    QueryTerms,
    Work,
    add_found,
    add_up,
    fetch,
    find_places,
    position_of,
    scan,
    still_possible,
    walk,
)
from hardneg_plugin.search.bm25.topk_kernels import ROW_BITS, cut, keep, key_of_rank

_FIRST_BLOCK = 1 << BLOCK_BITS
# Where a block has fewer postings than this share of its rows, these are walked twice: a posting costs a nanosecond,
# scanning and clearing a row about a twelfth of that.
_WALK_SHARE = 12
# Standard deviations by which a guessed threshold stays below what a share of the corpus lets expect.
_CAUTION = 3.0
# Terms are left to look up while their bound is at most this part of the threshold; it moves with what looking up
# costs, counted in postings that are not added up.
_FIRST_PART, _LEAST_PART, _MOST_PART = np.float32(0.6), np.float32(0.1), np.float32(0.95)
_SMALLER, _LARGER = np.float32(0.8), np.float32(1.1)
_LOOKUP_COST = 24
_CHEAP = 4
_TINY = np.float32(1.2e-38)
_ROUNDING = np.float32(1.2e-7)

# Levels of a query.
_THRESHOLD, _GUESS, _PART = range(3)
# Counts of a query: keys in the pool, and how many there were at the last guess.
_SIZE, _GUESSED_AT = range(2)


@njit_cached()
def _query(terms: Any, weights: Any, start: int, end: int, number: int, work: Work) -> QueryTerms:
    """Return the views of one query."""
    return QueryTerms(
        terms[start:end],
        weights[start:end],
        work.at[start:end],
        work.rest[start:end],
        work.pools[number],
        work.full[number : number + 1],
        work.levels[number],
        work.counts[number],
    )


@njit_cached()
def _open(index: PostingArrays, query: QueryTerms, least: Any) -> None:
    """Set a query to the beginning of the corpus."""
    total = np.float64(0)
    for place in range(len(query.terms) - 1, -1, -1):
        number = query.terms[place]
        term = query.at[place]
        term[BEGIN] = term[ORIGIN] = index.indptr[number]
        term[END] = index.indptr[number + 1]
        has_table = index.tables[number + 1] > index.tables[number]
        term[TABLE] = index.tables[number] if has_table else -1
        term[SHIFT] = index.shifts[number]
        # What the term and those behind it can add at most.
        total += query.weights[place] * index.maxima[number]
        query.rest[place] = np.float32(total * (1 + 1e-6))
    query.levels[_THRESHOLD], query.levels[_GUESS], query.levels[_PART] = least, 0, _FIRST_PART
    query.counts[:] = 0
    query.full[0] = 0


@njit_cached()
def _score_of(key: Any, bits: Any, score: Any) -> Any:
    """Return the score in the upper half of a key; ``bits`` and ``score`` are the same four bytes."""
    bits[0] = np.uint32(key >> ROW_BITS)
    return score[0]


@njit_cached()
def _gather(
    index: PostingArrays, query: QueryTerms, essential: int, low: int, high: int, floor: Any, work: Work
) -> int:
    """Add up the essential terms of a block; collect the passages that reach ``floor`` and return their number."""
    data, indices, steps, at, weights = index.data, index.indices, index.steps, query.at, query.weights
    acc, rows, scores = work.acc, work.rows, work.scores
    touched = 0
    for place in range(essential):
        at[place, BEGIN] = position_of(indices, steps, at, place, at[place, BEGIN], low)
        fetch(data, indices, at[place, BEGIN])
        at[place, STOP] = position_of(indices, steps, at, place, at[place, BEGIN], high)
        touched += at[place, STOP] - at[place, BEGIN]
    for place in range(essential):
        begin, stop = at[place, BEGIN], at[place, STOP]
        if begin < stop:
            add_up(data[begin:stop], indices[begin:stop], acc, low, weights[place])
    if touched == 0:
        return 0
    found = 0
    if touched * _WALK_SHARE < high - low:
        for place in range(essential):
            if at[place, BEGIN] < at[place, STOP]:
                found = walk(indices[at[place, BEGIN] : at[place, STOP]], acc, low, floor, rows, scores, found)
    else:
        found = scan(acc, high - low, low, floor, rows, scores)
    for place in range(essential):
        at[place, BEGIN] = at[place, STOP]
    return found


@njit_cached()
def _look_up(
    index: PostingArrays, query: QueryTerms, essential: int, low: int, high: int, needed: Any, found: int, work: Work
) -> int:
    """Add the terms that are not essential to the passages found; return how many can still reach ``needed``."""
    indices, steps, at = index.indices, index.steps, query.at
    rows, scores, places = work.rows, work.scores, work.places
    for place in range(essential, len(query.terms)):
        at[place, BEGIN] = position_of(indices, steps, at, place, at[place, BEGIN], low)
        at[place, STOP] = position_of(indices, steps, at, place, at[place, BEGIN], high)
    # The first of them is the one that would be added up next.
    left_out = at[essential, STOP] - at[essential, BEGIN]
    cost = found * _LOOKUP_COST
    if cost > left_out:
        query.levels[_PART] = max(query.levels[_PART] * _SMALLER, _LEAST_PART)
    elif cost * _CHEAP < left_out:
        query.levels[_PART] = min(query.levels[_PART] * _LARGER, _MOST_PART)
    for place in range(essential, len(query.terms)):
        found = still_possible(rows, scores, found, query.rest[place], needed)
        if not found:
            break
        find_places(indices, steps, at, place, rows, places, found)
        add_found(index.data, indices, at[place, END], query.weights[place], rows, scores, places, found)
    return found


@njit_cached()
def _raise(share: float, k: int, guess: bool, query: QueryTerms, work: Work) -> None:
    """Raise the threshold to a lower bound of the k-th best score, or of what a share of the corpus lets expect."""
    size = query.counts[_SIZE]
    rank = int(k * share + _CAUTION * np.sqrt(k * share * (1 - share))) + 1
    if not guess or rank > k:
        rank = k
    known = query.counts[_GUESSED_AT]
    if size <= known + known // 8 or size < rank:
        return
    score = _score_of(key_of_rank(query.pool, size, rank, work.bins), work.bits, work.score)
    if score > query.levels[_THRESHOLD]:
        query.levels[_THRESHOLD] = score
        if rank < k:
            query.levels[_GUESS] = score
    query.counts[_GUESSED_AT] = size


@njit_cached()
def _read_block(index: PostingArrays, query: QueryTerms, k: int, low: int, high: int, work: Work) -> None:
    """Put into the pool what a block has for one query."""
    threshold = query.levels[_THRESHOLD]
    # No rounding of a sum in single precision is larger.
    number = len(query.terms)
    needed = threshold - query.rest[0] * _ROUNDING * np.float32(number + 2)
    if query.rest[0] < needed:
        return
    essential = number
    while essential > 1 and query.rest[essential - 1] <= query.levels[_PART] * threshold:
        essential -= 1
    floor = needed - (query.rest[essential] if essential < number else np.float32(0))
    found = _gather(index, query, essential, low, high, max(floor, _TINY), work)
    if essential < number and found:
        found = _look_up(index, query, essential, low, high, needed, found, work)
    if not found:
        return
    before = query.full[0]
    size = query.counts[_SIZE]
    size = keep(work.rows, work.scores, work.score_bits, found, threshold, k, query.pool, size, query.full, work.bins)
    query.counts[_SIZE] = size
    if query.full[0] != before:
        query.counts[_GUESSED_AT] = min(query.counts[_GUESSED_AT], k)
        query.levels[_THRESHOLD] = max(threshold, _score_of(query.full[0], work.bits, work.score))


@njit_cached()
def _settle(query: QueryTerms, k: int, work: Work) -> Any:
    """Bring the best k of the pool to its front; return the score of the k-th, 0 where there are fewer."""
    size = query.counts[_SIZE]
    least = np.float32(0)
    if size >= k:
        cut(query.pool, size, k, work.bins)
        query.counts[_SIZE] = k
        least = _score_of(query.pool[k - 1], work.bits, work.score)
    return least


@njit_cached()
def search(
    index: PostingArrays, terms: Any, weights: Any, bounds: Any, k: int, rows_total: int, work: Work, keys: Any
) -> int:
    """Search some queries, all of them in one block before the next; return how many had to run again.

    :param index: The index.
    :param terms: Terms of all queries, each once, in the order in which their weights are added up.
    :param weights: How often each of them stands in its query, float32.
    :param bounds: Where the terms of a query begin, shape ``(queries + 1,)``.
    :param k: Passages per query.
    :param rows_total: Passages in the corpus.
    :param work: Memory; its accumulator is zeros, as long as the largest block: a multiple of ``LANES`` and of the
        smallest block.
    :param keys: Zeros, shape ``(queries, k)``; receives of each query the keys of the best, in no order: the score's
        bits, then the row's complement, so that the larger key is the better passage.
    """
    again = 0
    for number in range(len(bounds) - 1):
        _open(index, _query(terms, weights, bounds[number], bounds[number + 1], number, work), np.float32(0))
    low = 0
    while low < rows_total:
        # Small blocks first: they give the threshold that spares the large ones most of their work.
        high = min(rows_total, low + min(max(low, _FIRST_BLOCK), len(work.acc)))
        for number in range(len(bounds) - 1):
            if bounds[number] < bounds[number + 1]:
                query = _query(terms, weights, bounds[number], bounds[number + 1], number, work)
                _read_block(index, query, k, low, high, work)
                if high < rows_total:
                    _raise(high / rows_total, k, True, query, work)
        low = high
    for number in range(len(bounds) - 1):
        query = _query(terms, weights, bounds[number], bounds[number + 1], number, work)
        least = _settle(query, k, work)
        if query.levels[_GUESS] > least:
            again += 1
            _open(index, query, least)
            for low in range(0, rows_total, len(work.acc)):
                high = min(rows_total, low + len(work.acc))
                _read_block(index, query, k, low, high, work)
                _raise(high / rows_total, k, False, query, work)
            _settle(query, k, work)
        size = query.counts[_SIZE]
        keys[number, :size] = query.pool[:size]
    return again
