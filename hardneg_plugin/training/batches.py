"""Batch samplers in which no text becomes a negative of a query that it answers.

With in-batch negatives every document of a batch is a negative for every other row's anchor. Two rows with the same
query, or a passage that is the positive of one row and a positive or negative of another, make false negatives by
accident. The sampler of sentence-transformers (``BatchSamplers.NO_DUPLICATES``) avoids them too, but it compares the
text "None" of a missing negative as any other text, a list of negatives only as a whole, and yields more batches than
it announces, the last of which are never trained on. Here every row is used once per epoch, in exactly the announced
number of batches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.schedule import batches_per_epoch

logger = logging.getLogger(__name__)

_EXCHANGES_TRIED = 64


class NoDuplicatesBatchSampler:
    """Batch sampler: rows that share a text where one of them would be a false negative go to different batches.

    Texts are shared where they are equal once case, punctuation and white space are levelled, as everywhere else.

    Two rows may share a negative: it is one for both. Sizes differ by at most one row, so that no step sees a rest of
    a few rows and their few in-batch negatives. The batches of an epoch depend on the seed and the epoch's number
    alone.

    :param keys: Hashes of the texts of each row.
    :param batch_size: Largest number of rows in a batch.
    :param seed: Seed of the shuffles.
    """

    drop_last = False

    def __init__(self, keys: TextKeys, batch_size: int, seed: int) -> None:
        self.batch_size = batch_size
        self.epoch = 0
        self._keys = keys
        self._seed = seed
        self._warned = False

    def __len__(self) -> int:
        return batches_per_epoch(len(self._keys), self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        batches, conflicting = self._pack(np.random.default_rng((self._seed, self.epoch)))
        if conflicting and not self._warned:
            self._warned = True
            self._warn(conflicting)
        yield from batches

    def _pack(self, rng: np.random.Generator) -> tuple[list[list[int]], int]:
        """Return the batches of the epoch, and how many rows share one where they should not."""
        return pack(self._keys, len(self), rng)

    def _warn(self, conflicting: int) -> None:
        logger.warning(
            "%d of %d rows share a batch with a row of the same query or passage: "
            "it occurs in more rows than an epoch has batches (%d)",
            conflicting,
            len(self._keys),
            len(self),
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) whose batches come next; the trainer calls this."""
        self.epoch = epoch


def pack(
    keys: TextKeys, batches: int, rng: np.random.Generator, order: npt.NDArray[np.int64] | None = None
) -> tuple[list[list[int]], int]:
    """Pack all rows of some keys into batches.

    :param keys: Hashes of the texts of each row.
    :param batches: Number of batches.
    :param rng: What shuffles rows and batches.
    :param order: Order in which rows take their places, so that neighbours share a batch; None shuffles them.
    :returns: The batches, and how many rows share one where they should not.
    """
    packing = _Packing(keys, batches, rng)
    packing.fill(rng.permutation(len(keys)) if order is None else order)
    return [packing.batches[batch] for batch in rng.permutation(batches)], packing.conflicting


class _Packing:
    """First fit: a row goes into the first batch with room and without a conflict."""

    def __init__(self, keys: TextKeys, batches: int, rng: np.random.Generator) -> None:
        rows = len(keys)
        self.batches: list[list[int]] = [[] for _ in range(batches)]
        self.conflicting = 0
        self._room = [rows // batches + (number < rows % batches) for number in range(batches)]
        self._texts = [_BatchTexts() for _ in range(batches)]
        self._keys = keys
        self._rng = rng
        self._first_open = 0

    def fill(self, order: npt.NDArray[np.int64]) -> None:
        late = [row for row in order.tolist() if not self._place(row)]
        for row in late:
            if not (self._place(row) or self._exchange(row)):
                self._add(row, self._next_open())
                self.conflicting += 1

    def _place(self, row: int) -> bool:
        own, every = self._texts_of(row)
        for number in range(self._next_open(), len(self.batches)):
            if self._has_room(number) and self._texts[number].fits(own, every):
                self._add(row, number)
                return True
        return False

    def _exchange(self, row: int) -> bool:
        """Give the row the place of one in a full batch that can move to an open one."""
        own, every = self._texts_of(row)
        target = self._next_open()
        for number in self._rng.permutation(len(self.batches))[:_EXCHANGES_TRIED].tolist():
            if self._has_room(number) or not self._texts[number].fits(own, every):
                continue
            for position, moved in enumerate(self.batches[number]):
                if self._texts[target].fits(*self._texts_of(moved)):
                    del self.batches[number][position]
                    self._texts[number] = self._gather(self.batches[number])
                    self._add(moved, target)
                    self._add(row, number)
                    return True
        return False

    def _add(self, row: int, number: int) -> None:
        self.batches[number].append(row)
        self._texts[number].add(*self._texts_of(row))

    def _gather(self, rows: list[int]) -> _BatchTexts:
        texts = _BatchTexts()
        for row in rows:
            texts.add(*self._texts_of(row))
        return texts

    def _has_room(self, number: int) -> bool:
        return len(self.batches[number]) < self._room[number]

    def _next_open(self) -> int:
        while self._first_open < len(self.batches) - 1 and not self._has_room(self._first_open):
            self._first_open += 1
        return self._first_open

    def _texts_of(self, row: int) -> tuple[set[int], set[int]]:
        own = set(self._keys.own[row].tolist())
        start, end = self._keys.offsets[row : row + 2]
        return own, own.union(self._keys.negatives[start:end].tolist())


class _BatchTexts:
    """The texts of a batch: anchors and positives, and these with the negatives."""

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._every: set[int] = set()

    def fits(self, own: set[int], every: set[int]) -> bool:
        return self._every.isdisjoint(own) and self._own.isdisjoint(every)

    def add(self, own: set[int], every: set[int]) -> None:
        self._own |= own
        self._every |= every
