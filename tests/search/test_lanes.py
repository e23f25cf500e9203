"""The instructions that numba has no name for, against what they stand for."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from hardneg_plugin.search.simd_kernels import LANES, at_least, lowest_bit, prefetch, scaled_at_least, unsigned_at_most


@numba.njit
def compared(values, start, floor):
    return at_least(values, np.uint64(start), floor)


@numba.njit
def unsigned(values, start, limit):
    return unsigned_at_most(values, np.uint64(start), limit)


@numba.njit
def scaled(values, start, scales, first, floor):
    return scaled_at_least(values, np.uint64(start), scales, np.uint64(first), floor)


@numba.njit
def lowest(bits):
    return lowest_bit(bits)


@numba.njit
def summed(values):
    total = 0
    for position in range(len(values)):
        prefetch(values, position + 1_000_000)
        total += values[position]
    return total


def answers(bits):
    return [bool(bits >> lane & 1) for lane in range(LANES)]


@pytest.mark.parametrize("start", [0, 1, 36])
@pytest.mark.parametrize("floor", [-0.5, 0.0, 0.25, 2.0, np.inf])
def test_numbers_are_compared_64_at_once(start, floor):
    values = np.random.default_rng(3).normal(size=100).astype(np.float32)
    values[[5, 40, 70]] = 0.25, np.nan, -0.0
    bits = compared(values, start, np.float32(floor))
    assert answers(bits) == (values[start : start + LANES] >= np.float32(floor)).tolist()


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("position", [5, 64, 90])
def test_integers_are_compared_as_signed_and_as_unsigned(kind, position):
    limits = np.iinfo(kind)
    values = np.random.default_rng(4).integers(limits.min, limits.max, 160, kind, endpoint=True)
    values[[5, 64, 90]] = limits.min, 0, limits.max
    seen = values[32 : 32 + LANES]
    assert answers(compared(values, 32, values[position])) == (seen >= values[position]).tolist()
    as_unsigned = seen.view(f"u{seen.itemsize}") <= values[position : position + 1].view(f"u{seen.itemsize}")
    assert answers(unsigned(values, 32, values[position])) == as_unsigned.tolist()


def test_integers_are_compared_by_their_scales_in_rows_of_a_matrix():
    rng = np.random.default_rng(5)
    values = rng.integers(-1000, 1000, (3, 128), np.int32)
    scales = rng.random(128).astype(np.float32)
    expected = values[2, 64:].astype(np.float32) * scales[64:] >= np.float32(100)
    assert 0 < expected.sum() < LANES
    assert answers(scaled(values, 2 * 128 + 64, scales, 64, np.float32(100))) == expected.tolist()


@pytest.mark.parametrize("position", [0, 1, 31, 32, 63])
def test_the_lowest_bit(position):
    assert lowest(np.uint64(1 << position)) == position
    assert lowest(np.uint64((1 << 63) | (1 << position))) == position


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.int64])
def test_prefetching_changes_nothing_and_may_point_anywhere(kind):
    assert summed(np.arange(50, dtype=kind)) == 1225


def test_numbers_that_are_not_contiguous_are_refused():
    with pytest.raises(numba.TypingError, match="contiguous"):
        compared(np.zeros(256, np.float32)[::2], 0, np.float32(1))
