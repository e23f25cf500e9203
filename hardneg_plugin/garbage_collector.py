"""Freeze the garbage collector's older objects while mining."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Objects that come before the youngest are looked through; as Python has it, those of a single batch are enough.
_SELDOM = 50_000
_lock = threading.Lock()
_blocks = 0
_threshold = gc.get_threshold()


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Leave what exists already to itself until the block ends, and look through what comes more seldom.

    A dataset has some objects for every query; mining makes and drops as many for every shard, and each time the
    collector would walk through all of them, which takes longer than the work itself. A block in a block adds what has
    come since. Where the program has frozen objects of its own, nothing is done.
    """
    if not _enter():
        yield
        return
    try:
        yield
    finally:
        _leave()


def _enter() -> bool:
    global _blocks, _threshold
    with _lock:
        if not _blocks and gc.get_freeze_count():
            return False
        if not _blocks:
            _threshold = gc.get_threshold()
            youngest, *older = _threshold
            # A program that has turned the collector off has 0 here.
            gc.set_threshold(youngest and max(youngest, _SELDOM), *older)
        _blocks += 1
        gc.freeze()
        return True


def _leave() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if not _blocks:
            gc.set_threshold(*_threshold)
            gc.unfreeze()
