"""Measure a run's memory while it runs, and compare it with the recipe's budget."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hardneg_plugin.errors import RecipeError
from hardneg_plugin.memory import memory_budget, parse_memory, peak_resident, peak_resident_of_children, private_memory
from hardneg_plugin.run.progress import Progress

# Seconds between two looks: a block of work takes longer, and a look costs a millisecond.
_EVERY = 0.2


class MemoryWatch:
    """Looks at the memory of this process and its children every 0.2 seconds.

    :param limit: Bytes that are promised; None where nothing is.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="hardneg-memory", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._peak = private_memory()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_EVERY):
            self._peak = max(self._peak, private_memory())

    @property
    def peak_held(self) -> int:
        """The most bytes that were held at once, children included, without the pages of mapped files."""
        self._peak = max(self._peak, private_memory())
        return self._peak

    @property
    def peak_resident(self) -> int:
        """The largest resident memory of this process or of one of its children so far, mapped files included."""
        return max(peak_resident(), peak_resident_of_children())

    def facts(self) -> dict[str, Any]:
        """Return the promise, the peak, and whether it was kept (null without a promise)."""
        peak = self.peak_held
        return {
            "promised_bytes": self.limit,
            "peak_held_bytes": peak,
            "kept": None if self.limit is None else peak <= self.limit,
        }


@contextmanager
def watched_memory(memory: str | None, progress: Progress) -> Iterator[MemoryWatch]:
    """Promise a recipe's memory to all stages inside the block, and watch whether it is kept.

    :param memory: What the recipe promises, such as ``8GB``.
    :param progress: Where it is said if it is not kept.
    :raises RecipeError: If more than that is taken before any work starts.
    """
    limit = None if memory is None else parse_memory(memory)
    held = private_memory()
    if limit is not None and held > limit:
        msg = f"memory: {memory} is promised, but {held / 1e9:,.1f} GB are taken before the run starts"
        raise RecipeError(msg)
    with memory_budget(limit), MemoryWatch(limit) as watch:
        yield watch
        if limit is not None and watch.peak_held > limit:
            progress.say(
                f"WARNING: memory: {memory} was promised, and {watch.peak_held / 1e9:,.2f} GB were taken at the peak"
            )
