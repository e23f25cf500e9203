"""Ranking proposed passages by their exact scores, by compiled loops."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense.search import no_hits
from hardneg_plugin.search.dense.vector_space import Similarity, Vectors, VectorSpace, passage_blocks
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import Threads


def rescore_topk(
    space: VectorSpace,
    queries: NDArray[np.int64],
    rows: NDArray[Any],
    counts: NDArray[np.int64],
    k: int,
    threads: Threads,
) -> Hits:
    """Score proposals exactly and return the best of each query.

    :param space: The vectors.
    :param queries: Rows of the queries.
    :param rows: Passages proposed for each, in ascending order, shape ``(queries, width)``; equal scores stay in that
        order.
    :param counts: How many are proposed for each, shape ``(queries,)``; what follows in ``rows`` does not count.
    :param k: Results per query; where fewer are proposed, padding follows.
    :param threads: Share the queries out.
    """
    from hardneg_plugin.search.dense.vector_kernels import rank

    scores = _scores(space, queries, rows, counts, threads)
    best = no_hits(len(queries), k)
    threads.run(len(queries), lambda a, b, _: rank(scores, rows, counts, a, b, best.rows, best.scores))
    return best


def _scores(
    space: VectorSpace, queries: NDArray[np.int64], rows: NDArray[Any], counts: NDArray[np.int64], threads: Threads
) -> Vectors:
    from hardneg_plugin.search.dense.vector_kernels import score_block

    scores, done = np.empty(rows.shape, np.float32), np.zeros(len(queries), np.int64)
    given = np.ascontiguousarray(space.queries[queries], np.float32), space.query_lengths[queries], rows, counts
    kind = get_args(Similarity).index(space.similarity)
    # Rows ascend, as blocks do: what a block has of each query stands behind what the blocks before it had.
    proposed = rows[np.arange(rows.shape[1]) < counts[:, None]]
    for vectors, first in passage_blocks(space.passages, proposed):
        block = vectors, space.passage_lengths[first : first + len(vectors)], first
        threads.run(len(queries), lambda a, b, _: score_block(block, given, done, a, b, kind, scores))  # noqa: B023
    return scores
