"""Pools of what may belong to the best passages of each query; compiled by numba, to be imported inside a function.

A product in low precision says what a score is at least and at most. A score that may reach a query's best is then
computed from the vectors on the spot, while they are in the cache; so bounds need not be narrow to be useful.

Indices are unsigned where a loop must be vectorised: for signed ones numba checks whether they are negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached
from hardneg_plugin.search.dense.candidate_pool import CandidatePool, QueryBatch, Tile
from hardneg_plugin.search.simd_kernels import LANES, at_least, lowest_bit, scaled_at_least, unsigned_at_most

# Columns of traits.
LENGTH, ERROR, SCALE, FACTOR = 0, 1, 2, 3
# Relative room for what rounding a bound to single precision may take from it, and the same for tiny numbers.
_ROUNDING, _TINY = 2.0**-22, 2.0**-140
# Rounding a score to single precision, with room: in units of the score, and of the squares of both lengths.
_SCORE_ROUNDING, _SQUARE_ROUNDING, _LEAST_LENGTH = 2.0**-22, 2.0**-21, 2.0**-120
# Scores are cosines: this lies below and above all of them.
_LOWEST, _HIGHEST = -2.0, 2.0
# Rounding a sum in single or double precision, for each dimension.
_SINGLE, _DOUBLE = 2.0**-24, 2.0**-52
# Scores that may be computed for a query before its bounds count as too wide: some pools full, and then one in so many.
_FREE_POOLS, _ONE_IN = 8, 32


@njit_cached(error_model="numpy")
def collect(tile: Tile, asked: QueryBatch, pool: CandidatePool, first: int, lines: int, k: int, thread: int) -> None:
    """Add to the pools of some queries what a tile may have of their best.

    :param first: Query of the first row of the products.
    :param lines: Rows of the products that count; further ones are padding.
    :param k: Results per query.
    :param thread: Number of this thread.
    """
    # Each time that an array is taken out of a tuple its references are counted, which would cost more than all else.
    bits, passages, vectors, scales = tile.bits, tile.traits, tile.vectors, tile.scales
    queries, own_vectors, columns = asked.traits, asked.vectors, pool.columns
    rows, lows, highs, computed = pool.rows, pool.low, pool.high, pool.computed
    counts, clear_at = pool.counts, pool.clear_at
    exactly, whole = own_vectors.shape[0] > 0, scales.shape[0] > 0
    single, capacity = asked.single, np.int64(rows.shape[1])
    rounding = (vectors.shape[1] + 16) * (_SINGLE if single else _DOUBLE)
    allowed = _FREE_POOLS * capacity + (tile.first_row + passages.shape[0]) // _ONE_IN
    for line in range(np.uint64(0), np.uint64(lines)):
        query = np.uint64(first) + line
        if counts[query] < 0:
            continue
        length, error, best = queries[query, LENGTH], queries[query, ERROR], pool.best[query]
        level = _level(tile, asked, query, best)
        found = _find(bits, line, scales, passages.shape[0], level, columns, thread)
        # Vectors are read one behind the other here, so that the processor need not wait for each.
        for position in range(found):
            column = np.uint64(columns[thread, position])
            number, other = bits[line, column], passages[column, LENGTH]
            cosine = _cosine(number, bits.itemsize, whole, passages[column, SCALE] * queries[query, SCALE])
            off = passages[column, ERROR]
            off = error + off * (1 + error) + asked.accumulation_error + asked.output * abs(cosine)
            low, high = _bounds(length, other, length * other * cosine, off, asked.euclidean)
            if high < best:
                continue
            if exactly:
                computed[query] += 1
                product = _dot(own_vectors, query, vectors, column, single) * passages[column, FACTOR]
                product *= queries[query, FACTOR]
                low, high = _bounds(length, other, product, rounding, asked.euclidean)
                if high < best:
                    continue
            _append(rows, lows, highs, counts, query, np.uint64(tile.first_row) + column, low, high)
            if counts[query] == clear_at[query]:
                clear(pool, query, k, thread)
                if counts[query] < 0:
                    break
                best = pool.best[query]
        if computed[query] > allowed:
            counts[query] = -1


@njit_cached(error_model="numpy")
def _find(bits: Any, line: Any, scales: Any, last: int, level: float, columns: Any, thread: int) -> Any:
    """Write the columns whose numbers are at least the level; returns how many they are."""
    found, lanes, width, end = np.uint64(0), np.uint64(LANES), np.uint64(bits.shape[1]), np.uint64(last)
    for chunk in range(np.uint64(0), (end + lanes - np.uint64(1)) // lanes):
        start = chunk * lanes
        hits = _reached(bits, line * width + start, scales, start, level)
        # Few numbers reach the level, so hardly a bit of most chunks.
        while hits:
            column = start + lowest_bit(hits)
            hits &= hits - np.uint64(1)
            columns[thread, found] = column
            found += np.uint64(column < end)
    return found


@njit_cached(inline="always", error_model="numpy")
def _reached(bits: Any, start: Any, scales: Any, first: Any, level: float) -> Any:
    """Return 64 bits, which say of 64 numbers whether each is at least the level.

    Bits of positive numbers are in order as integers, those of negative ones the other way round.

    :param start: Place of the first of them, counted over all lines.
    :param first: Column of the first of them.
    """
    if scales.shape[0] > 0:
        return scaled_at_least(bits, start, scales, first, np.float32(level))
    limit = bits.dtype.type(level)
    if level >= 0:
        return at_least(bits, start, limit)
    return unsigned_at_most(bits, start, limit)


@njit_cached(inline="always", error_model="numpy")
def _level(tile: Tile, asked: QueryBatch, query: Any, best: float) -> Any:
    """Return the least product that may still belong to the best, rounded down: its bits, or what scaled ones reach."""
    length = asked.traits[query, LENGTH]
    scale = length * (2.0 if asked.euclidean else 1.0)
    shortest, longest, error = tile.extremes[0], tile.extremes[1], tile.extremes[2]
    level = best
    if asked.euclidean:
        level -= _SQUARE_ROUNDING * (length + longest + _LEAST_LENGTH) ** 2
        at = min(max(np.sqrt(max(level, 0.0)), shortest), longest)
        level += at * at
    else:
        level -= _TINY
        at = longest if level > 0 else shortest
    cosine = level / (scale * at) if scale * at > 0 else (_LOWEST if level <= 0 else _HIGHEST)
    cosine -= error + asked.traits[query, ERROR] * (1 + error) + asked.accumulation_error + _SCORE_ROUNDING
    cosine = cosine / (1 + asked.output) if cosine > 0 else cosine / (1 - asked.output)
    cosine = min(max(cosine, _LOWEST), _HIGHEST)
    if tile.scales.shape[0] > 0:
        return (cosine - abs(cosine) * _ROUNDING) / asked.traits[query, SCALE]
    return np.float64(_bits_below(cosine, tile.bits))


@njit_cached(inline="always", error_model="numpy")
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


@njit_cached(error_model="numpy")
def _cosine(number: Any, itemsize: int, whole: bool, unit: float) -> Any:
    """Return the approximate cosine that a number of ``bits`` stands for.

    :param itemsize: Bytes of the number.
    :param whole: Whether it is a whole number; else it has the bits of the cosine.
    :param unit: What one stands for in whole numbers.
    """
    if whole:
        return np.float64(number) * unit
    shift = np.int32(16 if itemsize == 2 else 0)
    return np.float64(np.int32(np.int32(number) << shift).view(np.float32))


@njit_cached(error_model="numpy")
def _append(rows: Any, lows: Any, highs: Any, counts: Any, query: Any, row: Any, low: float, high: float) -> None:
    """Add a passage to a pool, its bounds rounded outwards."""
    count = np.uint64(counts[query])
    rows[query, count] = row
    lows[query, count] = np.float32(low - abs(low) * _ROUNDING - _TINY)
    highs[query, count] = np.float32(high + abs(high) * _ROUNDING + _TINY)
    counts[query] += 1


@njit_cached(error_model="numpy")
def _bounds(length: float, other: float, product: float, off: float, euclidean: bool) -> Any:
    """Return what a score is at least and at most, in the scale that is compared.

    :param length: Of the query.
    :param other: Length of the passage.
    :param product: The product of the vectors.
    :param off: How far it is off, relative to their lengths.
    :param euclidean: Whether the score is a distance.
    """
    if euclidean:
        value = 2 * product - other * other
        off = 2 * length * other * off + _SQUARE_ROUNDING * (length + other + _LEAST_LENGTH) ** 2
    else:
        value = product
        off = length * other * (off + _SCORE_ROUNDING) + _TINY
    return value - off, value + off


@njit_cached(error_model="numpy", fastmath={"reassoc", "contract"})
def _dot(queries: Any, query: Any, passages: Any, passage: Any, single: bool) -> float:
    """Multiply two vectors in single or in double precision."""
    total, dims = np.float32(0), np.uint64(queries.shape[1])
    if single:
        for column in range(np.uint64(0), dims):
            total += queries[query, column] * passages[passage, column]
        return np.float64(total)
    exactly = 0.0
    for column in range(np.uint64(0), dims):
        exactly += np.float64(queries[query, column]) * np.float64(passages[passage, column])
    return exactly


@njit_cached(error_model="numpy")
def clear(pool: CandidatePool, query: Any, k: int, thread: int) -> None:
    """Keep what may belong to the ``k`` best; where that is most of a full pool, the query is given up."""
    count, capacity = pool.counts[query], pool.rows.shape[1]
    if count < k:
        return
    pool.best[query] = max(_kth(pool, query, k, thread), pool.best[query])
    kept = 0
    for position in range(count):
        if pool.high[query, position] >= pool.best[query]:
            pool.rows[query, kept] = pool.rows[query, position]
            pool.low[query, kept] = pool.low[query, position]
            pool.high[query, kept] = pool.high[query, position]
            kept += 1
    pool.counts[query] = -1 if 4 * kept > 3 * capacity else kept
    # Often, as a level that rises early spares more than clearing costs.
    pool.clear_at[query] = min(kept + k, capacity)


@njit_cached(error_model="numpy")
def _kth(pool: CandidatePool, query: Any, k: int, thread: int) -> Any:
    """Return what the ``k``-th best of a pool scores at least."""
    count = pool.counts[query]
    scratch = pool.scratch[thread, :count]
    scratch[:] = pool.low[query, :count]
    return np.partition(scratch, count - k)[count - k]


@njit_cached(error_model="numpy")
def clear_all(pool: CandidatePool, start: int, end: int, k: int, thread: int) -> None:
    """Keep of each pool what may belong to the ``k`` best; a query whose guess was too high is given up."""
    for query in range(np.uint64(start), np.uint64(end)):
        if pool.counts[query] >= k and _kth(pool, query, k, thread) >= pool.guess[query]:
            clear(pool, query, k, thread)
        elif pool.guess[query] > -np.inf:
            pool.counts[query] = -1


@njit_cached(error_model="numpy")
def guess(tile: Tile, asked: QueryBatch, pool: CandidatePool, first: int, lines: int, rank: int, thread: int) -> None:
    """Take the score of some rank in a sample for what the best of the whole corpus will reach.

    :param tile: Products with a sample of the corpus, all columns of it.
    :param first: Query of the first row of the products.
    :param lines: Rows of the products that count; further ones are padding.
    :param rank: Rank in the sample, from 1.
    :param thread: Number of this thread.
    """
    bits, passages, queries, count = tile.bits, tile.traits, asked.traits, tile.traits.shape[0]
    whole, best = tile.scales.shape[0] > 0, np.empty(rank)
    for line in range(np.uint64(0), np.uint64(lines)):
        query = np.uint64(first) + line
        length, own = queries[query, LENGTH], queries[query, SCALE]
        best[:] = -np.inf
        for column in range(np.uint64(0), np.uint64(count)):
            cosine = _cosine(bits[line, column], bits.itemsize, whole, passages[column, SCALE] * own)
            other = passages[column, LENGTH]
            value = _bounds(length, other, length * other * cosine, 0.0, asked.euclidean)[0]
            if value > best[0]:
                _insert(best, value)
        pool.guess[query] = pool.best[query] = best[0]


@njit_cached(error_model="numpy")
def _insert(best: Any, value: float) -> None:
    """Put a value among the best, in ascending order, in place of the least."""
    position = 0
    while position + 1 < len(best) and best[position + 1] < value:
        best[position] = best[position + 1]
        position += 1
    best[position] = value
