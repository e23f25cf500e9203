"""The best passages of a query as keys, compiled by numba; import this module inside a function.

A key has a score's bits in its upper half and the complement of the row in its lower one: scores are positive, so the
larger key is the better passage, and of equal scores the lower row. Keys are cut back often; comparing them with a
pivot again and again would be mispredicted half the time, so they are counted by score first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardneg_plugin.compiled import njit_cached

ROW_BITS = np.uint64(32)
BINS = 256
"""Counters that :func:`key_of_rank` needs."""
_LOW_BITS = np.uint64(0xFFFFFFFF)


@njit_cached()
def select(keys: Any, size: int, rank: int) -> None:
    """Bring the ``rank`` largest of the first ``size`` keys to the front, the least of them to the last of these."""
    left = 0
    right = size - 1
    while left < right:
        pivot = keys[(left + right) >> 1]
        i = left
        j = right
        while i <= j:
            while keys[i] > pivot:
                i += 1
            while keys[j] < pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if rank - 1 <= j:
            right = j
        elif rank - 1 >= i:
            left = i
        else:
            return


@njit_cached()
def key_of_rank(keys: Any, size: int, rank: int, bins: Any) -> Any:
    """Return a key that ``rank`` of the first ``size`` keys reach, or more: those that share the last one's bin.

    Positive numbers are in the order of their bits, so these are counted in equal steps from the least to the most.
    """
    least = most = keys[0]
    for place in range(np.uint64(0), np.uint64(size)):
        least = min(least, keys[place])
        most = max(most, keys[place])
    lowest = least >> ROW_BITS
    width = (most >> ROW_BITS) - lowest
    step = np.uint64(0)
    while width >> step >= np.uint64(BINS):
        step += np.uint64(1)
    bins[:] = 0
    for place in range(np.uint64(0), np.uint64(size)):
        bins[((keys[place] >> ROW_BITS) - lowest) >> step] += 1
    place = width >> step
    reached = bins[place]
    while reached < rank:
        place -= np.uint64(1)
        reached += bins[place]
    return (lowest + (place << step)) << ROW_BITS


@njit_cached()
def cut(keys: Any, size: int, rank: int, bins: Any) -> None:
    """Bring the ``rank`` largest of the first ``size`` keys to the front, the least of them last; forget the others."""
    least = key_of_rank(keys, size, rank, bins)
    kept = np.uint64(0)
    for place in range(np.uint64(0), np.uint64(size)):
        key = keys[place]
        keys[kept] = key
        kept += np.uint64(key >= least)
    select(keys, kept, rank)


@njit_cached()
def keep(
    rows: Any, scores: Any, bits: Any, found: int, least: Any, k: int, pool: Any, size: int, full: Any, bins: Any
) -> int:
    """Put the passages that reach ``least`` into the pool; return how many keys it has.

    A pool that is full is cut back to the best k, the last of which then is what another must exceed.
    """
    last = full[0]
    for number in range(found):
        key = (np.uint64(bits[number]) << ROW_BITS) | (_LOW_BITS - np.uint64(rows[number]))
        # Written in any case, and counted where it is good enough: a branch would be mispredicted.
        pool[size] = key
        size += int(scores[number] >= least) & int(key > last)
        if size == len(pool):
            cut(pool, size, k, bins)
            size = k
            last = pool[k - 1]
    full[0] = last
    return size
