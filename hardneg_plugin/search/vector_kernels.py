"""Loops over vectors, scored exactly or made ready for a product, compiled by numba; import this inside a function.

Indices are unsigned where a loop must be vectorised: for signed ones numba checks whether they are negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import compiled

# How numpy adds up: blocks of 128 numbers, each in eight sums.
_SUM_BLOCK = 128
_LANES = 8


@compiled(error_model="numpy")
def unit_float32(vectors: Any, inverse: Any, start: int, end: int, out: Any) -> None:
    """Write vectors of length 1 in single precision."""
    dims = np.uint64(vectors.shape[1])
    for row in range(np.uint64(start), np.uint64(end)):
        scale = inverse[row]
        for column in range(np.uint64(0), dims):
            out[row, column] = np.float32(np.float64(vectors[row, column]) * scale)


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
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


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
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


@compiled(error_model="numpy")
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
        for place in range(begin + step, begin + whole, step):
            s0 += values[place]
            s1 += values[place + one]
            s2 += values[place + two]
            s3 += values[place + three]
            s4 += values[place + four]
            s5 += values[place + five]
            s6 += values[place + six]
            s7 += values[place + seven]
        total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for place in range(whole, np.uint64(count)):
        total += values[begin + place]
    return total


@compiled(signature="float64(float64[::1], int64, int64)", error_model="numpy")
def _pairwise(values: Any, start: int, count: int) -> Any:
    """Add numbers as ``numpy.sum`` adds the rows of a matrix, to the last bit."""
    if count <= _SUM_BLOCK:
        return _leaf(values, start, count)
    half = count // 2
    half -= half % _LANES
    return _pairwise(values, start, half) + _pairwise(values, start + half, count - half)


@compiled(error_model="numpy")
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
    dims = np.uint64(left.shape[1])
    terms = np.empty(left.shape[1])
    for pair in range(np.uint64(start), np.uint64(end)):
        one, other = left[which[pair]], right[rows[pair]]
        if distance:
            for column in range(np.uint64(0), dims):
                gap = np.float64(one[column]) - np.float64(other[column])
                terms[column] = gap * gap
        else:
            for column in range(np.uint64(0), dims):
                terms[column] = np.float64(one[column]) * np.float64(other[column])
        # numpy begins with zero, so that a sum is never the negative one.
        out[pair] = 0.0 + _pairwise(terms, 0, left.shape[1])


@compiled(error_model="numpy")
def rank(scores: Any, rows: Any, offsets: Any, start: int, end: int, best_rows: Any, best_scores: Any) -> None:
    """Write the best of each query, best first, and equal scores in the order they are given in.

    :param scores: Of all candidates, query by query.
    :param rows: Their rows.
    :param offsets: Where the candidates of each query begin, and where the last ones end.
    :param start: First query.
    :param end: Where they end.
    :param best_rows: Shape ``(queries, k)``.
    :param best_scores: Same shape.
    """
    for query in range(start, end):
        first, last = offsets[query], offsets[query + 1]
        keys = np.empty(last - first, np.int64)
        for place in range(last - first):
            # Plus zero: both zeros are one.
            bits = np.int64(np.float32(scores[first + place] + np.float32(0)).view(np.int32))
            ordered = bits if bits >= 0 else -(bits & np.int64(0x7FFFFFFF))
            keys[place] = (-ordered << np.int64(32)) + place
        keys.sort()
        for place in range(min(best_rows.shape[1], last - first)):
            chosen = first + (keys[place] & np.int64(0xFFFFFFFF))
            best_rows[query, place] = rows[chosen]
            best_scores[query, place] = scores[chosen]
