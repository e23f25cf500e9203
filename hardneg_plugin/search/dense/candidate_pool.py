"""Data of the blocked search: tiles of products, query batches and candidate pools."""

from __future__ import annotations

from typing import Any, NamedTuple


class Tile(NamedTuple):
    """Products of a block of queries and a tile of passages, and what bounds their error.

    :param bits: Approximate cosines, shape ``(queries, columns)``: the bits of float32, or the upper half of them; with
        scales, the products of whole numbers.
    :param first_row: Row of the corpus of the first column.
    :param traits: Of each passage, in this order: its length, 1 for cosine; the distance of its unit vector from the
        one that was multiplied; what one stands for in its whole numbers; what brings a product with it into the scale
        of the lengths. Shape ``(passages, 4)``; further columns of ``bits`` are padding.
    :param extremes: Least and largest length, largest error.
    :param scales: What one stands for in the whole numbers of each passage, shape of a row of ``bits``; or empty.
    :param vectors: The passages, shape ``(passages, dimensions)``.
    """

    bits: Any
    first_row: int
    traits: Any
    extremes: Any
    scales: Any
    vectors: Any


class QueryBatch(NamedTuple):
    """The queries of a search.

    :param traits: Of each query, shape ``(queries, 4)``.
    :param accumulation_error: Error of adding up a product, relative to the vectors' lengths.
    :param output: Relative error of rounding a product.
    :param euclidean: Whether the score is a distance.
    :param vectors: The queries, shape ``(queries, dimensions)``; empty where the product is as exact as need be.
    :param single: Whether scores that may count are computed in single precision, or else in double.
    """

    traits: Any
    accumulation_error: float
    output: float
    euclidean: bool
    vectors: Any
    single: bool


class CandidatePool(NamedTuple):
    """Candidates for the top k of each query.

    :param rows: Rows of the corpus, shape ``(queries, capacity)``.
    :param low: What each scores at least, in the scale that is compared; same shape.
    :param high: What each scores at most; same shape.
    :param counts: Entries of each query; -1 when there were too many to hold.
    :param clear_at: Entries of each query at which its pool is cleared out next.
    :param computed: Scores that were computed for each query.
    :param best: What the ``k``-th best scores at least, shape ``(queries,)``; to begin with, ``guess``.
    :param guess: What it was guessed to score at least, to be confirmed at the end; same shape.
    :param scratch: Shape ``(threads, capacity)``.
    :param columns: Shape ``(threads, columns of a tile)``.
    """

    rows: Any
    low: Any
    high: Any
    counts: Any
    clear_at: Any
    computed: Any
    best: Any
    guess: Any
    scratch: Any
    columns: Any
