"""Saying how far the questions are, what they will cost, and when they will be done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ESTIMATE_AFTER = 20
"""Calls from which the rest is estimated."""
_EVERY_SECONDS = 30.0


class ProgressLine:
    """Says a line once the first calls of a task are answered, and now and then after that.

    :param say: Shows a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._estimated: set[str] = set()
        self._last: dict[str, float] = {}

    def update(self, task: str, done: int, total: int | None, calls: int, tokens: int, elapsed: float) -> None:
        """Take note of an answer.

        :param task: What is asked for.
        :param done: Questions with an outcome, from the cache or not.
        :param total: All of them; None if that is not known.
        :param calls: Those of them that were calls.
        :param tokens: Tokens of these calls.
        :param elapsed: Seconds since the task began.
        """
        if not calls or total is None:
            return
        with self._lock:
            line = self._line(task, done, total, calls, tokens, elapsed)
        if line:
            self._say(line)

    def _line(self, task: str, done: int, total: int, calls: int, tokens: int, elapsed: float) -> str:
        left, now = total - done, time.monotonic()
        if calls >= ESTIMATE_AFTER and task not in self._estimated:
            self._estimated.add(task)
            self._last[task] = now
            if not left:
                return ""
            return (
                f"{task}: {left:,} of {total:,} questions left; at this rate at most {left:,} calls, "
                f"{left * tokens // calls:,} tokens, {_duration(left * elapsed / calls)}"
            )
        if task in self._last and now - self._last[task] >= _EVERY_SECONDS:
            self._last[task] = now
            return f"{task}: {done:,} of {total:,} answered, {_duration(left * elapsed / calls)} left"
        return ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
