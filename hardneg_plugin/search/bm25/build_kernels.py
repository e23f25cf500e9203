"""The inner loops of building a BM25 index, compiled by numba; import this module inside a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached


@njit_cached()
def count(ids: Any, lengths: Any, place_of: Any, last_seen: Any, first_row: int, terms: Any, counts: Any) -> int:
    """Bring each passage's terms together: every term once, in the order of its first sight, with its count.

    :param ids: Terms of all passages of the batch.
    :param lengths: Terms of each passage; receives how many different ones it has.
    :param place_of: Scratch, one for each term of the vocabulary.
    :param last_seen: Passage in which each term was seen last; -1 at the start.
    :param first_row: Row of the batch's first passage.
    :returns: How many of ``terms`` and ``counts`` were filled.
    """
    filled = 0
    position = 0
    for passage in range(len(lengths)):
        before = filled
        row = first_row + passage
        for _ in range(lengths[passage]):
            term = ids[position]
            position += 1
            if last_seen[term] == row:
                counts[place_of[term]] += 1
            else:
                last_seen[term] = row
                place_of[term] = filled
                terms[filled] = term
                counts[filled] = 1
                filled += 1
        lengths[passage] = filled - before
    return filled


@njit_cached(error_model="numpy")
def place(
    terms: Any,
    counts: Any,
    different: Any,
    norms: Any,
    idf: Any,
    first_row: int,
    low: int,
    high: int,
    heads: Any,
    data: Any,
    indices: Any,
) -> None:
    """Put the postings of terms ``low`` to ``high`` in their places, with their weights.

    :param different: How many different terms each passage has.
    :param norms: k1 (1 - b + b length / mean length) of each passage, float64.
    :param idf: Of each term, float32.
    :param heads: Where the next posting of each term goes.
    """
    position = 0
    span = np.uint32(high - low)
    for passage in range(len(different)):
        norm = norms[passage]
        for _ in range(different[passage]):
            term = terms[position]
            if np.uint32(term - low) < span:
                frequency = np.float64(counts[position])
                target = heads[term - low]
                data[target] = np.float32(np.float64(idf[term]) * (frequency / (norm + frequency)))
                indices[target] = first_row + passage
                heads[term - low] = target + 1
            position += 1


@njit_cached()
def describe(data: Any, indices: Any, bounds: Any, tables: Any, shifts: Any, maxima: Any, steps: Any) -> None:
    """Find each term's largest weight and, where it has a table, its first posting at every 2^shift rows.

    :param bounds: Where the postings of each term begin, shape ``(terms + 1,)``; so ``tables`` for ``steps``.
    """
    for term in range(len(bounds) - 1):
        begin, end = bounds[term], bounds[term + 1]
        largest = np.float32(0)
        for position in range(begin, end):
            largest = max(largest, data[position])
        maxima[term] = largest
        position = begin
        for step in range(tables[term + 1] - tables[term]):
            row = step << shifts[term]
            while position < end and indices[position] < row:
                position += 1
            steps[tables[term] + step] = position - begin
