"""Compiled loops on all processors of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType
from typing import Any

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
        self._blas = _one_blas_thread if products else nullcontext()
        self._pool = ThreadPoolExecutor(self.count, initializer=_stay_alone if products else None)

    def __enter__(self) -> Threads:
        self._blas.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        self._blas.__exit__(kind, error, trace)

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


class _OneBlasThread:
    """Keeps numpy's BLAS to one thread in each of the threads that multiply, until the last of them has ended.

    It has one number of threads for the whole program, so whoever begins first must not set it back for the others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = threadpool_limits(1, user_api="blas")
            self._users += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


_one_blas_thread = _OneBlasThread()


def _stay_alone() -> None:
    # The limit is one of this thread; nobody else's changes.
    threadpool_limits(1, user_api="openmp")
