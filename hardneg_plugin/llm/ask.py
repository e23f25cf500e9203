"""Asking many questions at a time with threads, for clients that wait."""

from __future__ import annotations

import heapq
import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, islice

from hardneg_plugin.errors import BudgetError
from hardneg_plugin.llm.concurrency import GRACE_SECONDS, LOOK_UP_SECONDS, WorkerPool
from hardneg_plugin.llm.deadline import within
from hardneg_plugin.llm.request import LLMClient, LLMRequest
from hardneg_plugin.llm.request_handler import WINDOW_PER_WORKER, Answer, RequestHandler, RetryAfter
from hardneg_plugin.llm.session import Session, current_session


def ask(
    client: LLMClient, requests: Iterable[LLMRequest], *, workers: int, task: str, total: int | None = None
) -> Iterator[Answer]:
    """Yield the answers to some questions, in their order.

    Questions are taken one window at a time, so they may come from a generator. Each distinct question is asked once;
    an answer is in the cache before it is yielded. A failure that may pass is tried again, and while it waits, its
    place is free for others. Who stops early, by an error or by asking for no more, waits for the calls under way; an
    interruption (Ctrl-C) does not, and a budget in minutes that is spent waits a moment.

    :param client: Who is asked; called from several threads.
    :param requests: The questions.
    :param workers: Most calls at the same time.
    :param task: Name under which they are counted, such as ``classify``.
    :param total: Number of questions, if it is known, for the estimate.
    :raises LLMError: If the model cannot be asked at all; what was answered stays in the cache.
    :raises BudgetError: If the session's budget is spent; calls under way are finished and kept first.
    """
    session = current_session()
    window = _Window(client, RequestHandler(client, session, task, total), session, workers)
    wait: float | None = None
    try:
        yield from window.answers(iter(requests))
    except KeyboardInterrupt:
        wait = 0.0
        raise
    except BudgetError:
        # Calls of our own clients end with the time; those of others may hang.
        left = session.seconds_left()
        wait = None if left is None else left + GRACE_SECONDS
        raise
    finally:
        window.end(wait)


class _Window:
    """The questions that are under way."""

    def __init__(self, client: LLMClient, exchange: RequestHandler, session: Session, workers: int) -> None:
        self._client, self._exchange, self._session = client, exchange, session
        self._workers = WorkerPool(workers, self._call)
        self._size = workers * WINDOW_PER_WORKER
        # What threads hand back: a key and its outcome, or what ends everything.
        self._outcomes: queue.SimpleQueue[tuple[str, Answer | RetryAfter | BaseException]] = queue.SimpleQueue()
        self._order: deque[tuple[str, bool]] = deque()
        self._asked: dict[str, tuple[LLMRequest, int]] = {}
        self._answered: dict[str, Answer] = {}
        self._wanted: dict[str, int] = {}
        self._waiting: list[tuple[float, int, str]] = []
        self._numbers = count()

    def answers(self, requests: Iterator[LLMRequest]) -> Iterator[Answer]:
        exhausted = False
        while True:
            # Half a window at a time, so that the cache is looked up in batches.
            while not exhausted and len(self._order) <= self._size // 2:
                batch = list(islice(requests, self._size - len(self._order)))
                exhausted = not batch
                self._take(batch)
            if not self._order:
                return
            key, first = self._order[0]
            if key in self._answered:
                self._order.popleft()
                yield self._finished(key, first)
            else:
                self._wait()

    def _take(self, batch: list[LLMRequest]) -> None:
        keys = [self._exchange.key(request) for request in batch]
        new = {key: request for key, request in zip(keys, batch, strict=True) if key not in self._wanted}
        known = self._exchange.from_cache(new)
        for key in keys:
            first = key not in self._wanted
            self._wanted[key] = self._wanted.get(key, 0) + 1
            self._order.append((key, first and key not in known))
        self._answered.update(known)
        for key, request in new.items():
            if key not in known:
                self._asked[key] = (request, 0)
                self._submit(key)

    def _finished(self, key: str, asked: bool) -> Answer:
        answer = self._answered[key]
        self._wanted[key] -= 1
        if not self._wanted[key]:
            del self._wanted[key], self._answered[key]
            self._asked.pop(key, None)
        if asked:
            return answer
        self._exchange.repeated()
        return answer._replace(cached=True)

    def _submit(self, key: str) -> None:
        request, tries = self._asked[key]
        self._asked[key] = (request, tries + 1)
        self._workers.add(key, tries)

    def _call(self, key: str) -> None:
        """Call once, in a thread."""
        request, tries = self._asked[key]
        try:
            outcome = self._exchange.postponed() or self._called(key, request, tries)
            self._outcomes.put((key, outcome))
        except BaseException as error:
            # Who reads the answers may be busy with one: the others must not begin calls meanwhile.
            self._workers.stop()
            self._outcomes.put((key, error))

    def _called(self, key: str, request: LLMRequest, tries: int) -> Answer | RetryAfter:
        self._session.begin_call()
        started = time.monotonic()
        try:
            with within(self._session.seconds_left()):
                reply = self._client.send(request)
        except Exception as error:
            return self._exchange.failed(error, tries)
        return self._exchange.succeeded(key, request, reply, time.monotonic() - started)

    def _wait(self) -> None:
        """Wait a while for the next outcome, or for the next question whose turn has come again."""
        self._session.check_time()
        pauses = [LOOK_UP_SECONDS, self._session.seconds_left()]
        if self._waiting:
            pauses.append(max(self._waiting[0][0] - time.monotonic(), 0.0))
        pause = min(seconds for seconds in pauses if seconds is not None)
        try:
            key, outcome = self._outcomes.get(timeout=pause)
        except queue.Empty:
            if self._waiting and self._waiting[0][0] <= time.monotonic():
                self._submit(heapq.heappop(self._waiting)[2])
            return
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, RetryAfter):
            if not outcome.called:
                request, tries = self._asked[key]
                self._asked[key] = (request, tries - 1)
            heapq.heappush(self._waiting, (time.monotonic() + outcome.seconds, next(self._numbers), key))
        else:
            self._answered[key] = outcome

    def end(self, seconds: float | None) -> None:
        """Begin no further call, and wait for those under way."""
        self._workers.stop()
        self._workers.join(seconds)
