"""Training by several processes at once, as ``torchrun`` and ``accelerate launch`` start them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from hardneg_plugin.errors import TrainingError

_PROCESSES = "WORLD_SIZE"
"""Where both launchers say how many they started."""


class Batches(Protocol):
    """The methods of a batch sampler that the trainer needs."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[int]]: ...

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) whose batches come next."""


class ShardedBatchSampler:
    """Batch sampler: each batch of all processes as one batch for each process, all of the same size.

    Accelerate deals the batches out in turn, so the parts of one batch go to the same step. What all processes gather
    must have one size: rows that are over (fewer than there are processes) are left out, others in every epoch.

    :param batches: Batches of all processes together.
    :param processes: Their number.
    """

    drop_last = False

    def __init__(self, batches: Batches, processes: int) -> None:
        self._batches, self._processes = batches, processes

    def __len__(self) -> int:
        return len(self._batches) * self._processes

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            size = len(batch) // self._processes
            for process in range(self._processes):
                yield batch[process * size : (process + 1) * size]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) whose batches come next."""
        self._batches.set_epoch(epoch)


def world_size() -> int:
    """Return the number of processes that train one model: what the launcher says, 1 without one.

    :raises TrainingError: If it says no number.
    """
    said = os.environ.get(_PROCESSES, "1")
    if not said.isdigit() or int(said) < 1:
        msg = f"{_PROCESSES} must be the number of processes that train together, got {said!r}"
        raise TrainingError(msg)
    return int(said)


def check_divided(rows: int, processes: int, *, joined: bool) -> None:
    """Check that several processes can train on a table.

    :param rows: Rows of the table.
    :param processes: Processes that train together.
    :param joined: Whether the negatives of a batch are one feature of any length.
    :raises TrainingError: If there are fewer rows than processes, or what each process has to gather differs in size.
    """
    if processes == 1:
        return
    if rows < processes:
        msg = f"{rows} rows cannot be divided among {processes} processes"
        raise TrainingError(msg)
    if joined:
        msg = (
            f"{processes} processes gather documents in equal numbers, but the rows have different numbers of "
            "negatives, or the loss joins them: give every row the same number (`sample` with num_negatives, rows with "
            "fewer left out), or train in one process"
        )
        raise TrainingError(msg)
