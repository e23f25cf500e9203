"""Queries and passages as vectors, and the similarity between them, scored exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.threads import Threads

Similarity = Literal["cosine", "dot", "euclidean"]
Vectors = NDArray[np.float32]

# Pairs scored at once in float64; their vectors should stay in the cache of the processor.
_PAIR_BLOCK = 256
# Numbers in pairs above which loops are compiled: that takes a second in the first process of a machine.
_COMPILED_FROM = 1 << 23
# Vectors that do not lie in memory are read this many at a time.
_ROWS_AT_ONCE = 8_192
# The inverse of a shorter vector's length overflows float32.
_LARGEST_SCALE = 1e36
# What the products of one dimension may lose near zero, where float32 has no more digits.
_UNDERFLOW = 2.0**-148
# Squares of longer vectors overflow float32.
_LONGEST = 1e18


class VectorRows(Protocol):
    """Vectors that need not lie in memory: what is used of an array of shape ``(rows, dimensions)``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(rows, dimensions)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> Vectors: ...


class VectorSpace(NamedTuple):
    """Vectors with their lengths (float64), and the similarity between them."""

    queries: Vectors | VectorRows
    passages: Vectors | VectorRows
    query_lengths: NDArray[np.float64]
    passage_lengths: NDArray[np.float64]
    similarity: Similarity

    @classmethod
    def of(cls, queries: Vectors | VectorRows, passages: Vectors | VectorRows, similarity: Similarity) -> VectorSpace:
        """Check vectors and measure their lengths.

        :param queries: Query vectors, shape ``(queries, dimensions)``.
        :param passages: Passage vectors, shape ``(passages, dimensions)``.
        :param similarity: ``"cosine"`` (a zero vector has similarity 0 to everything), ``"dot"``, or ``"euclidean"``
            (the negative distance, as sentence-transformers has it).
        :raises ParameterError: For shapes that do not fit, another similarity, or vectors with NaN, infinite or huge
            values.
        """
        known_similarity(similarity)
        if len(queries.shape) != 2 or len(passages.shape) != 2 or queries.shape[1] != passages.shape[1]:
            msg = f"expected queries (n, d) and passages (m, d), got shapes {queries.shape} and {passages.shape}"
            raise ParameterError(msg)
        # Stored vectors never change: they are measured once for all searches among them.
        known = getattr(passages, "lengths", None)
        passage_lengths = measured_lengths(passages, "passage") if known is None else known
        return cls(queries, passages, measured_lengths(queries, "query"), passage_lengths, similarity)

    def of_queries(self, rows: NDArray[np.int64]) -> VectorSpace:
        """Return the space of some of the queries."""
        return self._replace(queries=self.queries[rows], query_lengths=self.query_lengths[rows])

    def query_block(self, rows: slice | NDArray[np.int64]) -> Vectors:
        """Return queries for a product: of length 1 for ``cosine``, as they are otherwise."""
        return self._scaled(self.queries[rows], self.query_lengths[rows])

    def passage_block(self, rows: slice | NDArray[np.int64]) -> Vectors:
        """Return passages for a product: of length 1 for ``cosine``, as they are otherwise."""
        return self._scaled(self.passages[rows], self.passage_lengths[rows])

    def _scaled(self, vectors: Vectors, lengths: NDArray[np.float64]) -> Vectors:
        if self.similarity != "cosine":
            return vectors
        inverse: NDArray[np.float64] = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        if inverse.max(initial=0) < _LARGEST_SCALE:
            return vectors * inverse.astype(np.float32)[:, None]
        scaled: Vectors = (vectors * inverse[:, None]).astype(np.float32)
        return scaled

    def approximate(self, block: NDArray[np.int64], rows: slice) -> Vectors:
        """Proposal scores, shape ``(block, rows)``: the similarity, or for ``euclidean`` its negative square."""
        scores: Vectors = self.query_block(block) @ self.passage_block(rows).T
        if self.similarity == "euclidean":
            scores *= 2
            scores -= np.square(self.query_lengths[block]).astype(np.float32)[:, None]
            scores -= np.square(self.passage_lengths[rows]).astype(np.float32)
        return scores

    def slack(self, block: NDArray[np.int64]) -> NDArray[np.float64]:
        """Twice the largest rounding error of a proposal score, per query.

        A dot product of length d summed in any order is off by at most about ``d * 2**-24 * |q| * |p|``
        (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1); the constant 16 covers the few
        further operations on either side.
        """
        unit = (self.queries.shape[1] + 16) * 2.0**-23
        longest, lost = self.passage_lengths.max(), (self.queries.shape[1] + 16) * _UNDERFLOW
        if self.similarity == "cosine":
            return np.full(len(block), unit)
        if self.similarity == "dot":
            return np.asarray(unit * self.query_lengths[block] * longest) + lost
        return np.asarray(unit * np.square(self.query_lengths[block] + longest)) + 2 * lost

    def proposal_of(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Similarities in the scale of :meth:`approximate`."""
        exact = scores.astype(np.float64)
        return -np.square(exact) if self.similarity == "euclidean" else exact

    def exact(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> Vectors:
        """Score pairs in float64, rounded to float32; shape ``(pairs,)``."""
        scores = np.empty(len(rows), dtype=np.float32)
        if len(rows) * self.queries.shape[1] >= _COMPILED_FROM:
            self._exact_compiled(queries, rows, scores)
            return scores
        for start in range(0, len(rows), _PAIR_BLOCK):
            part = slice(start, start + _PAIR_BLOCK)
            scores[part] = self._exact_part(queries[part], rows[part])
        return scores

    def score_pairs(self, queries: NDArray[np.int64], passages: NDArray[np.int64]) -> Vectors:
        """Score pairs of a query and a passage, each exactly as a search scores it.

        :param queries: Row of each pair's query, shape ``(pairs,)``.
        :param passages: Row of each pair's passage, same shape.
        :returns: Similarities, same shape; larger is better.
        """
        # By passage, so that vectors on disk are read in their order.
        order = np.argsort(passages, kind="stable")
        scores = np.empty(len(passages), dtype=np.float32)
        scores[order] = self.exact(queries[order], passages[order])
        return scores

    def _exact_compiled(self, queries: NDArray[np.int64], rows: NDArray[np.int64], scores: Vectors) -> None:
        """As :meth:`exact`, to the last bit, by compiled loops on all processors."""
        from hardneg_plugin.search.dense.vector_kernels import products

        euclidean = self.similarity == "euclidean"
        with Threads() as threads:
            for pairs, vectors, first in _blocks(self.passages, rows):
                which, others = queries[pairs], rows[pairs] - first
                left = self.queries
                if not isinstance(left, np.ndarray):
                    which, numbers = np.unique(which, return_inverse=True)
                    left, which = self.queries[which], numbers
                sums = np.empty(len(which))
                threads.run(len(which), lambda a, b, _: products(left, vectors, which, others, a, b, euclidean, sums))  # noqa: B023
                scores[pairs] = -np.sqrt(sums) if euclidean else self._similarities(sums, queries[pairs], rows[pairs])

    def _similarities(
        self, dots: NDArray[np.float64], queries: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if self.similarity == "cosine":
            lengths = self.query_lengths[queries] * self.passage_lengths[rows]
            return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
        return dots

    def _exact_part(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        left, right = self.queries[queries].astype(np.float64), self.passages[rows].astype(np.float64)
        if self.similarity == "euclidean":
            return np.asarray(-np.sqrt(np.square(left - right).sum(axis=1)))
        # Not einsum or matmul: a sum along the rows adds in an order that depends on nothing but their length.
        return self._similarities((left * right).sum(axis=1), queries, rows)


def known_similarity(name: str) -> Similarity:
    """Return the name of a similarity.

    :raises ParameterError: If it is none that can be searched, such as ``"manhattan"``.
    """
    for similarity in get_args(Similarity):
        if similarity == name:
            return similarity  # type: ignore[no-any-return]
    msg = f"similarity must be one of {', '.join(get_args(Similarity))}, got {name!r}"
    raise ParameterError(msg)


def measured_lengths(vectors: Vectors | VectorRows, what: str) -> NDArray[np.float64]:
    """Return the length of each vector.

    :raises ParameterError: If a vector has NaN, infinite or huge values; it is told as the row of a ``what`` vector.
    """
    lengths = np.empty(len(vectors), dtype=np.float64)
    if len(vectors) * vectors.shape[1] >= _COMPILED_FROM:
        _lengths_compiled(vectors, lengths)
    else:
        for start in range(0, len(vectors), _PAIR_BLOCK):
            part = vectors[start : start + _PAIR_BLOCK].astype(np.float64)
            lengths[start : start + _PAIR_BLOCK] = np.sqrt(np.square(part).sum(axis=1))
    broken = np.flatnonzero(~(lengths < _LONGEST))
    if len(broken):
        msg = f"{len(broken)} {what} vectors hold NaN, infinite or huge values, the first is row {broken[0]}"
        raise ParameterError(msg)
    return lengths


def _lengths_compiled(vectors: Vectors | VectorRows, lengths: NDArray[np.float64]) -> None:
    from hardneg_plugin.search.dense.vector_kernels import products

    with Threads() as threads:
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            part = _plain(vectors[start : start + _ROWS_AT_ONCE])
            own, sums = np.arange(len(part)), np.empty(len(part))
            threads.run(len(part), lambda a, b, _: products(part, part, own, own, a, b, False, sums))  # noqa: B023
            lengths[start : start + len(part)] = np.sqrt(sums)


def passage_blocks(vectors: Vectors | VectorRows, rows: NDArray[Any]) -> Iterator[tuple[Vectors, int]]:
    """Yield the parts of the vectors that hold some of the rows, in their order, each with its first row."""
    if _in_memory(vectors):
        yield _plain(vectors[:]), 0
        return
    for number in np.flatnonzero(np.bincount(rows // _ROWS_AT_ONCE)).tolist():
        first = number * _ROWS_AT_ONCE
        yield _plain(vectors[first : first + _ROWS_AT_ONCE]), first


def _in_memory(vectors: Vectors | VectorRows) -> bool:
    return isinstance(vectors, np.ndarray) and not isinstance(vectors, np.memmap)


def _blocks(
    vectors: Vectors | VectorRows, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64] | slice, Vectors, int]]:
    """Yield which of the rows lie in a part of the vectors, that part, and its first row."""
    if _in_memory(vectors):
        yield slice(None), _plain(vectors[:]), 0
        return
    order = np.argsort(rows)
    starts = np.arange(0, len(vectors), _ROWS_AT_ONCE)
    bounds = np.append(np.searchsorted(rows[order], starts), len(rows))
    for start, first, last in zip(starts.tolist(), bounds[:-1], bounds[1:], strict=True):
        if first < last:
            yield order[first:last], _plain(vectors[start : start + _ROWS_AT_ONCE]), start


def _plain(vectors: Vectors) -> Vectors:
    """Return vectors in the one type that loops are compiled for."""
    return np.ascontiguousarray(np.asarray(vectors), dtype=np.float32)
