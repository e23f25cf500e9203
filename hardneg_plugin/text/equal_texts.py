"""Group passages of a corpus that have equal texts, so that a text is found once under all its ids."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.cache import build_entry, cache_root, fingerprint
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.text.fingerprint import analysis_fingerprint
from hardneg_plugin.text.text_signatures import corpus_marks

KIND = "equal-texts"
_VERSION = 1
_FILE = "first.npy"
Ints = NDArray[np.int64]


class EqualTexts:
    """Rows of a corpus by their levelled text.

    :param first: For each row the first one of an equal text, shape ``(rows,)``; empty where no two are equal.
    :param rows: Number of passages.
    """

    def __init__(self, first: NDArray[np.uint32], rows: int) -> None:
        self._first, self._rows = first, rows
        copies = np.flatnonzero(first != np.arange(len(first)))
        self.copies = len(copies)
        """Rows whose text an earlier one has."""
        self._repeated = np.zeros(len(first), dtype=bool)
        self._repeated[copies] = self._repeated[first[copies]] = True

    @classmethod
    def of(cls, corpus: Corpus) -> EqualTexts:
        """Return the equal texts of a corpus: found out once and kept in the cache.

        :param corpus: The passages.
        :raises CacheError: If the cache folder cannot be written.
        """
        return _of(str(cache_root()), corpus.key, len(corpus))

    def first(self, rows: Ints) -> Ints:
        """Return for some rows the first one of an equal text; a row of -1 stays."""
        if not self.copies or not rows.size:
            return rows
        return np.where(rows < 0, rows, self._first[rows])

    def repeated(self, rows: Ints) -> NDArray[np.bool_]:
        """Mark the rows that are not the only one of their text."""
        if not self.copies:
            return np.zeros(rows.shape, dtype=bool)
        return np.where(rows < 0, False, self._repeated[rows])

    def distinct(self, rows: Ints) -> Ints:
        """Return the first rows of the texts of some rows, each once, in the order in which they come first."""
        if not self.copies:
            return rows
        first = self.first(rows)
        return first[np.sort(np.unique(first, return_index=True)[1])]

    def depth(self, k: int) -> int:
        """Return how many rows to ask for so that ``k`` different texts are likely to be among them."""
        spare = -(-k * self.copies // max(self._rows - self.copies, 1)) if self.copies else 0
        return min(self._rows, k + spare)

    def __len__(self) -> int:
        return self._rows


@lru_cache(maxsize=8)
def _of(root: str, key: str, rows: int) -> EqualTexts:
    corpus = Corpus.open(key)
    name = fingerprint([_VERSION, analysis_fingerprint(), key])
    folder = build_entry(KIND, name, lambda empty: _write(corpus, empty))
    return EqualTexts(np.load(folder / _FILE, mmap_mode="r"), rows)


def _write(corpus: Corpus, folder: Path) -> None:
    marks = corpus_marks(corpus, np.arange(len(corpus), dtype=np.int64))
    _, first, position = np.unique(marks.hashes, return_index=True, return_inverse=True)
    rows = np.arange(len(corpus), dtype=np.uint32)
    # Texts of nothing but punctuation are equal to none.
    earliest = np.where(marks.lengths > 0, first[position], rows).astype(np.uint32)
    np.save(folder / _FILE, earliest if (earliest != rows).any() else np.zeros(0, np.uint32))
