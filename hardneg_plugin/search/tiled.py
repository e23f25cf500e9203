"""Exact search over large corpora at the speed of a matrix product, within a given memory.

Tiles of passages meet all queries. A product in low precision says for each pair what its score is at least and at
most; what may belong to a query's best is computed and stays in its pool, from which the others are cleared out
whenever it is full. At the end the pool is scored as every search here scores. Hits are therefore those of
:func:`hardneg_plugin.search.dense.exact_search`, to the last bit, whatever the product.

Where a product is too coarse for a query, or more passages tie than a pool can hold, the query is searched again by
the next product, which is more precise, and at last without a pool.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import no_hits, search_exactly
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.matrix_products import ROWS, Product, inverse
from hardneg_plugin.search.product_choice import products
from hardneg_plugin.search.threads import Threads
from hardneg_plugin.search.vector_space import VectorSpace

logger = logging.getLogger(__name__)

MEMORY = 256_000_000
"""Bytes that a search works in where none are named."""
# A tile is at most this many passages, and a product at most this many queries: the product then stays in the cache.
_TILE, _QUERIES = 2048, 1024
_LEAST_TILE, _LEAST_QUERIES = 512, 128
_POOL, _LEAST_POOL = 4, 512
_POOL_ENTRY = 12


class Search(NamedTuple):
    """What a search found, and how.

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
    space: VectorSpace, k: int, *, memory: int | None = None, by: Sequence[Product] | None = None
) -> Search:
    """Find the ``k`` most similar passages of every query.

    :param space: The vectors.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param memory: Bytes to work in, beside the vectors and the hits; None is 256 MB.
    :param by: The products, coarsest first; None takes those that were measured to be the fastest here.
    :returns: The hits, and how many queries needed more than the first product.
    :raises ParameterError: If not even one block of queries fits into ``memory``.
    """
    by = by or products()
    hits = no_hits(len(space.queries), k)
    found = min(k, len(space.passages))
    left = np.arange(len(space.queries))
    again = 0
    for number, product in enumerate(by):
        again = again if number == 0 else max(again, len(left))
        if len(left):
            left = _search(space, left, found, hits, product, memory)
    if len(left):
        search_exactly(space, left, found, hits)
    if again or len(left):
        logger.debug("%d queries searched again more precisely, %d of them without a pool", again, len(left))
    return Search(hits, by[0].name, again, len(left))


def _search(
    space: VectorSpace, queries: NDArray[np.int64], k: int, hits: Hits, product: Product, memory: int | None
) -> NDArray[np.int64]:
    """Fill in the hits of some queries; returns those that have too many near ties for a pool."""
    sizes = _sizes(space, len(queries), k, product, memory or MEMORY)
    left = [np.zeros(0, np.int64)]
    with Threads() as threads:
        for start in range(0, len(queries), sizes.group):
            group = queries[start : start + sizes.group]
            left.append(group[_search_group(space, group, k, hits, product, sizes, threads)])
    return np.concatenate(left)


