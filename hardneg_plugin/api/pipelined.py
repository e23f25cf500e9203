"""Two steps of work side by side: while one goes on in compiled loops, Python does the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")
Done = TypeVar("Done")

# Seconds after which a thread that runs Python lets another in: compiled loops come back often, and only for a moment.
_SWITCH = 1e-4


def pipelined(items: Iterable[Item], first: Callable[[Item], Found], then: Callable[[Found], Done]) -> Iterator[Done]:
    """Yield ``then(first(item))`` of each item, in their order.

    The second step and the reading of items go on in one other thread while the first step is at the next item, so that
    three items are held at once.

    :param items: Any number; none of them None.
    :param first: The step that an interrupt must be able to stop: it runs in the thread that asks.
    :param then: The step that runs behind it.
    :raises Exception: What a step raises. Of two errors, the one of the earlier item.
    """
    unread = iter(items)
    behind: Future[Done] | None = None
    with _prompt_switches(), ThreadPoolExecutor(1) as thread:
        upcoming: Future[Item | None] = thread.submit(next, unread, None)
        while True:
            try:
                item = upcoming.result()
                if item is None:
                    break
                upcoming = thread.submit(next, unread, None)
                found = first(item)
            except Exception:
                # An error of the earlier item goes before this one.
                if behind is not None:
                    behind.result()
                raise
            if behind is not None:
                yield behind.result()
            behind = thread.submit(then, found)
        if behind is not None:
            yield behind.result()


@contextmanager
def _prompt_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
