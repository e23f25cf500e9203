"""Print a cost estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardneg_plugin.datasets.hub import PlannedFile


@dataclass(frozen=True)
class Cost:
    """An estimate, right within a factor of two or three.

    :param queries: Queries that are mined for and trained on.
    :param passages: Passages of the corpus.
    :param trainings: Models to train.
    :param steps: Optimiser steps of each.
    :param llm_calls: Questions to a language model, none answered before.
    :param memory: Bytes of main memory at once.
    :param accelerator_memory: Bytes of a GPU's memory that training takes; 0 for a static model.
    :param disk: Bytes written to cache and run folder.
    :param seconds: Part of the work → wall-clock time.
    :param device: What the times are for.
    :param downloads: Files that are not on this machine yet.
    """

    queries: int
    passages: int
    trainings: int
    steps: int
    llm_calls: int
    memory: float
    accelerator_memory: float
    disk: float
    seconds: Mapping[str, float]
    device: str
    downloads: tuple[PlannedFile, ...] = ()

    def lines(self) -> list[str]:
        """Return the estimate as text."""
        work = ", ".join(f"{part} {duration(seconds)}" for part, seconds in self.seconds.items() if seconds >= 1)
        gpu = f", {size(self.accelerator_memory)} on the accelerator" if self.accelerator_memory else ""
        return [
            f"{self.queries:,} queries, {self.passages:,} passages; {self.trainings} trainings of {self.steps:,} steps",
            *self._download_lines(),
            f"disk: about {size(self.disk)}; memory: about {size(self.memory)}{gpu}",
            f"LLM calls: {f'{self.llm_calls:,}' if self.llm_calls else 'none'}",
            f"time on {self.device}: about {duration(sum(self.seconds.values()))} ({work or 'seconds'})",
        ]

    def _download_lines(self) -> list[str]:
        if not self.downloads:
            return ["downloads: none"]
        total = sum(file.bytes or 0 for file in self.downloads)
        unknown = sum(file.bytes is None for file in self.downloads)
        more = f" and {unknown} of a size that only the hub knows" if unknown else ""
        return [
            f"downloads: {size(total)} in {len(self.downloads)} files{more}",
            *map("  {}".format, self._by_dataset()),
        ]

    def _by_dataset(self) -> Iterator[str]:
        for name in dict.fromkeys(file.dataset for file in self.downloads):
            files = [file for file in self.downloads if file.dataset == name]
            known = [file.bytes for file in files if file.bytes is not None]
            yield f"{name}: {size(sum(known)) if known else 'size?'}, {len(files)} files [{files[0].licence}]"


def size(count: float) -> str:
    """Return bytes for people."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """Return seconds for people."""
    if seconds >= 5400:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
