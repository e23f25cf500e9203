"""Postings on disk from a stream of numbered terms, in memory that does not grow with the corpus.

The arrays are those of bm25s (Lù, 2024): a weight and a row for each term of each passage, by term and row, in the
files and the format that ``bm25s.BM25.load`` reads. They come from a counting sort: terms are counted while they stream
by; then each range of terms is filled from the stream and written. What the search wants to know of each term
beforehand lies beside them.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.threads import processors

DATA_FILE, INDICES_FILE, INDPTR_FILE = "data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy"
VOCABULARY_FILE, PARAMETERS_FILE = "vocab.index.json", "params.index.json"
MAXIMA_FILE, STEPS_FILE, TABLES_FILE, SHIFTS_FILE = "maxima.npy", "steps.npy", "step_tables.npy", "step_shifts.npy"

METHOD = "lucene"
# Postings that one thread fills at a time: 8 bytes each.
_PART = 24_000_000
# A term in fewer passages has no steps: a search by halves is as fast.
_FEWEST_FOR_STEPS = 64
_POSTINGS_PER_STEP = 8
_WIDEST_SHIFT = 40


class _Batch(NamedTuple):
    first_row: int
    offset: int
    postings: int
    lengths: NDArray[np.int32]
    different: NDArray[np.int32]


class IndexBuilder:
    """Takes passages as numbered terms, in row order, and leaves an index in a folder.

    :param folder: Empty folder for the index; holds the stream while it is being built.
    :param compiled: Use compiled loops, which pay from some ten thousand passages on.
    """

    def __init__(self, folder: Path, *, compiled: bool) -> None:
        self._folder = folder
        self._compiled = compiled
        self._batches: list[_Batch] = []
        self._rows = 0
        self._postings = 0
        self._holding = np.zeros(0, np.int64)
        self._last_seen = np.zeros(0, np.int64)
        self._place_of = np.zeros(0, np.int64)
        self._streams = [folder / "terms.stream", folder / "counts.stream"]
        for stream in self._streams:
            stream.touch()

    def add(self, ids: NDArray[np.int32], lengths: NDArray[np.int32], vocabulary: int) -> None:
        """Take the next passages.

        :param ids: Terms of all passages, in reading order.
        :param lengths: Terms of each passage.
        :param vocabulary: Terms numbered so far; all of ``ids`` are below.
        """
        self._grow(vocabulary)
        terms, counts, different = (self._count if self._compiled else self._count_plainly)(ids, lengths)
        self._holding += np.bincount(terms, minlength=len(self._holding))
        for stream, values in zip(self._streams, (terms, counts), strict=True):
            with stream.open("ab") as file:
                values.tofile(file)
        self._batches.append(_Batch(self._rows, self._postings, len(terms), lengths, different))
        self._rows += len(lengths)
        self._postings += len(terms)

    def finish(self, vocabulary: dict[str, int], k1: float, b: float) -> None:
        """Write the index.

        :param vocabulary: Number of each term.
        :param k1: Term saturation.
        :param b: Length normalisation.
        """
        self.write_arrays(len(vocabulary), k1, b)
        self._describe(vocabulary, k1, b)

    def write_arrays(self, terms: int, k1: float, b: float) -> None:
        """Write the index of so many terms but for its vocabulary and parameters; see :meth:`finish`."""
        holding = self._holding[:terms]
        indptr = np.concatenate([[0], np.cumsum(holding)]).astype(np.int64)
        np.save(self._folder / INDPTR_FILE, indptr)
        shifts = _shifts(holding, self._rows)
        sizes = np.where(holding >= _FEWEST_FOR_STEPS, (self._rows >> shifts) + 2, 0)
        tables = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        np.save(self._folder / TABLES_FILE, tables)
        np.save(self._folder / SHIFTS_FILE, shifts.astype(np.uint8))
        files = [
            _ArrayFile(self._folder / DATA_FILE, np.dtype(np.float32), int(indptr[-1])),
            _ArrayFile(self._folder / INDICES_FILE, np.dtype(np.int32), int(indptr[-1])),
            _ArrayFile(self._folder / MAXIMA_FILE, np.dtype(np.float32), len(holding)),
            _ArrayFile(self._folder / STEPS_FILE, np.dtype(np.int32), int(tables[-1])),
        ]
        mean = float(np.concatenate([batch.lengths for batch in self._batches]).mean())
        fill = partial(
            self._fill,
            indptr=indptr,
            tables=tables,
            shifts=shifts,
            idf=_idf(holding, self._rows),
            norms=partial(_norms, k1=k1, b=b, mean=mean),
            files=files,
        )
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(fill, _ranges(indptr, min(_PART, int(indptr[-1]) // processors() + 1))))
        for stream in self._streams:
            stream.unlink()

    def _grow(self, vocabulary: int) -> None:
        missing = vocabulary - len(self._holding)
        if missing > 0:
            more = max(missing, len(self._holding) // 2)
            self._holding = np.concatenate([self._holding, np.zeros(more, np.int64)])
            self._last_seen = np.concatenate([self._last_seen, np.full(more, -1, np.int64)])
            self._place_of = np.concatenate([self._place_of, np.zeros(more, np.int64)])

    def _count(self, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        from hardneg_plugin.search.bm25.build_kernels import count

        terms, counts, different = np.empty_like(ids), np.empty_like(ids), lengths.copy()
        filled = count(ids, different, self._place_of, self._last_seen, self._rows, terms, counts)
        return terms[:filled], counts[:filled], different

    def _count_plainly(self, ids: NDArray[np.int32], lengths: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        width = len(self._holding)
        keys = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths) * width + ids
        found, counts = np.unique(keys, return_counts=True)
        passages, terms = np.divmod(found, max(width, 1))
        different = np.bincount(passages, minlength=len(lengths)).astype(np.int32)
        return terms.astype(np.int32), counts.astype(np.int32), different

    def _fill(
        self,
        span: tuple[int, int],
        *,
        indptr: NDArray[np.int64],
        tables: NDArray[np.int64],
        shifts: NDArray[np.int64],
        idf: NDArray[np.float32],
        norms: Any,
        files: list[_ArrayFile],
    ) -> None:
        """Fill the postings of a range of terms and write them."""
        low, high = span
        bounds = indptr[low : high + 1] - indptr[low]
        data, indices = np.empty(bounds[-1], np.float32), np.empty(bounds[-1], np.int32)
        heads = bounds[:-1].copy()
        place = self._kernel("place", _place_plainly)
        for batch in self._batches:
            terms, counts = (_read(stream, batch) for stream in self._streams)
            place(
                terms,
                counts,
                batch.different,
                norms(batch.lengths),
                idf,
                batch.first_row,
                low,
                high,
                heads,
                data,
                indices,
            )
        steps_of = tables[low : high + 1] - tables[low]
        maxima, steps = np.empty(high - low, np.float32), np.empty(steps_of[-1], np.int32)
        describe = self._kernel("describe", _describe_plainly)
        describe(data, indices, bounds, steps_of, shifts[low:high], maxima, steps)
        offsets = (indptr[low], indptr[low], low, tables[low])
        for file, values, offset in zip(files, (data, indices, maxima, steps), offsets, strict=True):
            file.write(values, int(offset))

    def _kernel(self, name: str, plain: Any) -> Any:
        if not self._compiled:
            return plain
        from hardneg_plugin.search.bm25 import build_kernels as bm25_build_kernels

        return getattr(bm25_build_kernels, name)

    def _describe(self, vocabulary: dict[str, int], k1: float, b: float) -> None:
        (self._folder / VOCABULARY_FILE).write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
        parameters = {
            "k1": k1,
            "b": b,
            "delta": 0.5,
            "method": METHOD,
            "idf_method": METHOD,
            "dtype": "float32",
            "int_dtype": "int32",
            "num_docs": self._rows,
            "version": "0.3.9",
            "backend": "numpy",
        }
        (self._folder / PARAMETERS_FILE).write_text(json.dumps(parameters), "utf-8")


class _ArrayFile:
    """A one-dimensional array in numpy's format, written in pieces by several threads."""

    def __init__(self, path: Path, dtype: np.dtype[Any], size: int) -> None:
        self._path = path
        self._item = dtype.itemsize
        with path.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (size,)}
            np.lib.format.write_array_header_1_0(file, header)
            self._start = file.tell()
            file.truncate(self._start + size * self._item)

    def write(self, values: NDArray[Any], offset: int) -> None:
        with self._path.open("r+b") as file:
            file.seek(self._start + offset * self._item)
            values.tofile(file)


