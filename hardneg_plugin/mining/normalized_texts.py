"""Levelled texts of passages: their marks at once, the texts themselves when they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.records import Corpus
from hardneg_plugin.text import normalise_all
from hardneg_plugin.text.text_signatures import TextSignatures, corpus_marks, signatures

REMEMBERED_TEXTS = 100_000
Ints = NDArray[np.int64]


class NormalizedTexts:
    """Some texts, each in the form in which two passages count as the same text.

    :param corpus: The corpus; None where all texts are others.
    :param passages: For each text its row in the corpus, or ``-1 - k`` for the ``k``-th other text; shape ``(texts,)``.
    :param other: Returns the ``k``-th other text as it is.
    """

    def __init__(self, corpus: Corpus | None, passages: Ints, other: Callable[[int], str]) -> None:
        self._corpus, self._other = corpus, other
        self._passages, self._places = _distinct(passages)
        others = int(np.searchsorted(self._passages, 0))
        self._marks = signatures(self._read(self._passages[:others]))
        if others < len(self._passages):
            assert corpus is not None
            self._marks = self._marks.joined(corpus_marks(corpus, self._passages[others:]))
        self._remembered: dict[int, str] = {}

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Hash of each text: equal texts have equal ones."""
        return self._marks.hashes[self._places]

    @property
    def lengths(self) -> Ints:
        """Characters of each text; 0 for one of nothing but punctuation."""
        return self._marks.lengths[self._places]

    def marks(self, numbers: Ints) -> tuple[TextSignatures, Ints]:
        """Return marks, and which of them is that of each of some texts.

        :param numbers: Numbers of the texts.
        """
        return self._marks, self._places[numbers]

    def texts(self, numbers: Ints) -> list[str]:
        """Return some texts by their numbers; one that stands under many is read once."""
        positions = self._places[numbers]
        if len(self._remembered) > REMEMBERED_TEXTS:
            self._remembered.clear()
        new = [position for position in np.unique(positions).tolist() if position not in self._remembered]
        self._remembered.update(zip(new, self._read(self._passages[new]), strict=True))
        return [self._remembered[position] for position in positions.tolist()]

    def _read(self, passages: Ints) -> list[str]:
        """Return the texts of some passages in ascending order."""
        others = int(np.searchsorted(passages, 0))
        texts = [self._other(-1 - passage) for passage in passages[:others].tolist()]
        if others < len(passages):
            assert self._corpus is not None
            texts += self._corpus.texts(passages[others:])
        return normalise_all(texts)


def _distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the distinct numbers in ascending order, and the place of each among them; by marks, without sorting."""
    if not len(numbers):
        return numbers, numbers
    lowest = int(numbers.min())
    present = np.zeros(int(numbers.max()) - lowest + 1, dtype=bool)
    present[numbers - lowest] = True
    positions = np.cumsum(present, dtype=np.int32) - 1
    return np.flatnonzero(present) + lowest, positions[numbers - lowest].astype(np.int64)
