"""Hits in which a text has one rank, however many ids it stands under."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense.search import no_hits
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text.equal_texts import EqualTexts

Ints = NDArray[np.int64]
Search = Callable[[Ints, int], Hits]
"""Takes the numbers of some queries and how many passages to find for each."""


def distinct_hits(search: Search, queries: int, k: int, equal: EqualTexts) -> Hits:
    """Find the best ``k`` texts of every query; each is named by the first of its rows and has its best score.

    More passages are asked for where the corpus has equal texts, and again for the queries whose best are copies of
    each other. How many are asked for does not change what is found.

    :param search: The search; what it finds first does not depend on how much is asked for.
    :param queries: Number of queries.
    :param k: Texts per query; where there are fewer, padding follows.
    :param equal: The equal texts of the corpus that is searched.
    """
    every = np.arange(queries, dtype=np.int64)
    if not equal.copies:
        return search(every, k)
    hits, pending, depth = no_hits(queries, k), every, equal.depth(k)
    while len(pending):
        found = search(pending, depth)
        rows, new = equal.first(found.rows), _new_texts(found.rows, equal)
        done = (new.sum(axis=1) >= k) | (found.rows[:, -1] < 0) | (depth >= len(equal))
        order = np.argsort(~new[done], axis=1, kind="stable")[:, :k]
        width, there = order.shape[1], np.take_along_axis(new[done], order, axis=1)
        hits.rows[pending[done], :width] = np.where(there, np.take_along_axis(rows[done], order, axis=1), -1)
        scores = np.take_along_axis(found.scores[done], order, axis=1)
        hits.scores[pending[done], :width] = np.where(there, scores, np.nan)
        pending, depth = pending[~done], min(2 * depth, len(equal))
    return hits


def _new_texts(rows: Ints, equal: EqualTexts) -> NDArray[np.bool_]:
    """Mark the hits whose text does not stand before them in their line."""
    new = rows >= 0
    # Few passages have copies: the others need not be compared.
    query, position = np.nonzero(equal.repeated(rows))
    texts = query * np.int64(len(equal)) + equal.first(rows[query, position])
    order = np.argsort(texts, kind="stable")
    again = order[1:][texts[order][1:] == texts[order][:-1]]
    new[query[again], position[again]] = False
    return new
