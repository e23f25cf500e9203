"""Exact search over large corpora at the speed of a matrix product, within a given memory.

Tiles of passages meet all queries. A product in low precision says for each pair what its score is at least and at
most; whatever may belong to a query's best stays in its pool, from which the others are cleared out whenever it is
full. At the end the pool is scored in double precision, as every search here scores. Hits are therefore those of
:func:`hardneg_plugin.search.dense.exact_search`, to the last bit, whatever the product.

Where so many passages are as good as tied that a pool cannot hold them, the query is searched again by a product of
higher precision, and at last without a pool.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import no_hits, search_exactly
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.matrix_products import ROWS, Bfloat16Product, Float32Product, Product, fastest_product
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
    :param again: Queries that were searched again by a product in single precision.
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


def tiled_search(space: VectorSpace, k: int, *, memory: int | None = None, product: Product | None = None) -> Search:
    """Find the ``k`` most similar passages of every query.

    :param space: The vectors.
    :param k: Results per query; a smaller corpus leaves padding at the end of each row.
    :param memory: Bytes to work in, beside the vectors and the hits; None is 256 MB.
    :param product: The product to begin with; None is the one that was measured to be the fastest here.
    :returns: The hits, and how many queries needed more than the first product.
    :raises ParameterError: If not even one block of queries fits into ``memory``.
    """
    product = product or fastest_product()
    hits = no_hits(len(space.queries), k)
    found = min(k, len(space.passages))
    queries = np.arange(len(space.queries))
    left = _search(space, queries, found, hits, product, memory)
    again = unpooled = 0
    if len(left) and isinstance(product, Bfloat16Product):
        again = len(left)
        left = _search(space, left, found, hits, Float32Product(), memory)
    if len(left):
        unpooled = len(left)
        search_exactly(space, left, found, hits)
    if again or unpooled:
        logger.debug("%d of %d queries searched again in float32, %d without a pool", again, len(queries), unpooled)
    return Search(hits, product.name, again, unpooled)


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

    units, errors = product.units(space.queries[group], space.query_lengths[group], threads)
    cosine = space.similarity == "cosine"
    lengths = np.ones(len(group)) if cosine else space.query_lengths[group]
    summing = product.summing(space.queries.shape[1])
    asked = Asked(lengths, errors, summing, product.output, space.similarity == "euclidean")
    pool = _pool(len(group), sizes.pool, threads.count)
    room = product.room(sizes.queries + ROWS, sizes.tile + ROWS)
    for start in range(0, len(space.passages), sizes.tile):
        tile_units, tile = _tile(space, start, sizes.tile, product, threads)
        for first in range(0, len(group), sizes.queries):
            rows = min(sizes.queries, len(group) - first)
            bits = product.multiply(units[first : first + -(-rows // ROWS) * ROWS], tile_units, room)
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
        best=np.full(queries, -np.inf),
        scratch=np.empty((threads, capacity), np.float32),
    )


def _tile(space: VectorSpace, start: int, size: int, product: Product, threads: Threads) -> tuple[Any, Any]:
    """Return the unit vectors of a tile, in as many rows as a whole tile has chunks, and the tile without products."""
    from hardneg_plugin.search.pool_kernels import Tile

    part = slice(start, min(start + size, len(space.passages)))
    exact = space.passage_lengths[part]
    units, errors = product.units(space.passages[part], exact, threads)
    lengths = np.ones(len(exact)) if space.similarity == "cosine" else exact
    extremes = np.array([lengths.min(), lengths.max(), errors.max()])
    return units, Tile(None, start, len(exact), lengths, errors, extremes)


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
    each = pool * _POOL_ENTRY + dims * (product.itemsize + 4) + 28 * min(pool, 2 * k) + 64
    tile, block = _TILE, min(_QUERIES, max(_LEAST_QUERIES, queries))
    while (fixed := _tile_bytes(dims, tile, block, product.itemsize)) + each * block > memory:
        if tile > _LEAST_TILE:
            tile //= 2
        elif block > _LEAST_QUERIES:
            block //= 2
        else:
            msg = f"memory: a search of {dims} dimensions needs at least {fixed + each * block:,} bytes, got {memory:,}"
            raise ParameterError(msg)
    return _Sizes(tile, block, pool, max((memory - fixed) // each, block))


def _tile_bytes(dims: int, tile: int, queries: int, itemsize: int) -> int:
    """Return the bytes of a tile: the vectors as read and as multiplied, and the products."""
    return tile * (dims * (4 + itemsize) + 24) + queries * tile * itemsize
