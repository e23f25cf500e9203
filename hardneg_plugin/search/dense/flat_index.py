"""The nearest passages by FAISS's exhaustive flat indexes (Douze et al., 2024), with the ranking of the exact search.

FAISS scores in float32: it proposes, some more passages than are asked for. These are scored in float64; where what
FAISS left out may still belong to the best, within its rounding error, the query is searched as without FAISS. Hits
are therefore the same with FAISS and without.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense.blocked_exact import tiled_search
from hardneg_plugin.search.dense.gemm_autotune import gemm_backends
from hardneg_plugin.search.dense.gpu import MOST_PER_QUERY, gpu_resources, on_gpu
from hardneg_plugin.search.dense.rescore import rescore_topk
from hardneg_plugin.search.dense.search import no_hits, search_exactly
from hardneg_plugin.search.dense.vector_space import Vectors, VectorSpace
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import Threads

# Products from which compiled loops pay: FAISS takes seconds for so many; compiling takes some in the first process.
_LARGE = 1 << 37
# Passages in one index: bounds memory, whatever the size of the corpus.
_PASSAGE_BLOCK = 131_072
_QUERY_BLOCK = 16_384
# Proposals from which on sorting them by compiled loops pays.
_COMPILED_FROM = 1 << 18
# Passages proposed beyond those asked for. Ties and near ties at the end of the list are seldom longer.
_SPARE = 32


def nearest(space: VectorSpace, k: int, *, memory: int | None = None) -> Hits:
    """Find the ``k`` most similar passages of every query, by what is fastest here; all ways give the same hits.

    Where FAISS has a GPU it searches there, a part of the corpus after the other. Else large searches go by products in
    low precision, or by those of torch in single precision, where the processor has them and they were measured to be
    faster (see :mod:`hardneg_plugin.search.dense.blocked_exact`), else by FAISS where it is installed, else by numpy's
    products.

    :param space: The vectors; see :func:`hardneg_plugin.search.dense.search.search_space`.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param memory: Bytes to work in, beside vectors and hits; None takes blocks of fixed size.
    :returns: Hits as :func:`hardneg_plugin.search.dense.search.exact_search` gives them.
    :raises ParameterError: If ``memory`` is too small for the smallest blocks.
    """
    large = len(space.queries) * len(space.passages) * space.queries.shape[1] >= _LARGE
    faiss = find_spec("faiss") is not None and (memory is None or memory >= _flat_bytes(space, k))
    if faiss and k + _SPARE <= MOST_PER_QUERY and gpu_resources() is not None:
        return flat_search(space, k)
    if large and (not faiss or gemm_backends()[0].name != "float32"):
        return tiled_search(space, k, memory=memory).hits
    if faiss:
        return flat_search(space, k)
    hits = no_hits(len(space.queries), k)
    search_exactly(space, np.arange(len(space.queries)), min(k, len(space.passages)), hits)
    return hits


def _flat_bytes(space: VectorSpace, k: int) -> int:
    """Return what a search with FAISS takes beside vectors and hits: two copies of a block of passages, and lists."""
    dims = space.queries.shape[1]
    queries, depth = min(_QUERY_BLOCK, len(space.queries)), k + _SPARE
    return 8 * dims * min(_PASSAGE_BLOCK, len(space.passages)) + queries * (8 * dims + 64 * depth)


def flat_search(space: VectorSpace, k: int) -> Hits:
    """Search with ``IndexFlatIP``, or ``IndexFlatL2`` for ``euclidean``; needs FAISS.

    Parameters and hits are those of :func:`nearest`.
    """
    count = len(space.passages)
    hits = no_hits(len(space.queries), k)
    found = min(k, count)
    for start in range(0, len(space.queries), _QUERY_BLOCK):
        block = np.arange(start, min(start + _QUERY_BLOCK, len(space.queries)))
        rows, approximate = _propose(space, block, min(found + _SPARE, count))
        best = _rank(space, block, rows, found)
        hits.rows[block, :found], hits.scores[block, :found] = best.rows, best.scores
        if rows.shape[1] < count:
            # What was left out scores at most as high as the last that was proposed.
            threshold = space.proposal_of(best.scores[:, -1]) - space.slack(block)
            search_exactly(space, block[approximate[:, -1] >= threshold], found, hits)
    return hits


def _propose(space: VectorSpace, block: NDArray[np.int64], depth: int) -> tuple[NDArray[np.int64], Vectors]:
    """Return the rows of the ``depth`` best passages by float32 scores, and these scores, best first."""
    queries = np.ascontiguousarray(space.query_block(block))
    rows = np.empty((len(block), 0), dtype=np.int64)
    scores = np.empty((len(block), 0), dtype=np.float32)
    for start in range(0, len(space.passages), _PASSAGE_BLOCK):
        index = _flat_index(space, slice(start, start + _PASSAGE_BLOCK), depth)
        found, positions = index.search(queries, min(depth, index.ntotal))
        scores = np.concatenate([scores, -found if space.similarity == "euclidean" else found], axis=1)
        rows = np.concatenate([rows, positions + start], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return rows, scores


def _flat_index(space: VectorSpace, rows: slice, depth: int) -> Any:
    import faiss

    vectors = np.ascontiguousarray(space.passage_block(rows))
    index = (faiss.IndexFlatL2 if space.similarity == "euclidean" else faiss.IndexFlatIP)(vectors.shape[1])
    index.add(vectors)
    return on_gpu(index) if depth <= MOST_PER_QUERY else index


def _rank(space: VectorSpace, block: NDArray[np.int64], rows: NDArray[np.int64], found: int) -> Hits:
    """Score proposals exactly; equal scores stand in ascending row order."""
    rows = np.sort(rows, axis=1)
    if rows.size >= _COMPILED_FROM:
        with Threads() as threads:
            return rescore_topk(space, block, rows, np.full(len(block), rows.shape[1]), found, threads)
    scores = space.exact(np.repeat(block, rows.shape[1]), rows.ravel()).reshape(rows.shape)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :found]
    return Hits(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
