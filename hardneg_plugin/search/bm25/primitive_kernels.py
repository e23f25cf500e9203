"""The innermost loops of the BM25 search, compiled by numba, and the memory they work on; import inside a function.

Indices are unsigned where a loop should be vectorised: for signed ones numba checks whether they are negative. What is
called for each passage or posting takes arrays, not tuples of them: each array of a tuple is counted as a reference, by
an atomic operation, at every call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hardneg_plugin.compiled import njit_cached
from hardneg_plugin.search.simd_kernels import LANES, at_least, lowest_bit, prefetch

BLOCK_BITS = 10
"""Blocks begin at multiples of 2^10 rows: there the steps of terms that have one at least so often can be looked up."""
# Lines of the cache that are asked for where a term's postings begin, and the postings in each.
_LINES, _LINE = 4, 16

# Columns of a query's terms: its postings of this block, the end and begin of all, its steps and their size.
BEGIN, STOP, END, ORIGIN, TABLE, SHIFT = range(6)


class PostingArrays(NamedTuple):
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
    score_bits: Any
    places: Any
    bins: Any
    bits: Any
    score: Any
    at: Any
    rest: Any
    pools: Any
    full: Any
    levels: Any
    counts: Any


class QueryTerms(NamedTuple):
    """One query's terms and its part of the memory."""

    terms: Any
    weights: Any
    at: Any
    rest: Any
    pool: Any
    full: Any
    levels: Any
    counts: Any


@njit_cached()
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


@njit_cached()
def fetch(data: Any, indices: Any, begin: int) -> None:
    """Have the first of a term's postings brought to the cache; the processor sees by itself that others follow."""
    for line in range(_LINES):
        prefetch(indices, begin + line * _LINE)
        prefetch(data, begin + line * _LINE)


@njit_cached()
def add_up(data: Any, postings: Any, acc: Any, low: int, weight: Any) -> None:
    """Add one term's postings of a block to the accumulator."""
    for place in range(postings.shape[0]):
        acc[np.uint32(postings[place] - low)] += weight * data[place]


@njit_cached()
def position_of(indices: Any, steps: Any, at: Any, place: int, begin: int, row: int) -> Any:
    """Return a term's first posting at ``row``, a multiple of the smallest block, or behind it."""
    shift = at[place, SHIFT]
    if at[place, TABLE] >= 0 and shift <= BLOCK_BITS:
        # Upwards, as the end of the corpus need not be a multiple.
        step = (row + (1 << shift) - 1) >> shift
        return at[place, ORIGIN] + steps[at[place, TABLE] + step]
    return first_at_least(indices, begin, at[place, END], row)


@njit_cached()
def walk(postings: Any, acc: Any, low: int, floor: Any, rows: Any, scores: Any, found: int) -> int:
    """Collect the passages of one term that reach ``floor``, and clear their accumulators."""
    for place in range(postings.shape[0]):
        row = postings[place]
        slot = np.uint32(row - low)
        score = acc[slot]
        if score >= floor:
            rows[found] = row
            scores[found] = score
            found += 1
        acc[slot] = 0
    return found


@njit_cached()
def scan(acc: Any, width: int, low: int, floor: Any, rows: Any, scores: Any) -> int:
    """Collect the rows of a block that reach ``floor``, and clear the accumulator."""
    found = 0
    lanes = np.uint64(LANES)
    for chunk in range(np.uint64(0), np.uint64((width + LANES - 1) // LANES)):
        start = chunk * lanes
        hits = at_least(acc, start, floor)
        while hits:
            slot = start + lowest_bit(hits)
            hits &= hits - np.uint64(1)
            rows[found] = low + slot
            scores[found] = acc[slot]
            found += 1
        for lane in range(np.uint64(0), lanes):
            acc[start + lane] = 0
    return found


@njit_cached()
def still_possible(rows: Any, scores: Any, found: int, rest: Any, needed: Any) -> int:
    """Keep the passages that ``rest`` can lift to ``needed``; return their number."""
    kept = 0
    for number in range(found):
        score = scores[number]
        scores[kept] = score
        rows[kept] = rows[number]
        kept += score + rest >= needed
    return kept


@njit_cached()
def find_places(indices: Any, steps: Any, at: Any, place: int, rows: Any, places: Any, found: int) -> None:
    """Find for each passage where a term's posting is, or a few postings before it."""
    table, shift, origin = at[place, TABLE], at[place, SHIFT], at[place, ORIGIN]
    if table >= 0:
        for number in range(found):
            places[number] = origin + steps[table + (rows[number] >> shift)]
        return
    for number in range(found):
        low = at[place, BEGIN]
        high = at[place, STOP]
        while low < high:
            middle = (low + high) >> 1
            if indices[middle] < rows[number]:
                low = middle + 1
            else:
                high = middle
        places[number] = low


@njit_cached()
def add_found(data: Any, indices: Any, end: int, weight: Any, rows: Any, scores: Any, places: Any, found: int) -> None:
    """Add one term's weights to the scores of the passages that have it."""
    for number in range(found):
        row = rows[number]
        position = places[number]
        while position < end and indices[position] < row:
            position += 1
        if position < end and indices[position] == row:
            scores[number] += weight * data[position]
