"""Dense retrieval: encode texts, and find the nearest passages exactly.

The search is exhaustive and exact. A float32 matrix product proposes: whatever lies within its own rounding error of
the k-th best passage is a candidate. The candidates are then scored one by one in float64 and rounded to float32.
Scores and ranking therefore depend neither on block sizes nor on threads or the BLAS in use, and two identical vectors
always tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.hits import Hits

Similarity = Literal["cosine", "dot", "euclidean"]
Kind = Literal["query", "passage"]
Vectors = NDArray[np.float32]

# 256 x 32,768 products are 32 MB: the product runs near full speed, and few passages are candidates more than once.
_QUERY_BLOCK = 256
_PASSAGE_BLOCK = 32_768
# Pairs scored at once in float64; their vectors should stay in the cache of the processor.
_PAIR_BLOCK = 256
# Texts held in memory at once while a corpus is encoded.
_TEXT_BLOCK = 10_000
# Squares of longer vectors overflow float32.
_LONGEST = 1e18


class Encoder(Protocol):
    """What is used of a ``SentenceTransformer``."""

    @property
    def similarity_fn_name(self) -> str:
        """Name of the similarity that the model was trained for."""

    def encode_query(self, inputs: list[str], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Encode queries to an array of shape ``(texts, dimensions)``."""

    def encode_document(self, inputs: list[str], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Encode passages to an array of shape ``(texts, dimensions)``."""


def similarity_of(model: Encoder) -> Similarity:
    """Return the similarity that a model declares itself.

    :param model: A ``SentenceTransformer``; one that declares nothing says ``"cosine"``.
    :returns: The name that :func:`exact_search` takes.
    :raises ParameterError: For a similarity that cannot be searched, such as ``"manhattan"``.
    """
    return _known(str(model.similarity_fn_name))


def encode(model: Encoder, texts: Sequence[str], *, kind: Kind, batch_size: int = 32) -> Vectors:
    """Encode texts with the prompts and modules that the model keeps for queries or for passages.

    :param model: A ``SentenceTransformer``.
    :param texts: At least one text.
    :param kind: ``"query"`` or ``"passage"``.
    :param batch_size: Texts per forward pass.
    :returns: Vectors as the model makes them, not normalised; shape ``(texts, dimensions)``.
    :raises ParameterError: Without texts, for another ``kind``, or when the model yields another number of vectors.
    """
    if kind not in get_args(Kind):
        msg = f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}"
        raise ParameterError(msg)
    if len(texts) == 0:
        msg = "encode needs at least one text, got none"
        raise ParameterError(msg)
    encode_texts = model.encode_query if kind == "query" else model.encode_document
    vectors = np.asarray(encode_texts(list(texts), batch_size=batch_size, show_progress_bar=False), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        msg = f"the model must give one vector per text: expected ({len(texts)}, dimensions), got {vectors.shape}"
        raise ParameterError(msg)
    return vectors


def encode_corpus(model: Encoder, texts: Iterable[str], count: int, *, batch_size: int = 32) -> Vectors:
    """Encode the passages of a corpus, a block of texts at a time.

    :param model: A ``SentenceTransformer``.
    :param texts: The passages in the order of their rows; read once, never held as a whole.
    :param count: Number of passages, so that the array is allocated once.
    :param batch_size: Texts per forward pass.
    :returns: Vectors of shape ``(count, dimensions)``.
    :raises ParameterError: When there are not exactly ``count`` passages, or none.
    """
    remaining = iter(texts)
    vectors: Vectors | None = None
    done = 0
    while block := list(islice(remaining, _TEXT_BLOCK)):
        encoded = encode(model, block, kind="passage", batch_size=batch_size)
        if vectors is None:
            vectors = np.empty((count, encoded.shape[1]), dtype=np.float32)
        if done + len(block) <= count:
            vectors[done : done + len(block)] = encoded
        done += len(block)
    if vectors is None or done != count:
        msg = f"expected {count} passages to encode (at least one), got {done}"
        raise ParameterError(msg)
    return vectors


def exact_search(queries: Vectors, passages: Vectors, k: int, similarity: Similarity) -> Hits:
    """Find the ``k`` most similar passages of every query by exhaustive search.

    :param queries: Query vectors, shape ``(queries, dimensions)``.
    :param passages: Passage vectors, shape ``(passages, dimensions)``.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param similarity: ``"cosine"`` (a zero vector has similarity 0 to everything), ``"dot"``, or ``"euclidean"``
        (the negative distance, as sentence-transformers has it).
    :returns: Hits in the unit of the similarity, larger is better; equal float32 scores in ascending row order.
    :raises ParameterError: For shapes that do not fit, ``k`` below 1, or vectors with NaN, infinite or huge values.
    """
    _known(similarity)
    _check_shapes(queries, passages, k)
    space = _Space(queries, passages, _lengths(queries, "query"), _lengths(passages, "passage"), similarity)
    hits = Hits(
        np.full((len(queries), k), -1, dtype=np.int64),
        np.full((len(queries), k), np.nan, dtype=np.float32),
    )
    found = min(k, len(passages))
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = np.arange(start, min(start + _QUERY_BLOCK, len(queries)))
        best = _search_block(space, block, found)
        hits.rows[block, :found], hits.scores[block, :found] = best.rows, best.scores
    return hits


class _Space(NamedTuple):
    """Vectors with their lengths (float64), and the similarity between them."""

    queries: Vectors
    passages: Vectors
    query_lengths: NDArray[np.float64]
    passage_lengths: NDArray[np.float64]
    similarity: Similarity

    def approximate(self, block: NDArray[np.int64], rows: slice) -> Vectors:
        """Proposal scores, shape ``(block, rows)``: the similarity, or for ``euclidean`` its negative square."""
        queries, passages = self.queries[block], self.passages[rows]
        if self.similarity == "cosine":
            queries = queries * _inverse(self.query_lengths[block])[:, None]
            passages = passages * _inverse(self.passage_lengths[rows])[:, None]
        scores: Vectors = queries @ passages.T
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
        longest = self.passage_lengths.max()
        if self.similarity == "cosine":
            return np.full(len(block), unit)
        if self.similarity == "dot":
            return np.asarray(unit * self.query_lengths[block] * longest)
        return np.asarray(unit * np.square(self.query_lengths[block] + longest))

    def proposal_of(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Similarities in the scale of :meth:`approximate`."""
        exact = scores.astype(np.float64)
        return -np.square(exact) if self.similarity == "euclidean" else exact

    def exact(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> Vectors:
        """Score pairs in float64, rounded to float32; shape ``(pairs,)``."""
        scores = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), _PAIR_BLOCK):
            part = slice(start, start + _PAIR_BLOCK)
            scores[part] = self._exact_part(queries[part], rows[part])
        return scores

    def _exact_part(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        left, right = self.queries[queries].astype(np.float64), self.passages[rows].astype(np.float64)
        if self.similarity == "euclidean":
            return np.asarray(-np.sqrt(np.square(left - right).sum(axis=1)))
        # Not einsum or matmul: a sum along the rows adds in an order that depends on nothing but their length.
        dots: NDArray[np.float64] = (left * right).sum(axis=1)
        if self.similarity == "cosine":
            lengths = self.query_lengths[queries] * self.passage_lengths[rows]
            return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
        return dots


def _search_block(space: _Space, block: NDArray[np.int64], k: int) -> Hits:
    """Search one block of queries; ``k`` is at most the number of passages."""
    best = Hits(np.empty((len(block), 0), dtype=np.int64), np.empty((len(block), 0), dtype=np.float32))
    slack = space.slack(block)
    for start in range(0, len(space.passages), _PASSAGE_BLOCK):
        proposals = space.approximate(block, slice(start, start + _PASSAGE_BLOCK))
        if best.rows.shape[1] == k:
            kth = space.proposal_of(best.scores[:, -1])
        elif proposals.shape[1] > k:
            kth = np.partition(proposals, -k, axis=1)[:, -k].astype(np.float64)
        else:
            kth = np.full(len(block), -np.inf)
        # Rounding the threshold to float32 may only lower it.
        threshold = np.nextafter((kth - slack).astype(np.float32), np.float32(-np.inf))
        # Five times as fast as np.nonzero in two dimensions.
        which, columns = np.divmod(np.flatnonzero(proposals >= threshold[:, None]), proposals.shape[1])
        rows = columns + start
        best = _merge(best, which, rows, space.exact(block[which], rows), k)
    return best


def _merge(best: Hits, which: NDArray[np.int64], rows: NDArray[np.int64], scores: Vectors, k: int) -> Hits:
    """Merge candidates, sorted by query and row, into the best so far.

    Candidates have higher rows than anything found before, so a stable sort by score leaves ties in row order.
    """
    counts = np.bincount(which, minlength=len(best.rows))
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(best.rows), int(counts.max()))
    new = Hits(np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32))
    new.rows[which, place], new.scores[which, place] = rows, scores
    all_rows = np.concatenate([best.rows, new.rows], axis=1)
    all_scores = np.concatenate([best.scores, new.scores], axis=1)
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    return Hits(np.take_along_axis(all_rows, order, axis=1), np.take_along_axis(all_scores, order, axis=1))


