"""Pools of what may belong to the best passages of each query; compiled by numba, to be imported inside a function.

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


class Tile(NamedTuple):
    """Products of a block of queries and a tile of passages, and what bounds their error.

    :param bits: Approximate cosines, shape ``(queries, columns)``: the bits of float32, or the upper half of them.
    :param first_row: Row of the corpus of the first column.
    :param columns: Passages of the tile; further columns are padding.
    :param lengths: Lengths of the passages, 1 for cosine; shape ``(columns,)``.
    :param errors: Distance of each passage's unit vector from the one that was multiplied; same shape.
    :param extremes: Least and largest length, largest error.
    """

    bits: Any
    first_row: int
    columns: int
    lengths: Any
    errors: Any
    extremes: Any


class Asked(NamedTuple):
    """The queries of a search.

    :param lengths: Lengths, 1 for cosine; shape ``(queries,)``.
    :param errors: Distance of each unit vector from the one that was multiplied; same shape.
    :param summing: Error of adding up a product, relative to the vectors' lengths.
    :param output: Relative error of rounding a product.
    :param euclidean: Whether the score is a distance.
    """

    lengths: Any
    errors: Any
    summing: float
    output: float
    euclidean: bool


class Pool(NamedTuple):
    """What may belong to the best of each query.

    :param rows: Rows of the corpus, shape ``(queries, capacity)``.
    :param low: What each scores at least, in the scale that is compared; same shape.
    :param high: What each scores at most; same shape.
    :param counts: Entries of each query; -1 when there were too many to hold.
    :param best: What the ``k``-th best scores at least, shape ``(queries,)``.
    :param scratch: Shape ``(threads, capacity)``.
    """

    rows: Any
    low: Any
    high: Any
    counts: Any
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
        floor = _floor(tile, asked, query, pool.best[query])
        for column in range(np.uint64(0), np.uint64(bits.shape[0]), lanes):
            if _reaches(bits, column, floor):
                last = min(column + lanes, np.uint64(tile.columns))
                if _take(tile, asked, pool, query, bits, floor, column, last, k, thread):
                    if pool.counts[query] < 0:
                        break
                    floor = _floor(tile, asked, query, pool.best[query])


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _reaches(bits: Any, column: Any, floor: Any) -> bool:
    """Tell whether one of the chunk's numbers is at least the floor; both as bits.

    Bits of positive numbers are in order as integers, those of negative ones the other way round.
    """
    lanes = np.uint64(CHUNK)
    level = bits.dtype.type(floor)
    found = False
    if floor >= 0:
        for lane in range(np.uint64(0), lanes):
            found |= bits[column + lane] >= level
    else:
        for lane in range(np.uint64(0), lanes):
            number = bits[column + lane]
            found |= (number >= 0) | (number <= level)
    return found


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _floor(tile: Tile, asked: Asked, query: Any, best: float) -> Any:
    """Return the bits of the least product that may still belong to the best; rounded down."""
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
    return _bits_below(min(max(cosine, _LOWEST), _HIGHEST), tile.bits)


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
    tile: Tile, asked: Asked, pool: Pool, query: Any, bits: Any, floor: Any, start: Any, end: Any, k: int, thread: int
) -> bool:
    """Add what a chunk has; tells whether the query's pool was cleared out."""
    length, error = asked.lengths[query], asked.errors[query]
    cleared = False
    best = pool.best[query]
    level = bits.dtype.type(floor)
    for column in range(start, end):
        if bits[column] < level if floor >= 0 else level < bits[column] < 0:
            continue
        shift = np.int32(16 if bits.itemsize == 2 else 0)
        cosine = np.float64(np.int32(np.int32(bits[column]) << shift).view(np.float32))
        other = tile.lengths[column]
        off = error + tile.errors[column] * (1 + error) + asked.summing + asked.output * abs(cosine)
        scale = length * other
        if asked.euclidean:
            value = 2 * scale * cosine - other * other
            off = 2 * scale * off + _SQUARE_ROUNDING * (length + other + _LEAST_LENGTH) ** 2
        else:
            value = scale * cosine
            off = scale * (off + _SCORE_ROUNDING) + _TINY
        high = value + off
        if high < best:
            continue
        low = value - off
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
