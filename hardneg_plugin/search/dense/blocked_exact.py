"""Exact search over large corpora at the speed of a matrix product, within a given memory.

Tiles of passages meet all queries. A product in low precision says for each pair what its score is at least and at
most; what may belong to a query's best is computed and stays in its pool, from which the others are cleared out
whenever it is full. What the best of a large corpus will score is first guessed from a sample, with room to spare, and
confirmed at the end. The pool is then scored as every search here scores. Hits are therefore those of
:func:`hardneg_plugin.search.dense.search.exact_search`, to the last bit, whatever the product.

Where a guess was wrong, a product is too coarse for a query, or more passages tie than a pool can hold, the query is
searched again by the next product, which is more precise, and at last without a pool.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense.candidate_pool import CandidatePool, QueryBatch, Tile
from hardneg_plugin.search.dense.gemm import ROWS, GemmBackend, UnitVectors, inverse
from hardneg_plugin.search.dense.gemm_autotune import gemm_backends
from hardneg_plugin.search.dense.rescore import rescore_topk
from hardneg_plugin.search.dense.search import no_hits, search_exactly
from hardneg_plugin.search.dense.vector_space import VectorSpace
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.threads import Threads, processors

logger = logging.getLogger(__name__)

MEMORY = 256_000_000
"""Bytes that a search works in where none are named."""
# Passages in a product, and how few of them and of its queries there may be for want of memory; as few queries as are
# enough are taken before a tile is made smaller, and before a thread's share of all queries would be less than a block.
_TILE, _LEAST_TILE, _ENOUGH_QUERIES, _LEAST_QUERIES = 2048, 512, 256, 128
_POOL, _LEAST_POOL = 4, 512
_POOL_ENTRY = 16
# Tiles from which on a sample of one pays, and what a guess leaves for chance: one in many thousands is too high.
_SAMPLE_OF, _DEVIATIONS = 8, 4.0
# Products of vectors shorter than this may vanish in single precision.
_SHORT = 2.0**-40


class Search(NamedTuple):
    """Hits of a search, and how they were found.

    :param hits: The hits.
    :param product: Name of the product that was taken first.
    :param again: Queries that were searched again by a more precise product.
    :param unpooled: Queries that were searched without a pool at last.
    """

    hits: Hits
    product: str
    again: int
    unpooled: int


class _Sizes(NamedTuple):
    """Passages in a tile, queries in a product, entries in a pool, queries whose pools are held at once."""

    tile: int
    queries: int
    pool: int
    group: int


def tiled_search(
    space: VectorSpace, k: int, *, memory: int | None = None, by: Sequence[GemmBackend] | None = None
) -> Search:
    """Find the ``k`` most similar passages of every query.

    :param space: The vectors.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param memory: Bytes to work in, beside the vectors and the hits; None is 256 MB.
    :param by: The products, coarsest first; None takes those that were measured to be the fastest here.
    :returns: The hits, and how many queries needed more than the first product.
    :raises ParameterError: If not even one block of queries fits into ``memory``.
    """
    by = by or gemm_backends()
    hits = no_hits(len(space.queries), k)
    found = min(k, len(space.passages))
    left = np.arange(len(space.queries))
    again = 0
    for number, product in enumerate(by):
        again = again if number == 0 else max(again, len(left))
        if len(left):
            left = _search(space, left, found, hits, product, memory, guessing=number == 0)
    if len(left):
        search_exactly(space, left, found, hits)
    if again or len(left):
        logger.debug("%d queries searched again more precisely, %d of them without a pool", again, len(left))
    return Search(hits, by[0].name, again, len(left))


def _search(
    space: VectorSpace,
    queries: NDArray[np.int64],
    k: int,
    hits: Hits,
    product: GemmBackend,
    memory: int | None,
    *,
    guessing: bool,
) -> NDArray[np.int64]:
    """Fill in the hits of some queries; returns those that have too many near ties for a pool, or too high a guess."""
    sizes = _sizes(space, k, product, memory or MEMORY)
    left = [np.zeros(0, np.int64)]
    with Threads(products=True) as threads:
        for start in range(0, len(queries), sizes.group):
            group = queries[start : start + sizes.group]
            left.append(group[_search_group(space, group, k, hits, product, sizes, threads, guessing)])
    return np.concatenate(left)


def _search_group(
    space: VectorSpace,
    group: NDArray[np.int64],
    k: int,
    hits: Hits,
    product: GemmBackend,
    sizes: _Sizes,
    threads: Threads,
    guessing: bool,
) -> NDArray[np.bool_]:
    """Search some queries; returns a mask of those without hits."""
    from hardneg_plugin.search.dense.candidate_pool_kernels import clear_all, collect, guess

    queries, asked = _asked(space, group, product, threads)
    pool = _pool(len(group), k, sizes, threads.count)
    rooms = [product.workspace(sizes.queries, sizes.tile) for _ in range(threads.count)]

    def with_products(matrix: Any, tile: Tile, loop: Callable[..., None], number: int) -> None:
        def multiply(start: int, end: int, thread: int) -> None:
            # Pieces of the same size: a small one at the end would take longer than its share.
            pieces = -(-(end - start) // sizes.queries)
            bounds = [start + (end - start) * piece // pieces for piece in range(pieces + 1)]
            for first, last in pairwise(bounds):
                bits = product.multiply(queries[first : max(last, first + ROWS)], matrix, rooms[thread])
                loop(tile._replace(bits=bits), asked, pool, first, last - first, number, thread)
                # Its room is then free for the next.
                del bits

        threads.run(len(group), multiply)

    count = len(space.passages)
    if guessing and count >= _SAMPLE_OF * sizes.tile:
        sample = np.arange(sizes.tile) * count // sizes.tile
        with_products(*_tile(space, sample, 0, product, threads), guess, _sample_rank(k * sizes.tile / count))
    for start in range(0, count, sizes.tile):
        part = slice(start, min(start + sizes.tile, count))
        with_products(*_tile(space, part, start, product, threads), collect, k)
    threads.run(len(group), lambda a, b, thread: clear_all(pool, a, b, k, thread))
    _fill(space, group, k, hits, pool, threads)
    mask: NDArray[np.bool_] = pool.counts < 0
    return mask


def _asked(
    space: VectorSpace, group: NDArray[np.int64], product: GemmBackend, threads: Threads
) -> tuple[Any, QueryBatch]:
    """Return the unit vectors of some queries, and what else is asked."""
    vectors = np.ascontiguousarray(space.queries[group], np.float32)
    units = product.units(vectors, space.query_lengths[group], threads)
    asked = QueryBatch(
        traits=_traits(space, space.query_lengths[group], units),
        accumulation_error=product.accumulation_error(vectors.shape[1]),
        output=product.output,
        euclidean=space.similarity == "euclidean",
        vectors=vectors[:0] if product.itemsize == vectors.itemsize else vectors,
        single=_single_will_do(space),
    )
    return units.matrix, asked


def _single_will_do(space: VectorSpace) -> bool:
    """Tell whether sums in single precision keep their relative error, and that is little beside the scores."""
    lengths = np.concatenate([space.query_lengths, space.passage_lengths])
    usual = ((lengths >= _SHORT) & (lengths <= 1 / _SHORT)) | (lengths == 0)
    return space.similarity != "euclidean" and bool(usual.all())


def _sample_rank(expected: float) -> int:
    """Return a rank in a sample that the ``k``-th best of all will hardly stand behind.

    :param expected: How many of the ``k`` best a sample has on average; their number is about Poisson's.
    """
    return math.ceil(expected + _DEVIATIONS * (math.sqrt(expected) + 1))


def _pool(queries: int, k: int, sizes: _Sizes, threads: int) -> CandidatePool:
    shape = (queries, sizes.pool)
    return CandidatePool(
        rows=np.empty(shape, np.uint32),
        low=np.empty(shape, np.float32),
        high=np.empty(shape, np.float32),
        counts=np.zeros(queries, np.int64),
        clear_at=np.full(queries, min(2 * k, sizes.pool), np.int64),
        computed=np.zeros(queries, np.int64),
        best=np.full(queries, -np.inf),
        guess=np.full(queries, -np.inf),
        scratch=np.empty((threads, sizes.pool), np.float32),
        columns=np.empty((threads, sizes.tile), np.uint32),
    )


def _tile(
    space: VectorSpace, part: slice | NDArray[np.int64], first_row: int, product: GemmBackend, threads: Threads
) -> tuple[Any, Tile]:
    """Return the unit vectors of a tile, packed for products, and the tile without products."""
    from hardneg_plugin.search.dense.candidate_pool_kernels import LENGTH

    vectors = np.ascontiguousarray(np.asarray(space.passages[part]), np.float32)
    exact = space.passage_lengths[part]
    units = product.units(vectors, exact, threads)
    traits = _traits(space, exact, units)
    tile = Tile(
        bits=None,
        first_row=first_row,
        traits=traits,
        extremes=np.array([traits[:, LENGTH].min(), traits[:, LENGTH].max(), units.errors.max()]),
        scales=units.scales,
        vectors=vectors,
    )
    return product.pack(units.matrix, threads), tile


def _traits(space: VectorSpace, lengths: NDArray[np.float64], units: UnitVectors) -> NDArray[np.float64]:
    """Return what bounds and scores need of vectors: see :mod:`hardneg_plugin.search.dense.candidate_pool`."""
    ones = np.ones(len(lengths))
    scales = units.scales[: len(lengths)] if len(units.scales) else ones
    cosine = space.similarity == "cosine"
    return np.stack([ones if cosine else lengths, units.errors, scales, inverse(lengths) if cosine else ones], axis=1)


def _fill(space: VectorSpace, group: NDArray[np.int64], k: int, hits: Hits, pool: Any, threads: Threads) -> None:
    """Score the pools exactly, and write the best of each."""
    best = rescore_topk(space, group, pool.rows, np.maximum(pool.counts, 0), k, threads)
    hits.rows[group, :k], hits.scores[group, :k] = best.rows, best.scores


def _sizes(space: VectorSpace, k: int, product: GemmBackend, memory: int) -> _Sizes:
    """Choose blocks that fit into the memory."""
    dims = space.queries.shape[1]
    pool = max(_POOL * k, _LEAST_POOL)
    # A query's pool, its vectors, and at the end the rows of what its pool holds.
    each = pool * _POOL_ENTRY + dims * (product.itemsize + 8) + 16 * min(pool, 2 * k) + 96
    tile, block = _TILE, product.queries
    while (fixed := _tile_bytes(dims, tile, block, product)) + each * _queries_at_once(block) > memory:
        if block > _ENOUGH_QUERIES:
            block //= 2
        elif tile > _LEAST_TILE:
            tile //= 2
        elif block > _LEAST_QUERIES:
            block //= 2
        else:
            msg = f"memory: a search of {dims} dimensions needs at least {fixed + each * block:,} bytes, got {memory:,}"
            raise ParameterError(msg)
    return _Sizes(tile, block, pool, max((memory - fixed) // each, block))


def _queries_at_once(block: int) -> int:
    """Return how many queries must be searched for together, so that blocks of this size are filled."""
    return block * processors() if block > _ENOUGH_QUERIES else block


def _tile_bytes(dims: int, tile: int, queries: int, product: GemmBackend) -> int:
    """Return the bytes of a tile: the vectors as read, as units and packed, and each thread's products."""
    rows = queries * processors()
    return tile * (dims * (4 + 2 * product.itemsize) + 48) + rows * tile * product.result_size
