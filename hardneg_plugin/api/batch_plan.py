"""Batches without in-batch false negatives, planned ahead for any trainer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.evaluation.audit.table import AuditTable
from hardneg_plugin.files import write_atomically
from hardneg_plugin.training.batches import pack
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.schedule import batches_per_epoch


@dataclass(frozen=True)
class BatchPlan:
    """Batches of one epoch.

    :param batches: Numbers of rows in the file, batch by batch; every row is in one of them.
    :param conflicting: Rows that share a batch with one they conflict with: no batch was found for them without.
    """

    batches: tuple[tuple[int, ...], ...]
    conflicting: int

    def write(self, path: Path) -> None:
        """Write one JSON list of row numbers a line."""
        write_atomically(path, "".join(json.dumps(batch) + "\n" for batch in self.batches))


def plan_batches(table: AuditTable, batch_size: int, seed: int = 0) -> BatchPlan:
    """Pack rows into batches as the trainer of this package does.

    :param table: The rows.
    :param batch_size: Most rows of a batch.
    :param seed: Seed of the shuffles.
    :raises ParameterError: If the batch size is below 1.
    """
    if batch_size < 1:
        msg = f"batch_size must be at least 1, got {batch_size}"
        raise ParameterError(msg)
    # A row's own texts are its query and positives; the query fills up for positives that it does not have.
    most = int(table.positives.counts.max(initial=0))
    own = np.repeat(table.keys_of(table.queries)[:, None], 1 + most, axis=1)
    position = np.arange(len(table.positives)) - table.positives.offsets[table.positives.row]
    own[table.positives.row, 1 + position] = table.keys_of(table.positives.texts)
    keys = TextKeys(own, table.keys_of(table.negatives.texts), table.negatives.offsets)
    batches, conflicting = pack(keys, batches_per_epoch(len(table), batch_size), np.random.default_rng((seed, 0)))
    return BatchPlan(tuple(tuple(table.numbers[batch].tolist()) for batch in batches), conflicting)
