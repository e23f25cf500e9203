"""Whose call comes next: questions that were tried before go first.

A server that hangs answers nobody. If each new question had its turn before the first one's second try, a run would
wait for hundreds of timeouts until one question has used up its tries and shows that the server is gone.
"""

from __future__ import annotations

import asyncio
import atexit
import heapq
import math
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count

# A Ctrl-C that comes just before a thread begins to wait does not wake it: no wait is longer than this.
LOOK_UP_SECONDS = 0.5
GRACE_SECONDS = 2.0
"""After the end of a budget in minutes, for calls under way to finish."""


class WorkerPool:
    """Threads that call for one question at a time.

    They are daemons: an interrupted program does not wait for a server. They start when they are needed. A program
    that ends with answers nobody asked for waits for the calls under way, so that they are kept.

    :param most: Most threads.
    :param call: Calls for the question of a key; it lets no error out.
    """

    def __init__(self, most: int, call: Callable[[str], None]) -> None:
        self._most, self._call = most, call
        self._queue: queue.PriorityQueue[tuple[int, int, str | None]] = queue.PriorityQueue()
        self._threads: list[threading.Thread] = []
        self._numbers = count()
        self._stopped = False
        _living.add(self)

    def add(self, key: str, tries: int) -> None:
        """Put a question into the queue.

        :param key: Key of the question.
        :param tries: Calls for it so far.
        """
        self._queue.put((-tries, next(self._numbers), key))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name=f"hardneg-llm-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while (key := self._queue.get()[2]) is not None and not self._stopped:
            self._call(key)

    def stop(self) -> None:
        """Begin no further call; may be called from any thread, and more than once."""
        self._stopped = True
        for _ in range(self._most):
            self._queue.put((-sys.maxsize, next(self._numbers), None))

    def join(self, seconds: float | None = None) -> None:
        """Wait for the calls under way, unless the interpreter has stopped their threads already.

        :param seconds: At most; None waits as long as they take.
        """
        end = math.inf if seconds is None else time.monotonic() + seconds
        if not sys.is_finalizing():
            for thread in self._threads:
                while thread.is_alive() and (left := end - time.monotonic()) > 0:
                    thread.join(min(left, LOOK_UP_SECONDS))

    def finish(self) -> None:
        """Stop and wait, unless somebody stopped them before and chose whether to wait."""
        if not self._stopped:
            self.stop()
            self.join()


_living: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    # A thread that writes while the interpreter goes down under it aborts the whole program.
    for workers in list(_living):
        workers.finish()


class PrioritySemaphore:
    """Places for calls in one event loop.

    :param places: Most calls at the same time.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    async def take(self, tries: int) -> None:
        """Wait for a place.

        :param tries: Calls for the question so far.
        """
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-tries, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Give a place to whom it is due."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
