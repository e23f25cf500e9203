"""Dense retrieval: encode texts, and find the nearest passages exactly.

The search is exhaustive and exact. A float32 matrix product proposes: whatever lies within its own rounding error of
the k-th best passage is a candidate. The candidates are then scored one by one in float64 and rounded to float32.
Scores and ranking therefore depend neither on block sizes nor on threads or the BLAS in use, and two identical vectors
always tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense.buffers import empty_vectors
from hardneg_plugin.search.dense.vector_space import Similarity as Similarity
from hardneg_plugin.search.dense.vector_space import VectorRows, VectorSpace, known_similarity
from hardneg_plugin.search.dense.vector_space import Vectors as Vectors
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.models import is_static_embedding

Kind = Literal["query", "passage"]

# 256 x 32,768 products are 32 MB: the product runs near full speed, and few passages are candidates more than once.
_QUERY_BLOCK = 256
_QUERY_BLOCK_ON_DISK = 4096
_PASSAGE_BLOCK = 32_768
# Texts held in memory at once while a corpus is encoded.
_TEXT_BLOCK = 10_000
# A table has no padding to waste: more texts at once only save calls (twice as fast as 32 at a time).
_LOOKED_UP_AT_ONCE = 512


class Encoder(Protocol):
    """The methods of a ``SentenceTransformer`` that the search needs."""

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
    return known_similarity(str(model.similarity_fn_name))


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
    if is_static_embedding(model):
        batch_size = max(batch_size, _LOOKED_UP_AT_ONCE)
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
            vectors = empty_vectors(count, encoded.shape[1])
        if done + len(block) <= count:
            vectors[done : done + len(block)] = encoded
        done += len(block)
    if vectors is None or done != count:
        msg = f"expected {count} passages to encode (at least one), got {done}"
        raise ParameterError(msg)
    return vectors


def exact_search(queries: Vectors | VectorRows, passages: Vectors | VectorRows, k: int, similarity: Similarity) -> Hits:
    """Find the ``k`` most similar passages of every query by exhaustive search.

    :param queries: Query vectors, shape ``(queries, dimensions)``.
    :param passages: Passage vectors, shape ``(passages, dimensions)``.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param similarity: ``"cosine"`` (a zero vector has similarity 0 to everything), ``"dot"``, or ``"euclidean"``
        (the negative distance, as sentence-transformers has it).
    :returns: Hits in the unit of the similarity, larger is better; equal float32 scores in ascending row order.
    :raises ParameterError: For shapes that do not fit, ``k`` below 1, or vectors with NaN, infinite or huge values.
    """
    space = search_space(queries, passages, k, similarity)
    hits = no_hits(len(queries), k)
    search_exactly(space, np.arange(len(queries)), min(k, len(passages)), hits)
    return hits


def search_space(
    queries: Vectors | VectorRows, passages: Vectors | VectorRows, k: int, similarity: Similarity
) -> VectorSpace:
    """Check what a search is given.

    :raises ParameterError: As :func:`exact_search`.
    """
    if len(passages) == 0:
        msg = "the search needs at least one passage, got none"
        raise ParameterError(msg)
    if k < 1:
        msg = f"k must be at least 1, got {k}"
        raise ParameterError(msg)
    return VectorSpace.of(queries, passages, similarity)


def no_hits(queries: int, k: int) -> Hits:
    """Return hits that are padding throughout, to be filled."""
    return Hits(np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), np.nan, dtype=np.float32))


def search_exactly(space: VectorSpace, queries: NDArray[np.int64], found: int, hits: Hits) -> None:
    """Fill in the hits of some queries.

    :param space: The vectors.
    :param queries: Rows of the queries to search for.
    :param found: Passages per query, at most as many as there are.
    :param hits: Hits of all queries.
    """
    # Every block of queries reads all passages: from disk, few large blocks cost less than many small ones.
    size = _QUERY_BLOCK_ON_DISK if isinstance(space.passages, np.memmap) else _QUERY_BLOCK
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        best = _search_block(space, block, found)
        hits.rows[block, :found], hits.scores[block, :found] = best.rows, best.scores


def _search_block(space: VectorSpace, block: NDArray[np.int64], k: int) -> Hits:
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
    position = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(best.rows), int(counts.max()))
    new = Hits(np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32))
    new.rows[which, position], new.scores[which, position] = rows, scores
    all_rows = np.concatenate([best.rows, new.rows], axis=1)
    all_scores = np.concatenate([best.scores, new.scores], axis=1)
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    return Hits(np.take_along_axis(all_rows, order, axis=1), np.take_along_axis(all_scores, order, axis=1))
