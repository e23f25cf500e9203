"""Connections to servers of language models on which an answer has a limit of time and of bytes as a whole.

The clients of both kinds of server know a limit for each read alone: a body that trickles, or never ends, keeps to it
for ever. Here the time runs from the first byte of the question to the last one of the answer. A thread cannot be made
to leave a read, but a task can: calls that wait are made in an event loop of their own.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any

from hardneg_plugin.llm.deadline import seconds_left
from hardneg_plugin.llm.failures import BrokenAnswerError

MOST_BYTES = 32 * 2**20
"""Bytes of an answer: 20,000 tokens with 20 log-probabilities each."""
CONNECT_SECONDS = 5.0
# What tells of the body as it was sent, not as it is handed on.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_CLOSE_SECONDS = 2.0


def client_arguments(cls: type) -> dict[str, Any]:
    """Return the arguments that make a client of httpx, or of its successor, keep to the limits.

    :param cls: Class of the client.
    """
    for base in cls.__mro__:
        name = base.__module__.split(".")[0]
        if name.startswith("httpx"):
            library = importlib.import_module(name)
            waits = issubclass(cls, library.Client)
            kind = _waiting_transport(library) if waits else _async_transport(library)
            return {"transport": kind(), "timeout": library.Timeout(None, connect=CONNECT_SECONDS)}
    msg = f"expected a client of httpx, got {cls.__name__}"
    raise TypeError(msg)


async def _fetch(library: Any, client: Any, request: Any, seconds: float | None) -> Any:
    """Send a request and return its response, the body read."""
    try:
        async with asyncio.timeout(seconds):
            asked = client.build_request(
                request.method, request.url, headers=request.headers.raw, content=request.content
            )
            response = await client.send(asked, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        msg = f"the answer has more than {MOST_BYTES:,} bytes"
                        raise BrokenAnswerError(msg)
            finally:
                await response.aclose()
    except TimeoutError as error:
        msg = f"no whole answer within {seconds:g} seconds"
        raise library.ReadTimeout(msg, request=request) from error
    except library.DecodingError as error:
        msg = f"the answer cannot be unpacked: {error}"
        raise BrokenAnswerError(msg) from error
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_WIRE]
    return library.Response(response.status_code, headers=headers, content=bytes(body), request=request)


def _inner_client(library: Any) -> Any:
    limits = library.Limits(max_connections=None, max_keepalive_connections=100)
    return library.AsyncClient(timeout=library.Timeout(None, connect=CONNECT_SECONDS), limits=limits)


@lru_cache
def _waiting_transport(library: Any) -> Any:
    class Bounded(library.BaseTransport):  # type: ignore[misc]
        """Sends requests of callers that wait."""

        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._of_loop: tuple[_Loop, Any] | None = None

        def handle_request(self, request: Any) -> Any:
            """Return the response."""
            request.read()
            loop, client = self._client()
            return loop.result(_fetch(library, client, request, seconds_left()))

        def _client(self) -> tuple[_Loop, Any]:
            loop = _loop_of(os.getpid())
            with self._lock:
                if self._of_loop is None or self._of_loop[0] is not loop:
                    self._of_loop = loop, _inner_client(library)
                return self._of_loop

        def close(self) -> None:
            """Close the connections."""
            with self._lock:
                held, self._of_loop = self._of_loop, None
            if held is not None and held[0] is _loop_of(os.getpid()):
                held[0].result(asyncio.wait_for(held[1].aclose(), _CLOSE_SECONDS))

    return Bounded


@lru_cache
def _async_transport(library: Any) -> Any:
    class Bounded(library.AsyncBaseTransport):  # type: ignore[misc]
        """Sends requests of one event loop."""

        def __init__(self) -> None:
            self._inner = _inner_client(library)

        async def handle_async_request(self, request: Any) -> Any:
            """Return the response."""
            await request.aread()
            return await _fetch(library, self._inner, request, seconds_left())

        async def aclose(self) -> None:
            """Close the connections."""
            await self._inner.aclose()

    return Bounded


class _Loop:
    """An event loop in a thread that a program which ends does not wait for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="hardneg-http", daemon=True).start()

    def result(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns; who is interrupted meanwhile breaks it off."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@lru_cache(maxsize=1)
def _loop_of(process: int) -> _Loop:
    # A process that was forked has the loop, but not its thread.
    return _Loop()
