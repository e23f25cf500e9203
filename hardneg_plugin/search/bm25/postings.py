"""Search in the postings of an index: compiled loops for large corpora, numpy for small ones, the same hits."""

from __future__ import annotations

import json
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.bm25 import build as files
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import processors

BLOCK = 1 << 16
"""Rows of the largest block: its accumulator of 256 KiB stays in a core's second-level cache."""
# Queries that go through a block before the next one: enough that postings of frequent terms are met in the cache.
_QUERIES = 512
# Memory of one thread for the best passages of these, in keys of 8 bytes.
_POOLED = 4_000_000
_LOW_BITS = np.uint64(0xFFFFFFFF)
_ROW_BITS = np.uint64(32)


class _Queries(NamedTuple):
    """Terms of a batch of queries, each once, in the order in which their weights are added up."""

    terms: NDArray[np.int64]
    weights: NDArray[np.float32]
    bounds: NDArray[np.int64]


class Postings:
    """The arrays of an index, memory-mapped.

    :param folder: Folder that :class:`hardneg_plugin.search.bm25.build.IndexBuilder` wrote.
    :param rows: Passages of the corpus.
    :param compiled: Use compiled loops; compiling takes seconds where numba's cache on disk is empty.
    """

    def __init__(self, folder: Path, rows: int, *, compiled: bool) -> None:
        self.vocabulary: dict[str, int] = json.loads((folder / files.VOCABULARY_FILE).read_text("utf-8"))
        self._rows = rows
        self._compiled = compiled
        names = [files.DATA_FILE, files.INDICES_FILE, files.INDPTR_FILE, files.MAXIMA_FILE]
        names += [files.STEPS_FILE, files.TABLES_FILE, files.SHIFTS_FILE]
        self._arrays = [np.load(folder / name, mmap_mode="r").view(np.ndarray) for name in names]
        self._data, self._indices, self._indptr, self._maxima = self._arrays[:4]

    def search(self, queries: Sequence[Sequence[int]], k: int) -> Hits:
        """Return the best ``k`` passages of each query; of equal scores the lowest rows are found and come first.

        :param queries: Numbers of the terms of each query; one that stands there twice counts twice.
        :param k: At least 1 and at most the passages of the corpus.
        :returns: Hits of shape ``(queries, k)``, with BM25 scores above 0.
        """
        prepared = self._prepare(queries)
        rows = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        run = self._compiled_batches if self._compiled else self._plain_batches
        run(prepared, k, rows, scores)
        return Hits(rows, scores)

    def _prepare(self, queries: Sequence[Sequence[int]]) -> _Queries:
        """Count equal terms together; sort those of each query by the most that they can add."""
        lengths = np.fromiter(map(len, queries), np.int64, len(queries))
        flat = np.fromiter(chain.from_iterable(queries), np.int64, int(lengths.sum()))
        width = len(self._maxima)
        keys, counts = np.unique(np.repeat(np.arange(len(queries)), lengths) * width + flat, return_counts=True)
        own, terms = np.divmod(keys, width)
        weights = counts.astype(np.float32)
        order = np.lexsort((terms, -(weights * self._maxima[terms]), own))
        bounds = np.searchsorted(own, np.arange(len(queries) + 1))
        return _Queries(terms[order], weights[order], bounds)

    def _plain_batches(self, queries: _Queries, k: int, rows: NDArray[Any], scores: NDArray[Any]) -> None:
        sums = np.zeros(self._rows, np.float32)
        for number in range(len(rows)):
            span = range(queries.bounds[number], queries.bounds[number + 1])
            for place in span:
                begin, end = self._indptr[queries.terms[place] : queries.terms[place] + 2]
                sums[self._indices[begin:end]] += queries.weights[place] * self._data[begin:end]
            found = np.flatnonzero(sums)
            keys = (sums[found].view(np.uint32).astype(np.uint64) << _ROW_BITS) | (_LOW_BITS - found.astype(np.uint64))
            sums[found] = 0
            best = np.zeros((1, k), np.uint64)
            keys = np.partition(keys, -k)[-k:] if len(keys) > k else keys
            best[0, : len(keys)] = keys
            _read_keys(best, rows[number : number + 1], scores[number : number + 1])

    def _compiled_batches(self, queries: _Queries, k: int, rows: NDArray[Any], scores: NDArray[Any]) -> None:
        from hardneg_plugin.search.bm25 import primitive_kernels as bm25_loops
        from hardneg_plugin.search.bm25 import search_kernels as bm25_kernels

        threads = processors()
        capacity = k + min(3 * k, BLOCK) + 256
        size = max(1, min(_QUERIES, _POOLED // capacity, -(-len(rows) // threads)))
        starts = range(0, len(rows), size)
        ends = [min(start + size, len(rows)) for start in starts]
        counts = (int(queries.bounds[end] - queries.bounds[start]) for start, end in zip(starts, ends, strict=True))
        most = max(counts, default=0)
        index = bm25_loops.PostingArrays(*self._arrays)
        step = 1 << bm25_loops.BLOCK_BITS
        free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(min(threads, len(ends))):
            free.put(bm25_loops.Work(*_memory(min(BLOCK, -(-self._rows // step) * step), size, capacity, most)))

        def run(start: int, end: int) -> None:
            keys = np.zeros((end - start, k), np.uint64)
            bounds = queries.bounds[start : end + 1]
            own = slice(bounds[0], bounds[-1])
            # Given back whatever happens, or the other batches would wait for it.
            work = free.get()
            try:
                bm25_kernels.search(
                    index, queries.terms[own], queries.weights[own], bounds - bounds[0], k, self._rows, work, keys
                )
            finally:
                free.put(work)
            _read_keys(keys, rows[start:end], scores[start:end])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, starts, ends))


def _memory(block: int, queries: int, capacity: int, terms: int) -> tuple[NDArray[Any], ...]:
    """Return the memory of one thread, in the order of the fields of ``bm25_loops.Work``."""
    from hardneg_plugin.search.bm25.topk_kernels import BINS

    bits = np.zeros(1, np.uint32)
    scores = np.empty(block, np.float32)
    return (
        np.zeros(block, np.float32),
        np.empty(block, np.int32),
        scores,
        scores.view(np.uint32),
        np.empty(block, np.int64),
        np.empty(BINS, np.int32),
        bits,
        bits.view(np.float32),
        np.empty((terms, 6), np.int64),
        np.empty(terms, np.float32),
        np.empty((queries, capacity), np.uint64),
        np.empty(queries, np.uint64),
        np.empty((queries, 3), np.float32),
        np.empty((queries, 2), np.int64),
    )


def _read_keys(keys: NDArray[np.uint64], rows: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
    """Sort the keys of each query, best first, and write out what they say; 0 is padding."""
    keys.sort(axis=1)
    best = keys[:, ::-1]
    rows[:] = np.where(best > 0, (_LOW_BITS - (best & _LOW_BITS)).astype(np.int64), -1)
    scores[:] = np.where(best > 0, (best >> _ROW_BITS).astype(np.uint32).view(np.float32), np.nan)
