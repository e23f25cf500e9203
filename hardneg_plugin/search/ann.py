"""Approximate search by FAISS (Douze et al., 2024), and how much of the exact result it finds.

``ivf`` visits the lists of some of the nearest centroids (Jégou, Douze and Schmid, 2011), ``hnsw`` walks a graph of
neighbours (Malkov and Yashunin, 2018). What they propose is scored as the exact search scores; what they miss is
missed, so the share that they find is measured for a sample of the queries, each time.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import no_hits
from hardneg_plugin.search.dense.vector_space import VectorSpace
from hardneg_plugin.search.hits import Hits

KIND = "dense-index"
IndexKind = Literal["exact", "ivf", "hnsw"]
# Raised when a change of the code changes the index of the same vectors.
_VERSION = 1
_FILE = "index.faiss"
_BLOCK = 65_536
# FAISS asks for 39 points per centroid at least; four times the root of the corpus is its advice for the lists.
_POINTS_PER_LIST, _LISTS_PER_ROOT, _VISITED = 64, 4, 16
_LEAST_VISITED = 8
_NEIGHBOURS, _BUILD_BREADTH, _LEAST_BREADTH = 32, 80, 128
_SAMPLE = 200

logger = logging.getLogger(__name__)


class Approximation(NamedTuple):
    """Hits of an approximate search.

    :param hits: As of an exact search; a query for which fewer were found has padding.
    :param recall: Share of the exact hits that were found, over the sample; NaN without queries.
    :param sample: Queries that were searched exactly, too.
    """

    hits: Hits
    recall: float
    sample: int


def approximate_search(
    space: VectorSpace, k: int, kind: IndexKind, key: str, *, memory: int | None = None
) -> Approximation:
    """Search by an index that is built once per corpus, encoder and kind, and kept in the cache.

    :param space: The vectors.
    :param k: Results per query.
    :param kind: ``ivf`` or ``hnsw``.
    :param key: Name of the passages' vectors, see :func:`hardneg_plugin.search.dense.embedding_store.store_key`.
    :param memory: Bytes for the exact search of the sample.
    :raises ParameterError: If FAISS is not installed.
    """
    if find_spec("faiss") is None:
        msg = f"index {kind!r} needs FAISS; install hardneg[cpu] or hardneg[gpu], or take index: exact"
        raise ParameterError(msg)
    import faiss

    name = fingerprint([_VERSION, key, kind, space.similarity])
    folder = build_entry(KIND, name, lambda empty: _build(space, kind, empty))
    index = faiss.read_index(str(folder / _FILE))
    found = min(k, len(space.passages))
    _set_effort(index, kind, found)
    hits = no_hits(len(space.queries), k)
    if not len(space.queries):
        return Approximation(hits, float("nan"), 0)
    every = np.arange(len(space.queries))
    _, rows = index.search(np.ascontiguousarray(space.query_block(every)), found)
    which = np.repeat(every, found)
    scores = np.where(rows < 0, -np.inf, space.exact(which, np.maximum(rows, 0).ravel()).reshape(rows.shape))
    order = np.lexsort((rows, -scores), axis=1)
    best, values = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    hits.rows[:, :found] = best
    hits.scores[:, :found] = np.where(best < 0, np.nan, values)
    return _measured(space, k, hits, kind, memory)


def _measured(space: VectorSpace, k: int, hits: Hits, kind: str, memory: int | None) -> Approximation:
    sample = np.unique(np.linspace(0, len(space.queries) - 1, min(_SAMPLE, len(space.queries))).astype(np.int64))
    exact = nearest(space.of_queries(sample), k, memory=memory)
    wanted = found = 0
    for truth, rows in zip(exact.rows, hits.rows[sample], strict=True):
        truth = truth[truth >= 0]
        wanted += len(truth)
        found += int(np.isin(truth, rows).sum())
    recall = found / wanted
    logger.info("%s: recall %.4f of the exact %d nearest, over %d queries", kind, recall, k, len(sample))
    return Approximation(hits, recall, len(sample))


def _build(space: VectorSpace, kind: IndexKind, folder: Path) -> None:
    import faiss

    dims, count = space.passages.shape[1], len(space.passages)
    metric = faiss.METRIC_L2 if space.similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT
    index: Any
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(dims, _NEIGHBOURS, metric)
        index.hnsw.efConstruction = _BUILD_BREADTH
    else:
        lists = max(min(int(_LISTS_PER_ROOT * count**0.5), count // _POINTS_PER_LIST), 1)
        coarse = (faiss.IndexFlatL2 if space.similarity == "euclidean" else faiss.IndexFlatIP)(dims)
        index = faiss.IndexIVFFlat(coarse, dims, lists, metric)
        size = min(count, lists * _POINTS_PER_LIST)
        points = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
        index.train(np.ascontiguousarray(space.passage_block(points)))
    for start in range(0, count, _BLOCK):
        index.add(np.ascontiguousarray(space.passage_block(slice(start, start + _BLOCK))))
    faiss.write_index(index, str(folder / _FILE))


def _set_effort(index: Any, kind: IndexKind, k: int) -> None:
    if kind == "hnsw":
        index.hnsw.efSearch = max(2 * k, _LEAST_BREADTH)
    else:
        index.nprobe = min(max(index.nlist // _VISITED, _LEAST_VISITED), index.nlist)
