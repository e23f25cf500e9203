"""Compiled loops on all processors of this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from threadpoolctl import threadpool_limits


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Threads:
    """Threads for loops that let go of the interpreter; to be used in a ``with`` statement.

    numba's own threads may not be used from two threads of a program at once.

    :param products: Whether the loops multiply matrices: each then does so in its own thread alone. Threads of OpenMP
        would go on spinning behind each product, and take the processors from the loops.
    """

    def __init__(self, *, products: bool = False) -> None:
        self.count = processors()
        self._pool = ThreadPoolExecutor(self.count, initializer=_stay_alone if products else None)

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def run(self, items: int, loop: Callable[[int, int, int], object]) -> None:
        """Share items out.

        :param items: Number of items.
        :param loop: Called with the first item, the end, and the number of the thread.
        """
        bounds = [items * thread // self.count for thread in range(self.count + 1)]
        calls = [
            self._pool.submit(loop, bounds[thread], bounds[thread + 1], thread)
            for thread in range(self.count)
            if bounds[thread] < bounds[thread + 1]
        ]
        for call in calls:
            call.result()


def _stay_alone() -> None:
    # The limit is one of this thread; nobody else's changes.
    threadpool_limits(1, user_api="openmp")
