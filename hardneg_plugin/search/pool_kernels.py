"""Pools of what may belong to the best passages of each query; compiled by numba, to be imported inside a function.

A product in low precision says what a score is at least and at most. A score that may reach a query's best is then
computed in double precision on the spot, while its vector is in the cache; so bounds need not be narrow to be useful.

Indices are unsigned where a loop must be vectorised: for signed ones numba checks whether they are negative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

# Scores that are compared at once.
CHUNK = 64
# Relative room for what rounding a bound to single precision may take from it, and the same for tiny numbers.
_ROUNDING, _TINY = 2.0**-22, 2.0**-140
# Rounding a score to single precision, with room: in units of the score, and of the squares of both lengths.
_SCORE_ROUNDING, _SQUARE_ROUNDING, _LEAST_LENGTH = 2.0**-22, 2.0**-21, 2.0**-120
# Scores are cosines: this lies below and above all of them.
_LOWEST, _HIGHEST = -2.0, 2.0
# Rounding a sum in double precision, for each dimension.
_SUMMING = 2.0**-52
# Scores that may be computed for a query before its bounds count as too wide: some pools full, and then one in so many.
_FREE_POOLS, _ONE_IN = 8, 32


class Tile(NamedTuple):
    """Products of a block of queries and a tile of passages, and what bounds their error.

    :param bits: Approximate cosines, shape ``(queries, columns)``: the bits of float32, or the upper half of them; with
        scales, the products of whole numbers.
    :param first_row: Row of the corpus of the first column.
    :param columns: Passages of the tile; further columns are padding.
    :param lengths: Lengths of the passages, 1 for cosine; shape ``(columns,)``.
    :param errors: Distance of each passage's unit vector from the one that was multiplied; same shape.
    :param extremes: Least and largest length, largest error.
    :param scales: What one stands for in the whole numbers of each passage, shape of a row of ``bits``; or empty.
    :param vectors: The passages, shape ``(columns, dimensions)``.
    :param factors: What brings products of ``vectors`` into the scale of ``lengths``; shape ``(columns,)``.
    """

    bits: Any
    first_row: int
    columns: int
    lengths: Any
    errors: Any
    extremes: Any
    scales: Any
    vectors: Any
    factors: Any


class Asked(NamedTuple):
    """The queries of a search.

    :param lengths: Lengths, 1 for cosine; shape ``(queries,)``.
    :param errors: Distance of each unit vector from the one that was multiplied; same shape.
    :param summing: Error of adding up a product, relative to the vectors' lengths.
    :param output: Relative error of rounding a product.
    :param euclidean: Whether the score is a distance.
    :param scales: What one stands for in the whole numbers of each query; or empty.
    :param vectors: The queries, shape ``(queries, dimensions)``; empty where the product is as exact as need be.
    :param factors: What brings products of ``vectors`` into the scale of ``lengths``; shape ``(queries,)``.
    """

    lengths: Any
    errors: Any
    summing: float
    output: float
    euclidean: bool
    scales: Any
    vectors: Any
    factors: Any


class Pool(NamedTuple):
    """What may belong to the best of each query.

    :param rows: Rows of the corpus, shape ``(queries, capacity)``.
    :param low: What each scores at least, in the scale that is compared; same shape.
    :param high: What each scores at most; same shape.
    :param counts: Entries of each query; -1 when there were too many to hold.
    :param computed: Scores that were computed for each query.
    :param best: What the ``k``-th best scores at least, shape ``(queries,)``.
    :param scratch: Shape ``(threads, capacity)``.
    """

    rows: Any
    low: Any
    high: Any
    counts: Any
    computed: Any
    best: Any
    scratch: Any


@numba.njit(nogil=True, cache=True, error_model="numpy")
def collect(tile: Tile, asked: Asked, pool: Pool, first: int, start: int, end: int, k: int, thread: int) -> None:
    """Add to the pools of some queries what a tile may have of their best.

    :param first: Query of the first row of the products.
    :param start: First row of the products.
    :param end: Where they end.
    :param k: Results per query.
    :param thread: Number of this thread.
    """
    lanes = np.uint64(CHUNK)
    for line in range(np.uint64(start), np.uint64(end)):
        query = np.uint64(first) + line
        if pool.counts[query] < 0:
            continue
        bits = tile.bits[line]
        level = _level(tile, asked, query, pool.best[query])
        for column in range(np.uint64(0), np.uint64(bits.shape[0]), lanes):
            if _reaches(tile, bits, column, level):
                last = min(column + lanes, np.uint64(tile.columns))
                if _take(tile, asked, pool, query, bits, level, column, last, k, thread):
                    if pool.counts[query] < 0:
                        break
                    level = _level(tile, asked, query, pool.best[query])
        if pool.computed[query] > _FREE_POOLS * pool.rows.shape[1] + (tile.first_row + tile.columns) // _ONE_IN:
            pool.counts[query] = -1


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _reaches(tile: Tile, bits: Any, column: Any, level: float) -> bool:
    """Tell whether one of the chunk's numbers is at least the level.

    Bits of positive numbers are in order as integers, those of negative ones the other way round.
    """
    lanes = np.uint64(CHUNK)
    found = False
    if tile.scales.shape[0] > 0:
        least = np.float32(level)
        for lane in range(np.uint64(0), lanes):
            found |= np.float32(bits[column + lane]) * tile.scales[column + lane] >= least
        return found
    limit = bits.dtype.type(level)
    if level >= 0:
        for lane in range(np.uint64(0), lanes):
            found |= bits[column + lane] >= limit
    else:
        for lane in range(np.uint64(0), lanes):
            number = bits[column + lane]
            found |= (number >= 0) | (number <= limit)
    return found


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _level(tile: Tile, asked: Asked, query: Any, best: float) -> float:
    """Return the least product that may still belong to the best, rounded down: its bits, or what scaled ones reach."""
    scale = asked.lengths[query] * (2.0 if asked.euclidean else 1.0)
    shortest, longest, error = tile.extremes[0], tile.extremes[1], tile.extremes[2]
    level = best
    if asked.euclidean:
        level -= _SQUARE_ROUNDING * (asked.lengths[query] + longest + _LEAST_LENGTH) ** 2
        at = min(max(np.sqrt(max(level, 0.0)), shortest), longest)
        level += at * at
    else:
        level -= _TINY
        at = longest if level > 0 else shortest
    cosine = level / (scale * at) if scale * at > 0 else (_LOWEST if level <= 0 else _HIGHEST)
    cosine -= error + asked.errors[query] * (1 + error) + asked.summing + _SCORE_ROUNDING
    cosine = cosine / (1 + asked.output) if cosine > 0 else cosine / (1 - asked.output)
    cosine = min(max(cosine, _LOWEST), _HIGHEST)
    if tile.scales.shape[0] > 0:
        return (cosine - abs(cosine) * _ROUNDING) / asked.scales[query]
    return np.float64(_bits_below(cosine, tile.bits))


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _bits_below(number: float, bits: Any) -> Any:
    """Return a number's bits in the type of ``bits``, rounded down; zero is the negative one."""
    lower = np.float32(number - abs(number) * _ROUNDING - _TINY)
    whole = np.float32(lower).view(np.int32)
    if bits.itemsize == 4:
        return np.int64(whole)
    # Cutting bits off brings a number nearer to zero: down for a positive one, up for a negative one.
    cut = whole >> np.int32(16)
    if whole < 0 and (whole & np.int32(0xFFFF)) != 0:
        cut += 1
    return np.int64(cut)


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _take(
    tile: Tile, asked: Asked, pool: Pool, query: Any, bits: Any, level: float, start: Any, end: Any, k: int, thread: int
) -> bool:
    """Add what a chunk has; tells whether the query's pool was cleared out."""
    length, error = asked.lengths[query], asked.errors[query]
    cleared = False
    best = pool.best[query]
    for column in range(start, end):
        if _is_below(tile, bits, column, level):
            continue
        cosine = _cosine(tile, asked, query, bits, column)
        off = error + tile.errors[column] * (1 + error) + asked.summing + asked.output * abs(cosine)
        value, off = _scored(tile, asked, query, column, length * tile.lengths[column] * cosine, off)
        if value + off < best:
            continue
        if asked.vectors.shape[0] > 0:
            pool.computed[query] += 1
            exact = _dot(asked.vectors[query], tile.vectors[column]) * asked.factors[query] * tile.factors[column]
            value, off = _scored(tile, asked, query, column, exact, (asked.vectors.shape[1] + 16) * _SUMMING)
            if value + off < best:
                continue
        low, high = value - off, value + off
        count = pool.counts[query]
        pool.rows[query, count] = tile.first_row + column
        pool.low[query, count] = np.float32(low - abs(low) * _ROUNDING - _TINY)
        pool.high[query, count] = np.float32(high + abs(high) * _ROUNDING + _TINY)
        pool.counts[query] = count + 1
        if count + 1 == pool.rows.shape[1]:
            clear(pool, query, k, thread)
            cleared = True
            if pool.counts[query] < 0:
                return True
            best = pool.best[query]
    return cleared


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _is_below(tile: Tile, bits: Any, column: Any, level: float) -> bool:
    """Tell whether a number is below the level; see :func:`_reaches`."""
    number = bits[column]
    if tile.scales.shape[0] > 0:
        return np.float32(number) * tile.scales[column] < np.float32(level)
    limit = bits.dtype.type(level)
    if level >= 0:
        return number < limit
    return limit < number < 0


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _cosine(tile: Tile, asked: Asked, query: Any, bits: Any, column: Any) -> float:
    """Return the approximate cosine that a number stands for."""
    if tile.scales.shape[0] > 0:
        return np.float64(bits[column]) * tile.scales[column] * asked.scales[query]
    shift = np.int32(16 if bits.itemsize == 2 else 0)
    return np.float64(np.int32(np.int32(bits[column]) << shift).view(np.float32))


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _scored(tile: Tile, asked: Asked, query: Any, column: Any, product: float, off: float) -> Any:
    """Return a score in the scale that is compared, and how far off it is.

    :param product: The product of the vectors.
    :param off: How far it is off, relative to their lengths.
    """
    length, other = asked.lengths[query], tile.lengths[column]
    if asked.euclidean:
        rounding = _SQUARE_ROUNDING * (length + other + _LEAST_LENGTH) ** 2
        return 2 * product - other * other, 2 * length * other * off + rounding
    return product, length * other * (off + _SCORE_ROUNDING) + _TINY


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _dot(left: Any, right: Any) -> float:
    """Multiply two vectors in double precision."""
    total = 0.0
    for column in range(np.uint64(0), np.uint64(left.shape[0])):
        total += np.float64(left[column]) * np.float64(right[column])
    return total


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def clear(pool: Pool, query: Any, k: int, thread: int) -> None:
    """Keep what may belong to the ``k`` best; where that is most of a full pool, the query is given up."""
    count = pool.counts[query]
    if count < k:
        return
    scratch = pool.scratch[thread, :count]
    scratch[:] = pool.low[query, :count]
    best = np.partition(scratch, count - k)[count - k]
    pool.best[query] = max(best, pool.best[query])
    kept = 0
    for place in range(count):
        if pool.high[query, place] >= pool.best[query]:
            pool.rows[query, kept] = pool.rows[query, place]
            pool.low[query, kept] = pool.low[query, place]
            pool.high[query, kept] = pool.high[query, place]
            kept += 1
    full = count == pool.rows.shape[1]
    pool.counts[query] = -1 if full and 4 * kept > 3 * count else kept


@numba.njit(nogil=True, cache=True, error_model="numpy")
def clear_all(pool: Pool, start: int, end: int, k: int, thread: int) -> None:
    """Keep of each pool what may belong to the ``k`` best."""
    for query in range(np.uint64(start), np.uint64(end)):
        if pool.counts[query] > 0:
            clear(pool, query, k, thread)
            pool.counts[query] = pool.counts[query]
