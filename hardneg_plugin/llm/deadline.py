"""The moment by which an answer must be whole: that of its call, or an earlier one of the run's budget."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_END: ContextVar[float] = ContextVar("hardneg_llm_end", default=math.inf)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Limit what is asked inside the block; a limit around it that comes earlier counts.

    :param seconds: From now; None sets no limit.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    token = _END.set(min(_END.get(), end))
    try:
        yield
    finally:
        _END.reset(token)


def seconds_left() -> float | None:
    """Return the seconds until the limit, 0 after it; None without a limit."""
    end = _END.get()
    return None if end == math.inf else max(end - time.monotonic(), 0.0)
