"""Telling Python's collector what will stay, so that it does not look through it again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def long_lived() -> Iterator[None]:
    """Leave what exists already to itself until the block ends.

    A dataset has some objects for every query; mining makes and drops as many for every shard, and each time the
    collector would walk through all of them, which takes longer than the work itself. Where the program has frozen
    objects of its own, nothing is done.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
