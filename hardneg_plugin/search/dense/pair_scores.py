"""Scores of given pairs of query and passage by one model, whatever search found the pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense.search import Encoder, encode, similarity_of
from hardneg_plugin.search.dense.vector_space import VectorRows, Vectors, VectorSpace

Ints = NDArray[np.int64]
# Vectors of passages in memory at once: 30 MB at 768 dimensions.
_TEXT_BLOCK = 10_000


def score_pairs(
    model: Encoder,
    queries: Sequence[str],
    passages: Callable[[Ints], list[str]],
    pairs: tuple[Ints, Ints],
    batch_size: int = 32,
    stored: VectorRows | None = None,
) -> Vectors:
    """Score pairs by the model's own similarity; every text is encoded once, passages 10,000 at a time.

    :param model: A ``SentenceTransformer``.
    :param queries: Texts of the queries; their vectors are held as a whole.
    :param passages: Returns the texts of some passages by their numbers.
    :param pairs: Numbers of queries and numbers of passages, each of shape ``(pairs,)``.
    :param batch_size: Texts per forward pass.
    :param stored: Vectors of the passages 0, 1, … that were encoded before; only the others are.
    :returns: Shape ``(pairs,)``: cosine, dot product or negative euclidean distance, larger is better.
    :raises ParameterError: If the model's similarity is none of these, or a vector holds NaN or infinite values.
    """
    similarity = similarity_of(model)
    scores = np.full(len(pairs[0]), np.nan, dtype=np.float32)
    if not len(scores):
        return scores
    query_numbers, query = np.unique(pairs[0], return_inverse=True)
    vectors = encode(model, [queries[number] for number in query_numbers], kind="query", batch_size=batch_size)
    numbers, passage = np.unique(pairs[1], return_inverse=True)
    by_passage = np.argsort(passage, kind="stable")
    for start in range(0, len(numbers), _TEXT_BLOCK):
        first, last = np.searchsorted(passage[by_passage], [start, start + _TEXT_BLOCK])
        block = by_passage[first:last]
        some = _vectors(model, passages, numbers[start : start + _TEXT_BLOCK], batch_size, stored)
        space = VectorSpace.of(vectors, some, similarity)
        scores[block] = space.score_pairs(query[block], passage[block] - start)
    return scores


def _vectors(
    model: Encoder, passages: Callable[[Ints], list[str]], numbers: Ints, batch_size: int, stored: VectorRows | None
) -> Vectors:
    """Return the vectors of passages by their numbers, in ascending order."""
    first, last = (0, 0) if stored is None else np.searchsorted(numbers, [0, len(stored)]).tolist()
    before, after = numbers[:first], numbers[last:]
    parts = [encode(model, passages(before), kind="passage", batch_size=batch_size)] if len(before) else []
    if stored is not None and first < last:
        parts.append(stored[numbers[first:last]])
    if len(after):
        parts.append(encode(model, passages(after), kind="passage", batch_size=batch_size))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
