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
_BINARY_DOWN_TO = 8

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
    return first_at_least(index.indices, begin, term[END], row)  # type: ignore[no-any-return]


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
def look_up(index: Postings, query: Query, row: int, score: Any, needed: Any, first: int) -> Any:
    """Add the terms from ``first`` on to one passage's score; stop where the rest cannot lift it to ``needed``."""
    for place in range(first, len(query.terms)):
        if score + query.rest[place] < needed:
            return score
        term = query.at[place]
        if term[TABLE] >= 0:
            step = term[TABLE] + (row >> term[SHIFT])
            low = term[ORIGIN] + index.steps[step]
            high = term[ORIGIN] + index.steps[step + 1]
        else:
            low = term[BEGIN]
            high = term[STOP]
            while high - low > _BINARY_DOWN_TO:
                middle = (low + high) >> 1
                if index.indices[middle] < row:
                    low = middle + 1
                else:
                    high = middle + 1
        for position in range(low, high):
            if index.indices[position] >= row:
                if index.indices[position] == row:
                    score += query.weights[place] * index.data[position]
                break
    return score
