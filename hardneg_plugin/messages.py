"""Messages to the user while work goes on: on the console of a run where there is one, else in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN: ContextVar[Callable[[str], None] | None] = ContextVar("hardneg_messages", default=None)


@contextmanager
def shown_by(show: Callable[[str], None]) -> Iterator[None]:
    """Show the messages of a block.

    :param show: Shows a line.
    """
    token = _SHOWN.set(show)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def tell(name: str, line: str, level: int = logging.WARNING) -> None:
    """Show a line once: on the console of the run, or in the log.

    :param name: Name of the component or module that has something to tell.
    :param line: The message.
    :param level: Level in the log.
    """
    show = _SHOWN.get()
    if show is not None:
        show(f"{name}: {line}")
    else:
        logging.getLogger(f"hardneg_plugin.{name}").log(level, "%s: %s", name, line)
