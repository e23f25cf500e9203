"""Show training progress: a bar on a terminal, else about ten plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TextIO

from hardneg_plugin.errors import ParameterError

if TYPE_CHECKING:
    from tqdm import tqdm  # type: ignore[import-untyped]

Progress = Callable[[int, int], None]
ProgressChoice = Literal["auto", "none"] | Progress
_LINES = 10


def progress_reporter(choice: ProgressChoice, stream: TextIO | None = None) -> Progress:
    """Return the function that is called with (steps done, steps in all) after every step.

    :param choice: ``auto`` (bar or lines), ``none``, or a function of one's own.
    :param stream: Where to write; standard error by default.
    :raises ParameterError: If the choice is neither.
    """
    if callable(choice):
        return choice
    if choice not in ("auto", "none"):
        msg = f"progress must be auto, none or a function of (steps done, steps in all), got {choice!r}"
        raise ParameterError(msg)
    if choice == "none":
        return no_progress
    stream = stream or sys.stderr
    return _Bar(stream) if stream.isatty() else _Lines(stream)


def no_progress(done: int, total: int) -> None:
    """Show nothing.

    :param done: Steps done.
    :param total: Steps in all.
    """


class _Bar:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[None] | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            # A resumed training starts where it was, so that the speed shown is this session's.
            self._bar = tqdm(total=total, initial=done - 1, desc="training", unit="step", file=self._stream)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if done * _LINES // total > (done - 1) * _LINES // total:
            seconds = time.monotonic() - self._started
            self._stream.write(f"training: step {done} of {total} ({100 * done // total} %), {seconds:.0f} s\n")
            self._stream.flush()
