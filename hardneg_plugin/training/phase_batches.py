"""Batches of one stage of a training, from the same groups of queries where this is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hardneg_plugin.training.batches import NoDuplicatesBatchSampler, pack
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.refresh import StagePlan


class StageBatches(NoDuplicatesBatchSampler):
    """Batches of :class:`~hardneg_plugin.training.batches.NoDuplicatesBatchSampler`, a stage at a time.

    The trainer's epoch is a stage. A pass over the table has its rows in one random order, whatever its negatives are;
    a stage takes the next part of it, and packs that with the negatives of the stage. Every row is used once in a pass.
    With clusters, rows of one cluster follow each other, so that a batch holds queries of one cluster or of two
    (topic-aware sampling, TAS-B, Hofstätter et al. 2021); a row that would be a false negative there goes to the next
    batch.

    :param keys: Hashes of the texts of each row, in the first stage.
    :param batch_size: Largest number of rows in a batch.
    :param seed: Seed of the shuffles.
    :param plan: The stages.
    """

    def __init__(self, keys: TextKeys, batch_size: int, seed: int, plan: StagePlan) -> None:
        super().__init__(keys, batch_size, seed)
        self._plan = plan
        self._clusters: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._plan.batches

    def change(self, keys: TextKeys) -> None:
        """Take other negatives for the batches that come."""
        self._keys = keys

    def group(self, clusters: npt.NDArray[np.int64]) -> None:
        """Take the cluster of each row's query; shape ``(rows,)``."""
        self._clusters = clusters

    def _pack(self, rng: np.random.Generator) -> tuple[list[list[int]], int]:
        # Together: the few rows that a stage takes of a pass may not fit into so few batches of their own.
        rows = np.concatenate(list(self._parts()))
        order = None if self._clusters is None else _by_cluster(self._clusters[rows], rng)
        packed, conflicting = pack(self._keys.take(rows), len(self), rng, order)
        return [rows[batch].tolist() for batch in packed], conflicting

    def _parts(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the rows of each pass that the stage takes."""
        first, last = self.epoch * self._plan.batches, (self.epoch + 1) * self._plan.batches
        whole = self._plan.epoch_batches
        while first < last:
            number, start = divmod(first, whole)
            end = min(whole, start + last - first)
            # The third number tells this shuffle from that of a stage.
            order = np.random.default_rng((self._seed, number, 2)).permutation(len(self._keys)).astype(np.int64)
            ends = np.linspace(0, len(order), whole + 1).round().astype(np.int64)
            yield order[ends[start] : ends[end]]
            first += end - start


def _by_cluster(clusters: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the places of rows, cluster after cluster, both shuffled."""
    positions = rng.permutation(len(clusters))
    turn = rng.permutation(int(clusters.max()) + 1)
    return np.asarray(positions[np.argsort(turn[clusters[positions]], kind="stable")], np.int64)
