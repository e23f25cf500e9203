"""The innermost loops of the BM25 search, compiled by numba, and the memory they work on; import inside a function.

Indices are unsigned where a loop should be vectorised: for signed ones numba checks whether they are negative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

BLOCK_BITS = 12
"""Blocks are multiples of 2^12 rows; so are the steps of the terms for which a block's first posting is looked up."""
_LANES = 64
_ROW_BITS = np.uint64(32)

# Columns of a query's terms: its postings of this block, the end and begin of all, its steps and their size.
BEGIN, STOP, END, ORIGIN, TABLE, SHIFT = range(6)


class Postings(NamedTuple):
    """An index: postings by term and row, and what the search knows of each term beforehand."""

    data: Any
    indices: Any
    indptr: Any
    maxima: Any
    steps: Any
    tables: Any
    shifts: Any


class Work(NamedTuple):
    """Memory of one thread: that of a block, then that of the queries."""

    acc: Any
    rows: Any
    scores: Any
    places: Any
    scratch: Any
    bits: Any
    score: Any
    at: Any
    rest: Any
    pools: Any
    full: Any
    levels: Any
    counts: Any


class Query(NamedTuple):
    """One query's terms and its part of the memory."""

    terms: Any
    weights: Any
    at: Any
    rest: Any
    pool: Any
    full: Any
    levels: Any
    counts: Any


@numba.njit(nogil=True, cache=True)
def first_at_least(indices: Any, start: int, end: int, row: int) -> int:
    """Return the first position in ``start:end`` whose row is at least ``row``: steps that double, then halves."""
    if start >= end or indices[start] >= row:
        return start
    step = 1
    low = start
    while low + step < end and indices[low + step] < row:
        low += step
        step *= 2
    high = min(low + step, end)
    low += 1
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(nogil=True, cache=True)
def position_of(index: Postings, term: Any, begin: int, row: int) -> int:
    """Return a term's first posting at ``row``, a multiple of the smallest block, or behind it."""
    if term[TABLE] >= 0 and term[SHIFT] <= BLOCK_BITS:
        # Upwards, as the end of the corpus need not be a multiple.
        step = (row + (1 << term[SHIFT]) - 1) >> term[SHIFT]
        return term[ORIGIN] + index.steps[term[TABLE] + step]  # type: ignore[no-any-return]
    return first_at_least(index.indices, begin, term[END], row)


@numba.njit(nogil=True, cache=True)
def select(keys: Any, size: int, rank: int) -> None:
    """Bring the ``rank`` largest of the first ``size`` keys to the front, the least of them to the last of these."""
    left = 0
    right = size - 1
    while left < right:
        pivot = keys[(left + right) >> 1]
        i = left
        j = right
        while i <= j:
            while keys[i] > pivot:
                i += 1
            while keys[j] < pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if rank - 1 <= j:
            right = j
        elif rank - 1 >= i:
            left = i
        else:
            return


@numba.njit(nogil=True, cache=True)
def score_of(key: Any, work: Work) -> Any:
    """Return the score in the upper half of a key."""
    work.bits[0] = np.uint32(key >> _ROW_BITS)
    return work.score[0]


@numba.njit(nogil=True, cache=True)
def add_up(data: Any, postings: Any, acc: Any, low: int, weight: Any) -> None:
    """Add one term's postings of a block to the accumulator."""
    for place in range(postings.shape[0]):
        acc[np.uint32(postings[place] - low)] += weight * data[place]


@numba.njit(nogil=True, cache=True)
def walk(postings: Any, work: Work, low: int, floor: Any, found: int) -> int:
    """Collect the passages of one term that reach ``floor``, and clear their accumulators."""
    for place in range(postings.shape[0]):
        row = postings[place]
        slot = np.uint32(row - low)
        score = work.acc[slot]
        if score >= floor:
            work.rows[found] = row
            work.scores[found] = score
            found += 1
        work.acc[slot] = 0
    return found


@numba.njit(nogil=True, cache=True)
def scan(work: Work, width: int, low: int, floor: Any) -> int:
    """Collect the rows of a block that reach ``floor``, and clear the accumulator."""
    acc = work.acc
    found = 0
    lanes = np.uint32(_LANES)
    for chunk in range(np.uint32(0), np.uint32((width + _LANES - 1) // _LANES)):
        start = np.uint32(chunk * lanes)
        hits = np.int32(0)
        for lane in range(np.uint32(0), lanes):
            hits += np.int32(acc[np.uint32(start + lane)] >= floor)
        if hits:
            for lane in range(np.uint32(0), lanes):
                slot = np.uint32(start + lane)
                if acc[slot] >= floor:
                    work.rows[found] = low + slot
                    work.scores[found] = acc[slot]
                    found += 1
        for lane in range(np.uint32(0), lanes):
            acc[np.uint32(start + lane)] = 0
    return found


@numba.njit(nogil=True, cache=True)
def still_possible(work: Work, found: int, rest: Any, needed: Any) -> int:
    """Keep the passages that ``rest`` can lift to ``needed``; return their number."""
    kept = 0
    for number in range(found):
        score = work.scores[number]
        work.scores[kept] = score
        work.rows[kept] = work.rows[number]
        kept += score + rest >= needed
    return kept


@numba.njit(nogil=True, cache=True)
def look_up(index: Postings, query: Query, place: int, found: int, work: Work) -> Any:
    """Add one term's weights to the scores of the passages found.

    The postings are touched for all passages before they are searched, so that the waits for memory overlap.
    """
    term = query.at[place]
    places = work.places[:found]
    touched = np.float32(0)
    if term[TABLE] >= 0:
        for number in range(found):
            places[number] = term[ORIGIN] + index.steps[term[TABLE] + (work.rows[number] >> term[SHIFT])]
        last = term[END] - 1
        for number in range(found):
            position = min(places[number], last)
            touched += np.float32(index.indices[position]) + index.data[position]
    else:
        for number in range(found):
            row = work.rows[number]
            low = term[BEGIN]
            high = term[STOP]
            while low < high:
                middle = (low + high) >> 1
                if index.indices[middle] < row:
                    low = middle + 1
                else:
                    high = middle
            places[number] = low
    weight = query.weights[place]
    for number in range(found):
        row = work.rows[number]
        position = places[number]
        while position < term[END] and index.indices[position] < row:
            position += 1
        if position < term[END] and index.indices[position] == row:
            work.scores[number] += weight * index.data[position]
    return touched
