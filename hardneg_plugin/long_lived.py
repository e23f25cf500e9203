"""Telling Python's collector what will stay, so that it does not look through it again and again."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_blocks = 0


@contextmanager
def long_lived() -> Iterator[None]:
    """Leave what exists already to itself until the block ends; a block in a block adds what has come since.

    A dataset has some objects for every query; mining makes and drops as many for every shard, and each time the
    collector would walk through all of them, which takes longer than the work itself. Where the program has frozen
    objects of its own, nothing is done.
    """
    if not _enter():
        yield
        return
    try:
        yield
    finally:
        _leave()


def _enter() -> bool:
    global _blocks
    with _lock:
        if not _blocks and gc.get_freeze_count():
            return False
        _blocks += 1
        gc.freeze()
        return True


def _leave() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if not _blocks:
            gc.unfreeze()