def _search_group(
    space: VectorSpace,
    group: NDArray[np.int64],
    k: int,
    hits: Hits,
    product: Product,
    sizes: _Sizes,
    threads: Threads,
) -> NDArray[np.bool_]:
    """Search some queries; returns a mask of those without hits."""
    from hardneg_plugin.search.pool_kernels import Asked, clear_all, collect

    vectors = np.ascontiguousarray(space.queries[group], np.float32)
    units = product.units(vectors, space.query_lengths[group], threads)
    asked = Asked(
        lengths=_compared(space, space.query_lengths[group]),
        errors=units.errors,
        summing=product.summing(vectors.shape[1]),
        output=product.output,
        euclidean=space.similarity == "euclidean",
        scales=units.scales,
        vectors=vectors[:0] if product.name == "float32" else vectors,
        factors=_factors(space, space.query_lengths[group]),
    )
    pool = _pool(len(group), sizes.pool, threads.count)
    room = product.room(sizes.queries + ROWS, sizes.tile + ROWS)
    for start in range(0, len(space.passages), sizes.tile):
        tile_units, tile = _tile(space, start, sizes.tile, product, threads)
        for first in range(0, len(group), sizes.queries):
            rows = min(sizes.queries, len(group) - first)
            bits = product.multiply(units.matrix[first : first + -(-rows // ROWS) * ROWS], tile_units, room)
            filled = tile._replace(bits=bits)
            threads.run(rows, lambda a, b, thread: collect(filled, asked, pool, first, a, b, k, thread))  # noqa: B023
    threads.run(len(group), lambda a, b, thread: clear_all(pool, a, b, k, thread))
    _fill(space, group, k, hits, pool, threads)
    mask: NDArray[np.bool_] = pool.counts < 0
    return mask


def _pool(queries: int, capacity: int, threads: int) -> Any:
    from hardneg_plugin.search.pool_kernels import Pool

    shape = (queries, capacity)
    return Pool(
        rows=np.empty(shape, np.uint32),
        low=np.empty(shape, np.float32),
        high=np.empty(shape, np.float32),
        counts=np.zeros(queries, np.int64),
        computed=np.zeros(queries, np.int64),
        best=np.full(queries, -np.inf),
        scratch=np.empty((threads, capacity), np.float32),
    )


def _tile(space: VectorSpace, start: int, size: int, product: Product, threads: Threads) -> tuple[Any, Any]:
    """Return the unit vectors of a tile, in as many rows as a whole tile has chunks, and the tile without products."""
    from hardneg_plugin.search.pool_kernels import Tile

    part = slice(start, min(start + size, len(space.passages)))
    vectors = np.ascontiguousarray(np.asarray(space.passages[part]), np.float32)
    exact = space.passage_lengths[part]
    units = product.units(vectors, exact, threads)
    lengths = _compared(space, exact)
    tile = Tile(
        bits=None,
        first_row=start,
        columns=len(exact),
        lengths=lengths,
        errors=units.errors,
        extremes=np.array([lengths.min(), lengths.max(), units.errors.max()]),
        scales=units.scales,
        vectors=vectors,
        factors=_factors(space, exact),
    )
    return units.matrix, tile


def _compared(space: VectorSpace, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lengths as the similarity counts them."""
    return np.ones(len(lengths)) if space.similarity == "cosine" else lengths


def _factors(space: VectorSpace, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a product of vectors is multiplied by for its score."""
    return inverse(lengths) if space.similarity == "cosine" else np.ones(len(lengths))


def _fill(space: VectorSpace, group: NDArray[np.int64], k: int, hits: Hits, pool: Any, threads: Threads) -> None:
    """Score the pools exactly, and write the best of each."""
    from hardneg_plugin.search.vector_kernels import rank

    counts = np.maximum(pool.counts, 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = pool.rows[np.arange(pool.rows.shape[1]) < counts[:, None]].astype(np.int64)
    scores = space.exact(np.repeat(group, counts), rows)
    best = no_hits(len(group), k)
    threads.run(len(group), lambda a, b, _: rank(scores, rows, offsets, a, b, best.rows, best.scores))
    hits.rows[group, :k], hits.scores[group, :k] = best.rows, best.scores


def _sizes(space: VectorSpace, queries: int, k: int, product: Product, memory: int) -> _Sizes:
    """Choose blocks that fit into the memory."""
    dims = space.queries.shape[1]
    pool = max(_POOL * k, _LEAST_POOL)
    # A query's pool, its unit vector, and at the end rows, scores and numbers of what its pool holds.
    each = pool * _POOL_ENTRY + dims * (product.itemsize + 4) + 28 * min(pool, 2 * k) + 96
    tile, block = _TILE, min(_QUERIES, max(_LEAST_QUERIES, queries))
    while (fixed := _tile_bytes(dims, tile, block, product)) + each * block > memory:
        if tile > _LEAST_TILE:
            tile //= 2
        elif block > _LEAST_QUERIES:
            block //= 2
        else:
            msg = f"memory: a search of {dims} dimensions needs at least {fixed + each * block:,} bytes, got {memory:,}"
            raise ParameterError(msg)
    return _Sizes(tile, block, pool, max((memory - fixed) // each, block))


def _tile_bytes(dims: int, tile: int, queries: int, product: Product) -> int:
    """Return the bytes of a tile: the vectors as read and as multiplied, and the products."""
    return tile * (dims * (4 + product.itemsize) + 48) + queries * tile * product.result_size
