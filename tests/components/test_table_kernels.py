"""Compiled loops over a candidate table give what plain ones give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.mining.table_kernels import mark_first, mark_wanted

# Few different values, so that many are equal.
GROUPS = st.lists(st.lists(st.integers(-3, 3), max_size=6), max_size=5)


@settings(deadline=None)
@given(GROUPS, st.integers(0, 7), st.sampled_from([np.int64, np.float64]))
def test_the_lowest_of_each_example_are_marked_and_of_equal_ones_the_first(groups, number, kind):
    order = np.array([value for group in groups for value in group], dtype=kind)
    offsets = np.cumsum([0, *map(len, groups)])
    mask = np.zeros(len(order), dtype=bool)
    mark_first(order, offsets, number, mask)
    expected = []
    for group in groups:
        lowest = sorted(range(len(group)), key=group.__getitem__)[:number]
        expected += [position in lowest for position in range(len(group))]
    assert mask.tolist() == expected


def test_an_infinite_order_comes_last():
    mask = np.zeros(3, dtype=bool)
    mark_first(np.array([np.inf, 1.0, -np.inf]), np.array([0, 3]), 2, mask)
    assert mask.tolist() == [False, True, True]


@settings(deadline=None)
@given(GROUPS, st.randoms(use_true_random=False))
def test_a_value_is_marked_where_its_own_example_wants_it(groups, random):
    wanted = [[random.randint(-3, 3) for _ in range(random.randint(0, 3))] for _ in groups]
    values = np.array([value for group in groups for value in group], dtype=np.int64)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    mask = np.zeros(len(values), dtype=bool)
    all_wanted = np.array([value for group in wanted for value in group], dtype=np.int64)
    mark_wanted(values, owner, all_wanted, np.cumsum([len(group) for group in wanted]), mask)
    assert mask.tolist() == [value in wanted[own] for value, own in zip(values, owner, strict=True)]


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_hashes_of_all_sizes_are_compared(kind):
    values = np.array([2**63 - 1, 0, 5], dtype=kind)
    mask = np.zeros(3, dtype=bool)
    mark_wanted(values, np.array([0, 0, 1]), np.array([2**63 - 1, 6], dtype=kind), np.array([1, 2]), mask)
    assert mask.tolist() == [True, False, False]
