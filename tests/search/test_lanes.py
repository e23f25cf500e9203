"""The instructions that numba has no name for, against what they stand for."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from hardneg_plugin.search.lanes import LANES, at_least, lowest_bit, prefetch


@numba.njit
def compared(values, start, floor):
    return at_least(values, np.uint64(start), floor)


@numba.njit
def lowest(bits):
    return lowest_bit(bits)


@numba.njit
def summed(values):
    total = 0
    for place in range(len(values)):
        prefetch(values, place + 1_000_000)
        total += values[place]
    return total


@pytest.mark.parametrize("start", [0, 1, 36])
@pytest.mark.parametrize("floor", [-0.5, 0.0, 0.25, 2.0, np.inf])
def test_numbers_are_compared_64_at_once(start, floor):
    values = np.random.default_rng(3).normal(size=100).astype(np.float32)
    values[[5, 40, 70]] = 0.25, np.nan, -0.0
    bits = compared(values, start, np.float32(floor))
    expected = values[start : start + LANES] >= np.float32(floor)
    assert [bool(bits >> lane & 1) for lane in range(LANES)] == expected.tolist()


@pytest.mark.parametrize("place", [0, 1, 31, 32, 63])
def test_the_lowest_bit(place):
    assert lowest(np.uint64(1 << place)) == place
    assert lowest(np.uint64((1 << 63) | (1 << place))) == place


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.int64])
def test_prefetching_changes_nothing_and_may_point_anywhere(kind):
    assert summed(np.arange(50, dtype=kind)) == 1225
