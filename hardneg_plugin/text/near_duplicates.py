"""Near-duplicates among many texts, without comparing all pairs.

Two texts are as alike as their sets of character 5-grams: Jaccard similarity, from 0 to 1. Pairs that may be alike are
found by MinHash signatures cut into bands (Broder, 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*,
chapter 3) and then compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import starmap

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.text.telling_differences import tells_apart

SHINGLE = 5
HASHES = 128
RECALL = 0.99
_MULTIPLIERS = np.array([xxhash.xxh3_64_intdigest(f"minhash {n}".encode()) | 1 for n in range(HASHES)], dtype=np.uint64)


def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams of a text; a shorter text is its own only one."""
    return frozenset(text[start : start + SHINGLE] for start in range(max(len(text) - SHINGLE + 1, 1)))


def jaccard(first: str, second: str) -> float:
    """Return how alike two texts are: shared 5-grams among all, from 0 to 1."""
    left, right = _remembered_shingles(first), _remembered_shingles(second)
    return len(left & right) / len(left | right)


def first_alike(records: Sequence[tuple[str, ...]], lowest: float) -> list[int]:
    """Return for each record the first earlier one it nearly repeats.

    A record nearly repeats another if each of its texts is at least ``lowest`` alike to the other's and differs from it
    in nothing that matters, such as a number or a negation. A record that
    repeats an earlier one is not compared with later ones. A pair is found with a probability of 0.99 or more; one that
    is found is always alike.

    :param records: The same number of texts each, in the form in which they are compared; the first text should be the
        one that differs most between records, as it tells which are compared at all.
    :param lowest: Lowest similarity of each text, above 0 and up to 1.
    :returns: Numbers of earlier records, or -1.
    """
    rows = band_rows(lowest)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    found = []
    for number, record in enumerate(records):
        keys = list(band_keys(record[0], rows))
        near = {earlier for key in keys for earlier in buckets.get(key, ())}
        alike = next((earlier for earlier in sorted(near) if _alike(records[earlier], record, lowest)), -1)
        found.append(alike)
        if alike < 0:
            for key in keys:
                buckets.setdefault(key, []).append(number)
    return found


def band_rows(lowest: float) -> int:
    """Return how many hashes a band may have so that a pair of the lowest similarity shares one with probability 0.99.

    Longer bands bring fewer pairs together that are not alike.
    """

    def recall(rows: int) -> float:
        return 1.0 - (1.0 - lowest**rows) ** (HASHES // rows)

    return max((rows for rows in range(1, HASHES // 2 + 1) if recall(rows) >= RECALL), default=1)


def _alike(first: tuple[str, ...], second: tuple[str, ...], lowest: float) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(jaccard(one, other) >= lowest for one, other in pairs) and not any(starmap(tells_apart, pairs))


def band_keys(text: str, rows: int) -> Iterator[tuple[int, bytes]]:
    """Yield the bands of a text's signature: texts that are alike share one of them, most likely.

    :param text: The text in the form in which it is compared.
    :param rows: Hashes of a band, from :func:`band_rows`.
    """
    signature = _signature(text)
    for band in range(HASHES // rows):
        yield band, signature[band * rows : (band + 1) * rows].tobytes()


def _signature(text: str) -> NDArray[np.uint32]:
    """Return the smallest hash of the text's 5-grams under each of 128 hash functions (multiply-shift)."""
    parts = shingles(text)
    digests = (xxhash.xxh3_64_intdigest(part.encode("utf-8", "surrogatepass")) for part in parts)
    hashes = np.fromiter(digests, dtype=np.uint64, count=len(parts))
    smallest: NDArray[np.uint64] = ((hashes[:, None] * _MULTIPLIERS) >> np.uint64(32)).min(axis=0)
    return smallest.astype(np.uint32)


@lru_cache(maxsize=4096)
def _remembered_shingles(text: str) -> frozenset[str]:
    return shingles(text)