def _inverse(lengths: NDArray[np.float64]) -> NDArray[np.float32]:
    inverse: NDArray[np.float64] = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverse.astype(np.float32)


def _lengths(vectors: Vectors, what: str) -> NDArray[np.float64]:
    lengths = np.empty(len(vectors), dtype=np.float64)
    for start in range(0, len(vectors), _PAIR_BLOCK):
        part = vectors[start : start + _PAIR_BLOCK].astype(np.float64)
        lengths[start : start + _PAIR_BLOCK] = np.sqrt(np.square(part).sum(axis=1))
    broken = np.flatnonzero(~(lengths < _LONGEST))
    if len(broken):
        msg = f"{len(broken)} {what} vectors hold NaN, infinite or huge values, the first is row {broken[0]}"
        raise ParameterError(msg)
    return lengths


def _check_shapes(queries: Vectors, passages: Vectors, k: int) -> None:
    if queries.ndim != 2 or passages.ndim != 2 or queries.shape[1] != passages.shape[1]:
        msg = f"expected queries (n, d) and passages (m, d), got shapes {queries.shape} and {passages.shape}"
        raise ParameterError(msg)
    if len(passages) == 0:
        msg = "the search needs at least one passage, got none"
        raise ParameterError(msg)
    if k < 1:
        msg = f"k must be at least 1, got {k}"
        raise ParameterError(msg)


def _known(name: str) -> Similarity:
    for similarity in get_args(Similarity):
        if similarity == name:
            return similarity  # type: ignore[no-any-return]
    msg = f"similarity must be one of {', '.join(get_args(Similarity))}, got {name!r}"
    raise ParameterError(msg)
