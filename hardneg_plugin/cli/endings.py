"""End a command that cannot go on: with one line where the machine refuses, at once when it is interrupted."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from types import FrameType

_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_KEPT = "what was finished before is kept, and the same command goes on from there"
_INTERRUPTED = 130


def reason_of(error: BaseException) -> str | None:
    """Return one line for an error of the machine or of a name; None for any other, which is a bug.

    :param error: What a command ended with.
    """
    chain, cause = [error], error.__cause__ or error.__context__
    while cause is not None and len(chain) < 20:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for found in chain:
        if any(words in str(found) for words in _FULL) or getattr(found, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return f"the disk is full: {str(found).splitlines()[0]}; {_KEPT}"
    if isinstance(error, UnicodeEncodeError) and error.reason.startswith("surrogates"):
        return f"{error.object!r:.200} is not UTF-8 text; rename the file or folder"
    if isinstance(error, EOFError):
        return f"a file ends too early: {error}; {_KEPT}"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return f"{error}; {_KEPT}"
    return None


def end_at_interrupt() -> None:
    """End the process when it is interrupted (Ctrl-C) while a library loads; else an interrupt is as ever.

    Libraries catch whatever goes wrong while they import others, and with it the interrupt: the command would go on.
    Everything is written whole or not at all, so that it can end anywhere.
    """
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    position = frame
    while position is not None:
        if position.f_code.co_filename == "<frozen importlib._bootstrap>":
            sys.stderr.write("Aborted!\n")
            sys.stderr.flush()
            os._exit(_INTERRUPTED)
        position = position.f_back
    signal.default_int_handler(number, frame)
