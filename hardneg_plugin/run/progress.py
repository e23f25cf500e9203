"""Progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from hardneg_plugin.visible import visible

_LINES = 10


class Progress:
    """Shows what is being done and how far it is.

    :param console: Where to show it; standard error by default, so that results can be piped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.tasks = 0
        """Tasks begun so far; none is begun for what is there already."""

    def say(self, line: str) -> None:
        """Show one line."""
        self.console.print(visible(line), markup=False, emoji=False)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a task; the block calls what it is given with the number of units just done."""
        self.tasks += 1
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            with Bars(*columns, console=self.console) as bars:
                task = bars.add_task(name, total=total)
                yield lambda units: bars.advance(task, units)
        else:
            yield self._lines(name, total)

    def _lines(self, name: str, total: int) -> Callable[[int], None]:
        started, done, shown = time.monotonic(), 0, 0

        def advance(units: int) -> None:
            nonlocal done, shown
            done += units
            step = done * _LINES // total if total else _LINES
            if units and step > shown:
                shown = step
                self.say(f"{name}: {done} of {total}, {time.monotonic() - started:.1f} s")

        return advance
