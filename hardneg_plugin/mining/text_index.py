"""Finding texts in a corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.records import Corpus

Ints = NDArray[np.int64]


class TextIndex:
    """Index from text to corpus row; equal texts map to the first row."""

    def __init__(self, corpus: Corpus) -> None:
        hashes = np.fromiter(map(_hash, corpus.iter_texts()), np.uint64, len(corpus))
        self._hashes, self._rows = np.unique(hashes, return_index=True)

    def rows(self, texts: Sequence[str], *, missing: bool = False) -> Ints:
        """Return the rows of texts; those that are not there are left out, or are -1 if they are asked for."""
        wanted = np.fromiter(map(_hash, texts), np.uint64, len(texts))
        position = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        rows = np.where(self._hashes[position] == wanted, self._rows[position], -1).astype(np.int64)
        return rows if missing else rows[rows >= 0]


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def padded(groups: Sequence[Ints]) -> Ints:
    """Return groups as rows of one array, -1 behind the last of each."""
    rows = np.full((len(groups), max(map(len, groups), default=0)), -1, np.int64)
    for number, group in enumerate(groups):
        rows[number, : len(group)] = group
    return rows
