"""Ranking proposed passages by their exact scores, by compiled loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense import no_hits
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import Threads
from hardneg_plugin.search.vector_space import VectorSpace


def best_of(
    space: VectorSpace,
    queries: NDArray[np.int64],
    rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    k: int,
    threads: Threads,
) -> Hits:
    """Score proposals exactly and return the best of each query.

    :param space: The vectors.
    :param queries: Rows of the queries.
    :param rows: Passages proposed for the first query, in ascending order, for the second, and so on; equal scores
        stay in that order.
    :param counts: How many are proposed for each, shape ``(queries,)``.
    :param k: Results per query; where fewer are proposed, padding follows.
    :param threads: Share the queries out.
    """
    from hardneg_plugin.search.vector_kernels import rank

    offsets = np.concatenate([[0], np.cumsum(counts)])
    scores = space.exact(np.repeat(queries, counts), rows)
    best = no_hits(len(queries), k)
    threads.run(len(queries), lambda a, b, _: rank(scores, rows, offsets, a, b, best.rows, best.scores))
    return best
