"""The inner loops of the BM25 search, compiled by numba; import this module inside a function.

One query at a time goes through the corpus in blocks of rows whose accumulator stays in the cache. None of what makes
a block cheap changes what is found:

* A threshold that rises: the score of the k-th best so far and, before that is high enough to help, a guess from the
  share of the corpus that has been read. A guess is checked at the end: where fewer than k passages reached it, the
  query runs again without guessing.
* MaxScore (Turtle and Flood, 1995): terms that even together cannot lift a passage over the threshold are not added up;
  they are looked up for the few passages that the other terms bring near it.
* Steps: for a frequent term, the position of its first posting at every 2^shift rows, so that a look-up reads one step
  and a few postings.
* Where a block has few postings, these are walked a second time instead of scanning the block's rows.
* Otherwise a scan that compares 64 rows at a time.

A passage's score is the sum of its terms' weights in the order the terms are given in, in single precision, wherever it
was worked out: so scores do not depend on blocks, thresholds or threads.

numba keeps what it compiled on disk and compiles again when this file changes; it does not see a change of
``bm25_loops.py``, which this file must be touched for.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from hardneg_plugin.search.bm25_loops import (
    BEGIN,
    BLOCK_BITS,
    END,
    ORIGIN,
    SHIFT,
    STOP,
    TABLE,
    Postings,
    Query,
    Work,
    add_up,
    look_up,
    position_of,
    scan,
    score_of,
    select,
    still_possible,
    walk,
)

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
_ROW_BITS = np.uint64(32)
_LOW_BITS = np.uint64(0xFFFFFFFF)

# Levels of a query.
_THRESHOLD, _GUESS, _PART = range(3)
# Counts of a query: keys in the pool, and how many there were at the last guess.
_SIZE, _GUESSED_AT = range(2)


@numba.njit(nogil=True, cache=True)
def _query(terms: Any, weights: Any, start: int, end: int, number: int, work: Work) -> Query:
    """Return the views of one query."""
    return Query(
        terms[start:end],
        weights[start:end],
        work.at[start:end],
        work.rest[start:end],
        work.pools[number],
        work.full[number : number + 1],
        work.levels[number],
        work.counts[number],
    )


@numba.njit(nogil=True, cache=True)
def _open(index: Postings, query: Query, least: Any) -> None:
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


@numba.njit(nogil=True, cache=True)
def _gather(index: Postings, query: Query, essential: int, low: int, high: int, floor: Any, work: Work) -> int:
    """Add up the essential terms of a block; collect the passages that reach ``floor`` and return their number."""
    touched = 0
    for place in range(essential):
        term = query.at[place]
        begin = position_of(index, term, term[BEGIN], low)
        stop = position_of(index, term, begin, high)
        term[BEGIN] = begin
        term[STOP] = stop
        touched += stop - begin
        add_up(index.data[begin:stop], index.indices[begin:stop], work.acc, low, query.weights[place])
    if touched == 0:
        return 0
    found = 0
    if touched * _WALK_SHARE < high - low:
        for place in range(essential):
            found = walk(index.indices[query.at[place, BEGIN] : query.at[place, STOP]], work, low, floor, found)
    else:
        found = scan(work, high - low, low, floor)
    for place in range(essential):
        query.at[place, BEGIN] = query.at[place, STOP]
    return found


@numba.njit(nogil=True, cache=True)
def _leave_out(index: Postings, query: Query, essential: int, low: int, high: int, found: int) -> None:
    """Find the block's postings of the terms that are looked up, and weigh their number against the look-ups."""
    for place in range(essential, len(query.terms)):
        term = query.at[place]
        term[BEGIN] = position_of(index, term, term[BEGIN], low)
        term[STOP] = position_of(index, term, term[BEGIN], high)
    # The first of them is the one that would be added up next.
    left_out = query.at[essential, STOP] - query.at[essential, BEGIN]
    cost = found * _LOOKUP_COST
    if cost > left_out:
        query.levels[_PART] = max(query.levels[_PART] * _SMALLER, _LEAST_PART)
    elif cost * _CHEAP < left_out:
        query.levels[_PART] = min(query.levels[_PART] * _LARGER, _MOST_PART)


@numba.njit(nogil=True, cache=True)
def _keep(row: int, score: Any, k: int, query: Query, work: Work) -> None:
    """Put a passage into the pool; a full pool is cut back to the best k, which raises the threshold."""
    work.score[0] = score
    key = (np.uint64(work.bits[0]) << _ROW_BITS) | (_LOW_BITS - np.uint64(row))
    if key <= query.full[0]:
        return
    size = query.counts[_SIZE]
    query.pool[size] = key
    size += 1
    if size == len(query.pool):
        select(query.pool, size, k)
        size = k
        query.full[0] = query.pool[k - 1]
        query.levels[_THRESHOLD] = max(query.levels[_THRESHOLD], score_of(query.full[0], work))
        query.counts[_GUESSED_AT] = min(query.counts[_GUESSED_AT], size)
    query.counts[_SIZE] = size


@numba.njit(nogil=True, cache=True)
def _raise(share: float, k: int, guess: bool, query: Query, work: Work) -> None:
    """Raise the threshold to what a share of the corpus lets expect of its k-th best passage."""
    size = query.counts[_SIZE]
    rank = int(k * share + _CAUTION * np.sqrt(k * share * (1 - share))) + 1
    if not guess or rank > k:
        rank = k
    known = query.counts[_GUESSED_AT]
    if size <= known + known // 8 or size < rank:
        return
    work.scratch[:size] = query.pool[:size]
    select(work.scratch, size, rank)
    score = score_of(work.scratch[rank - 1], work)
    if score > query.levels[_THRESHOLD]:
        query.levels[_THRESHOLD] = score
        if rank < k:
            query.levels[_GUESS] = score
    query.counts[_GUESSED_AT] = size


@numba.njit(nogil=True, cache=True)
def _read_block(index: Postings, query: Query, k: int, low: int, high: int, work: Work) -> None:
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
        _leave_out(index, query, essential, low, high, found)
    for place in range(essential, number):
        found = still_possible(work, found, query.rest[place], needed)
        if not found:
            return
        look_up(index, query, place, found, work)
    for candidate in range(found):
        if work.scores[candidate] >= query.levels[_THRESHOLD]:
            _keep(work.rows[candidate], work.scores[candidate], k, query, work)


@numba.njit(nogil=True, cache=True)
def _settle(query: Query, k: int, work: Work) -> Any:
    """Bring the best k of the pool to its front; return the score of the k-th, 0 where there are fewer."""
    size = query.counts[_SIZE]
    least = np.float32(0)
    if size >= k:
        select(query.pool, size, k)
        query.counts[_SIZE] = k
        least = score_of(query.pool[k - 1], work)
    return least


@numba.njit(nogil=True, cache=True)
def search(
    index: Postings, terms: Any, weights: Any, bounds: Any, k: int, rows_total: int, work: Work, keys: Any
) -> int:
    """Search some queries, all of them in one block before the next; return how many had to run again.

    :param index: The index.
    :param terms: Terms of all queries, each once, in the order in which their weights are added up.
    :param weights: How often each of them stands in its query, float32.
    :param bounds: Where the terms of a query begin, shape ``(queries + 1,)``.
    :param k: Passages per query.
    :param rows_total: Passages in the corpus.
    :param work: Memory; its accumulator is zeros, as long as the largest block.
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
