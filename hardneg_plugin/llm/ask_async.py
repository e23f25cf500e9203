"""Asking many questions at a time in one event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any

from hardneg_plugin.llm.concurrency import GRACE_SECONDS, PrioritySemaphore
from hardneg_plugin.llm.deadline import within
from hardneg_plugin.llm.request import LLMClient, LLMRequest
from hardneg_plugin.llm.request_handler import WINDOW_PER_WORKER, Answer, RequestHandler, RetryAfter
from hardneg_plugin.llm.session import Session, current_session


async def ask_async(
    client: LLMClient, requests: Iterable[LLMRequest], *, workers: int, task: str, total: int | None = None
) -> AsyncIterator[Answer]:
    """Yield the answers to some questions, in their order; as :func:`~hardneg_plugin.llm.ask.ask`, without threads.

    Where the task that reads the answers is cancelled, so are the calls under way.

    :param client: Who is asked.
    :param requests: The questions.
    :param workers: Most calls at the same time.
    :param task: Name under which they are counted, such as ``classify``.
    :param total: Number of questions, if it is known, for the estimate.
    :raises LLMError: If the model cannot be asked at all; what was answered stays in the cache.
    :raises BudgetError: If the session's budget is spent; calls under way are finished and kept first.
    """
    session = current_session()
    window = _Window(client, RequestHandler(client, session, task, total), session, workers)
    questions = iter(requests)
    exhausted = False
    try:
        while True:
            while not exhausted and len(window.order) <= window.size // 2:
                batch = list(islice(questions, window.size - len(window.order)))
                exhausted = not batch
                window.take(batch)
            if not window.order:
                return
            yield await window.next()
    except asyncio.CancelledError:
        window.cancel()
        raise
    finally:
        await window.end()


class _Window:
    """The questions that are under way, one task each."""

    def __init__(self, client: LLMClient, exchange: RequestHandler, session: Session, workers: int) -> None:
        self._client, self._exchange, self._session = client, exchange, session
        self._turns = PrioritySemaphore(workers)
        self.size = workers * WINDOW_PER_WORKER
        self.order: deque[tuple[str, bool]] = deque()
        self._tasks: dict[str, asyncio.Task[Answer]] = {}
        self._known: dict[str, Answer] = {}
        self._wanted: dict[str, int] = {}
        self._calling: set[asyncio.Task[Answer]] = set()
        # Holds the first error of any task.
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped = False

    def take(self, batch: list[LLMRequest]) -> None:
        keys = [self._exchange.key(request) for request in batch]
        new = {key: request for key, request in zip(keys, batch, strict=True) if key not in self._wanted}
        self._known.update(known := self._exchange.from_cache(new))
        for key in keys:
            first = key not in self._wanted
            self._wanted[key] = self._wanted.get(key, 0) + 1
            self.order.append((key, first and key not in known))
        for key, request in new.items():
            if key not in known:
                self._tasks[key] = task = asyncio.create_task(self._ask(key, request))
                task.add_done_callback(self._note)

    def _note(self, task: asyncio.Task[Answer]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)

    async def next(self) -> Answer:
        """Return the answer to the first question of the window."""
        key, asked = self.order.popleft()
        if key not in self._known:
            # A later question may be what ends everything: it must not wait for the first one's turn.
            either: tuple[asyncio.Future[Any], ...] = (self._tasks[key], self._failure)
            while not any(future.done() for future in either):
                self._session.check_time()
                left = self._session.seconds_left()
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
            self._known[key] = self._tasks.pop(key).result()
        answer = self._known[key]
        self._wanted[key] -= 1
        if not self._wanted[key]:
            del self._wanted[key], self._known[key]
        if asked:
            return answer
        self._exchange.repeated()
        return answer._replace(cached=True)

    async def _ask(self, key: str, request: LLMRequest) -> Answer:
        tries = 0
        task = asyncio.current_task()
        assert task is not None
        while True:
            await self._turns.take(tries)
            self._calling.add(task)
            try:
                outcome = self._exchange.postponed() or await self._call(key, request, tries + 1)
            except Exception:
                # Before the place goes to the next question.
                self._stopped = True
                raise
            finally:
                self._calling.discard(task)
                self._turns.give()
            if isinstance(outcome, Answer):
                return outcome
            tries += outcome.called
            self._go_on()
            await asyncio.sleep(outcome.seconds)

    def _go_on(self) -> None:
        if self._stopped:
            raise asyncio.CancelledError

    async def _call(self, key: str, request: LLMRequest, tries: int) -> Answer | RetryAfter:
        self._go_on()
        self._session.begin_call()
        started = time.monotonic()
        try:
            with within(self._session.seconds_left()):
                reply = await self._client.send_async(request)
        except Exception as error:
            return self._exchange.failed(error, tries)
        return self._exchange.succeeded(key, request, reply, time.monotonic() - started)

    def cancel(self) -> None:
        """Break off calls under way."""
        self._calling.clear()

    async def end(self) -> None:
        """Let calls under way finish, so that they are kept, and drop the rest."""
        self._stopped = True
        for task in self._tasks.values():
            if task not in self._calling:
                task.cancel()
        left = self._session.seconds_left()
        if left is not None and self._tasks:
            # Calls of our own clients end with the time; those of others may hang.
            _, hanging = await asyncio.wait(self._tasks.values(), timeout=left + GRACE_SECONDS)
            for task in hanging:
                task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._failure.done():
            # An error nobody waited for any more is no news.
            self._failure.exception()
