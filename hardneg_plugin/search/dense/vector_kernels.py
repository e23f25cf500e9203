"""Loops over vectors, scored exactly or made ready for a product, compiled by numba; import this inside a function.

Indices are unsigned where a loop must be vectorised: for signed ones numba checks whether they are negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached

# How numpy adds up: blocks of 128 numbers, each in eight sums.
_SUM_BLOCK = 128
_LANES = 8
# Twice the rounding of a sum in double precision, for each dimension.
_ROUNDING = 2.0**-52


@njit_cached(error_model="numpy")
def unit_float32(vectors: Any, inverse: Any, start: int, end: int, out: Any) -> None:
    """Write vectors of length 1 in single precision."""
    dims = np.uint64(vectors.shape[1])
    for row in range(np.uint64(start), np.uint64(end)):
        scale = inverse[row]
        for column in range(np.uint64(0), dims):
            out[row, column] = np.float32(np.float64(vectors[row, column]) * scale)


@njit_cached(error_model="numpy", fastmath={"reassoc", "contract"})
def unit_bfloat16(vectors: Any, inverse: Any, start: int, end: int, out: Any, errors: Any) -> None:
    """Write vectors of length 1 as bfloat16, and how far each lies from the vector it stands for."""
    dims = np.uint64(vectors.shape[1])
    half, one, low = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
    for row in range(np.uint64(start), np.uint64(end)):
        scale = np.float32(inverse[row])
        far = np.float32(0)
        for column in range(np.uint64(0), dims):
            exact = vectors[row, column] * scale
            bits = np.float32(exact).view(np.uint32)
            upper = np.uint32((bits + half + ((bits >> low) & one)) >> low)
            out[row, column] = np.uint16(upper)
            gap = exact - np.uint32(upper << low).view(np.float32)
            far += gap * gap
        errors[row] = np.sqrt(far)


@njit_cached(error_model="numpy", fastmath={"reassoc", "contract"})
def unit_int8(vectors: Any, inverse: Any, start: int, end: int, out: Any, scales: Any, errors: Any) -> None:
    """Write vectors of length 1 as whole numbers from -127 to 127, what one stands for, and how far off each is."""
    dims = np.uint64(vectors.shape[1])
    for row in range(np.uint64(start), np.uint64(end)):
        length = np.float32(inverse[row])
        largest = np.float32(0)
        for column in range(np.uint64(0), dims):
            largest = max(largest, abs(vectors[row, column]))
        scale = np.float32(largest * length / np.float32(127))
        if not scale > 0:
            scale = np.float32(1)
        scales[row] = scale
        steps = np.float32(1) / scale
        far = np.float32(0)
        for column in range(np.uint64(0), dims):
            exact = vectors[row, column] * length
            whole = np.float32(np.rint(exact * steps))
            out[row, column] = np.int8(min(max(whole, np.float32(-127)), np.float32(127)))
            gap = exact - np.float32(out[row, column]) * scale
            far += gap * gap
        errors[row] = np.sqrt(far)


@njit_cached(error_model="numpy")
def _leaf(values: Any, start: int, count: int) -> Any:
    """Add up to 128 numbers in the order of numpy's pairwise sum: eight sums, then the rest one by one."""
    begin, one, two, three, four = np.uint64(start), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    five, six, seven, step = np.uint64(5), np.uint64(6), np.uint64(7), np.uint64(_LANES)
    whole = np.uint64(count - count % _LANES)
    total = 0.0
    if count < _LANES:
        total = values[begin]
        whole = one
    else:
        s0, s1, s2, s3 = values[begin], values[begin + one], values[begin + two], values[begin + three]
        s4, s5, s6, s7 = values[begin + four], values[begin + five], values[begin + six], values[begin + seven]
        for position in range(begin + step, begin + whole, step):
            s0 += values[position]
            s1 += values[position + one]
            s2 += values[position + two]
            s3 += values[position + three]
            s4 += values[position + four]
            s5 += values[position + five]
            s6 += values[position + six]
            s7 += values[position + seven]
        total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for position in range(whole, np.uint64(count)):
        total += values[begin + position]
    return total


@njit_cached(signature="float64(float64[::1], int64, int64)", error_model="numpy")
def _pairwise(values: Any, start: int, count: int) -> Any:
    """Add numbers as ``numpy.sum`` adds the rows of a matrix, to the last bit."""
    if count <= _SUM_BLOCK:
        return _leaf(values, start, count)
    half = count // 2
    half -= half % _LANES
    return _pairwise(values, start, half) + _pairwise(values, start + half, count - half)


