"""The optional methods of foreign Haystack objects: warming up, closing, and running asynchronously."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class WarmsUp(Protocol):
    """An object that loads something before it is used."""

    def warm_up(self) -> None:
        """Load it."""


@runtime_checkable
class WarmsUpAsync(Protocol):
    """An object that loads something in an event loop."""

    async def warm_up_async(self) -> None:
        """Load it."""


@runtime_checkable
class Closes(Protocol):
    """An object that holds something, such as a connection."""

    def close(self) -> None:
        """Let it go."""


@runtime_checkable
class ClosesAsync(Protocol):
    """An object that holds something which belongs to an event loop."""

    async def close_async(self) -> None:
        """Let it go."""


@runtime_checkable
class RunsAsync(Protocol):
    """An object that answers from an event loop."""

    async def run_async(self, **inputs: Any) -> Any:
        """Answer."""


def warm_up(foreign: object) -> None:
    """Warm up an object that can be."""
    if isinstance(foreign, WarmsUp):
        foreign.warm_up()


async def warm_up_async(foreign: object) -> None:
    """Warm up an object that can be, in the event loop where it knows how."""
    if isinstance(foreign, WarmsUpAsync):
        await foreign.warm_up_async()
    else:
        warm_up(foreign)


def close(foreign: object) -> None:
    """Close an object that can be."""
    if isinstance(foreign, Closes):
        foreign.close()


async def close_async(foreign: object) -> None:
    """Close an object that can be, in the event loop where it knows how."""
    if isinstance(foreign, ClosesAsync):
        await foreign.close_async()
    else:
        close(foreign)


async def run_async(foreign: Any, **inputs: Any) -> Any:
    """Run a component, in a thread where it has no asynchronous way."""
    if isinstance(foreign, RunsAsync):
        return await foreign.run_async(**inputs)
    return await asyncio.to_thread(foreign.run, **inputs)