def _read(stream: Path, batch: _Batch) -> NDArray[np.int32]:
    return np.fromfile(stream, np.int32, batch.postings, offset=batch.offset * 4)


def _ranges(indptr: NDArray[np.int64], postings: int) -> list[tuple[int, int]]:
    """Cut the terms into ranges of about so many postings; a term stays whole."""
    ranges, low, terms = [], 0, len(indptr) - 1
    while low < terms:
        high = int(np.searchsorted(indptr, indptr[low] + postings, side="right")) - 1
        high = min(max(high, low + 1), terms)
        ranges.append((low, high))
        low = high
    return ranges


def _shifts(holding: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Return for each term the power of two of rows in which it has some eight postings in the mean."""
    wanted = _POSTINGS_PER_STEP * rows / np.maximum(holding, 1)
    return np.clip(np.ceil(np.log2(np.maximum(wanted, 1))), 0, _WIDEST_SHIFT).astype(np.int64)


def _idf(holding: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
    """Return Lucene's inverse document frequency of each term."""
    distinct = np.flatnonzero(np.bincount(holding))
    values = np.zeros(int(holding.max(initial=0)) + 1, np.float32)
    values[distinct] = [math.log(1 + (rows - number + 0.5) / (number + 0.5)) for number in distinct.tolist()]
    return values[holding]


def _norms(lengths: NDArray[np.int32], *, k1: float, b: float, mean: float) -> NDArray[np.float64]:
    return np.asarray(k1 * ((1 - b) + b * lengths / mean), np.float64)


def _place_plainly(
    terms: NDArray[np.int32],
    counts: NDArray[np.int32],
    different: NDArray[np.int32],
    norms: NDArray[np.float64],
    idf: NDArray[np.float32],
    first_row: int,
    low: int,
    high: int,
    heads: NDArray[np.int64],
    data: NDArray[np.float32],
    indices: NDArray[np.int32],
) -> None:
    """Do what the compiled ``place`` does, by sorting."""
    passages = np.repeat(np.arange(len(different)), different)
    chosen = np.flatnonzero((terms >= low) & (terms < high))
    chosen = chosen[np.argsort(terms[chosen], kind="stable")]
    own, held = np.unique(terms[chosen], return_counts=True)
    first = np.repeat(np.cumsum(held) - held, held)
    targets = heads[terms[chosen] - low] + np.arange(len(chosen)) - first
    data[targets] = idf[terms[chosen]] * (counts[chosen] / (norms[passages[chosen]] + counts[chosen]))
    indices[targets] = first_row + passages[chosen]
    heads[own - low] += held


def _describe_plainly(
    data: NDArray[np.float32],
    indices: NDArray[np.int32],
    bounds: NDArray[np.int64],
    tables: NDArray[np.int64],
    shifts: NDArray[np.int64],
    maxima: NDArray[np.float32],
    steps: NDArray[np.int32],
) -> None:
    """Do what the compiled ``describe`` does, term by term."""
    for term in range(len(bounds) - 1):
        begin, end = bounds[term], bounds[term + 1]
        maxima[term] = data[begin:end].max(initial=0)
        at = np.arange(tables[term + 1] - tables[term], dtype=np.int64) << shifts[term]
        steps[tables[term] : tables[term + 1]] = np.searchsorted(indices[begin:end], at)
