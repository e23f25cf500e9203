"""The memory that a run has promised to stay within, for whoever chooses the size of a block.

What counts is memory of the process's own (anonymous: arrays, strings, models). Pages of mapped files (corpus, indexes,
vectors) are left out: they are the operating system's cache, which takes them back when somebody needs the room.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardneg_plugin.errors import ParameterError

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kKmMgGtT])(i?))?[bB]\s*")
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
SMALLEST = 1_000_000_000
"""The libraries and a small model alone take half of it."""
_LEAST_ROOM = 64_000_000

# One for the process, as its memory is: threads share both.
_limits: list[int] = []


def parse_memory(text: str) -> int:
    """Return the bytes that a text says.

    :param text: A number and a unit, such as ``8GB``, ``500 MB`` or ``2GiB``; kB, MB, GB and TB are powers of 1000,
        KiB, MiB, GiB and TiB of 1024.
    :raises ParameterError: If it says no size, or less than ``SMALLEST``.
    """
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        msg = f'expected a size such as "8GB", "500 MB" or "2GiB", got {text!r}'
        raise ParameterError(msg)
    number, unit, binary = found.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS.get((unit or "").lower(), 0))
    if size < SMALLEST:
        msg = f"expected at least 1GB, got {text!r}: the libraries and a small model alone take half of it"
        raise ParameterError(msg)
    return size


@contextmanager
def memory_budget(limit: int | None) -> Iterator[None]:
    """Promise to stay within a limit inside the block; the innermost promise counts.

    :param limit: Bytes; None promises nothing more than what is promised already.
    """
    if limit is None:
        yield
        return
    _limits.append(limit)
    try:
        yield
    finally:
        # Not the first one of this size: an outer block may have promised the same.
        del _limits[len(_limits) - 1 - _limits[::-1].index(limit)]


def memory_limit() -> int | None:
    """Return the bytes that are promised; None where nothing is."""
    return _limits[-1] if _limits else None


def available_memory(share: float = 1.0) -> int | None:
    """Return how many bytes are left under the promise, at least some for the smallest block.

    :param share: Share of them that the caller may take.
    :returns: Bytes; None where nothing is promised.
    """
    limit = memory_limit()
    return None if limit is None else max(int((limit - private_memory()) * share), _LEAST_ROOM)


def private_memory() -> int:
    """Return the private memory of this process and its children in bytes."""
    import psutil

    process = psutil.Process()
    return sum(own_bytes(one) for one in (process, *process.children(recursive=True)))


def own_bytes(process: Any) -> int:
    """Return the private memory of a process in bytes: without pages of mapped files, if the system reports them.

    :param process: A ``psutil.Process``; one that has ended holds none.
    """
    import psutil

    try:
        facts = process.memory_info()
    except psutil.Error:
        return 0
    return int(facts.rss - getattr(facts, "shared", 0))


def peak_resident() -> int:
    """Return the most bytes that this process has had resident so far, pages of mapped files included."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        status = ""
    # What getrusage says of a process on Linux begins with what the program held that started it.
    if found := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
        return int(found[1]) * 1024
    return _peak_by_getrusage("RUSAGE_SELF")


def peak_resident_of_children() -> int:
    """Return the most bytes that one ended child process has had resident; 0 where the system does not tell."""
    return _peak_by_getrusage("RUSAGE_CHILDREN")


def _peak_by_getrusage(who: str) -> int:
    try:
        import resource
    except ImportError:  # Windows has no such module.
        import psutil

        return int(psutil.Process().memory_info().peak_wset) if who == "RUSAGE_SELF" else 0
    # macOS counts in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(getattr(resource, who)).ru_maxrss) * unit