@njit_cached(error_model="numpy")
def products(left: Any, right: Any, which: Any, rows: Any, start: int, end: int, distance: bool, out: Any) -> None:
    """Write the dot products, or the squares of the distances, of pairs of vectors in double precision.

    :param left: Shape ``(n, dimensions)``.
    :param right: Shape ``(m, dimensions)``.
    :param which: Row in ``left`` of each pair.
    :param rows: Row in ``right`` of each pair.
    :param start: First pair.
    :param end: Where they end.
    :param distance: Whether squares of distances are wanted.
    :param out: Shape ``(pairs,)``.
    """
    terms = np.empty(left.shape[1])
    for pair in range(np.uint64(start), np.uint64(end)):
        out[pair] = _product(left[which[pair]], right[rows[pair]], distance, terms)


@njit_cached(error_model="numpy")
def _product(one: Any, other: Any, distance: bool, terms: Any) -> Any:
    """Return the dot product of two vectors, or the square of their distance."""
    dims = np.uint64(len(one))
    if distance:
        for column in range(np.uint64(0), dims):
            gap = np.float64(one[column]) - np.float64(other[column])
            terms[column] = gap * gap
    else:
        for column in range(np.uint64(0), dims):
            terms[column] = np.float64(one[column]) * np.float64(other[column])
    # numpy begins with zero, so that a sum is never the negative one.
    return 0.0 + _pairwise(terms, 0, len(one))


@njit_cached(error_model="numpy")
def score_block(block: Any, given: Any, done: Any, start: int, end: int, kind: int, scores: Any) -> None:
    """Score what some queries are to be scored with of a block of passages, and go on where the last block ended.

    :param block: The passages, their lengths, and the row of the first.
    :param given: The queries, their lengths, rows of passages in ascending order, shape ``(queries, width)``, and how
        many of them count.
    :param done: How many are scored, shape ``(queries,)``.
    :param start: First query.
    :param end: Where they end.
    :param kind: 0 for cosine, 1 for dot, 2 for euclidean.
    :param scores: Shape ``(queries, width)``.
    """
    passages, passage_lengths, first = block
    queries, query_lengths, rows, counts = given
    last, terms = first + len(passages), np.empty(passages.shape[1])
    for query in range(np.uint64(start), np.uint64(end)):
        position = done[query]
        while position < counts[query] and rows[query, position] < last:
            row = np.uint64(rows[query, position]) - np.uint64(first)
            lengths = query_lengths[query] * passage_lengths[row]
            product, off = _quick_product(queries, query, passages, row, kind == 2, lengths)
            least, most = _score(product - off, lengths, kind), _score(product + off, lengths, kind)
            # Which order one adds in seldom decides about the score in single precision.
            if least != most or least == 0:
                most = _score(_product(queries[query], passages[row], kind == 2, terms), lengths, kind)
            scores[query, position] = most
            position += 1
        done[query] = position


@njit_cached(error_model="numpy", fastmath={"reassoc", "contract"})
def _quick_product(
    queries: Any, query: Any, passages: Any, passage: Any, distance: bool, lengths: float
) -> tuple[float, float]:
    """Return what :func:`_product` returns, added up in another order, and how far the two may be apart."""
    total, dims = 0.0, np.uint64(queries.shape[1])
    if distance:
        for column in range(np.uint64(0), dims):
            gap = np.float64(queries[query, column]) - np.float64(passages[passage, column])
            total += gap * gap
        lengths = total
    else:
        for column in range(np.uint64(0), dims):
            total += np.float64(queries[query, column]) * np.float64(passages[passage, column])
    return total, lengths * (queries.shape[1] + 16) * _ROUNDING


@njit_cached(error_model="numpy")
def _score(product: float, lengths: float, kind: int) -> Any:
    """Return the score of a product; it never falls where the product rises, or never rises."""
    if kind == 0:
        product = product / lengths if lengths > 0 else 0.0
    elif kind == 2:
        product = -np.sqrt(max(product, 0.0))
    return np.float32(product)


@njit_cached(error_model="numpy")
def rank(scores: Any, rows: Any, counts: Any, start: int, end: int, best_rows: Any, best_scores: Any) -> None:
    """Write the best of each query, best first, and equal scores in the order they are given in.

    :param scores: Of the candidates of each query, shape ``(queries, width)``.
    :param rows: Their rows, same shape.
    :param counts: How many of them count, shape ``(queries,)``.
    :param start: First query.
    :param end: Where they end.
    :param best_rows: Shape ``(queries, k)``.
    :param best_scores: Same shape.
    """
    keys = np.empty(scores.shape[1], np.int64)
    for query in range(start, end):
        count = counts[query]
        for position in range(count):
            # Plus zero: both zeros are one.
            bits = np.int64(np.float32(scores[query, position] + np.float32(0)).view(np.int32))
            ordered = bits if bits >= 0 else -(bits & np.int64(0x7FFFFFFF))
            keys[position] = (-ordered << np.int64(32)) + position
        keys[:count].sort()
        for position in range(min(best_rows.shape[1], count)):
            chosen = keys[position] & np.int64(0xFFFFFFFF)
            best_rows[query, position] = rows[query, chosen]
            best_scores[query, position] = scores[query, chosen]
