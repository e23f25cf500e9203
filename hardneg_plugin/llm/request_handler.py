"""Request handling shared by the sync and async clients: cache, retries, budget."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import NamedTuple

from hardneg_plugin.errors import HardnegError, LLMError
from hardneg_plugin.llm.failures import failure_of
from hardneg_plugin.llm.request import LLMClient, LLMReply, LLMRequest, request_key
from hardneg_plugin.llm.session import Session
from hardneg_plugin.llm.token_count import counted

WINDOW_PER_WORKER = 64
"""Questions that may be under way or waiting for their turn: one in a long wait does not hold up the others."""


class Answer(NamedTuple):
    """The outcome of a question.

    :param reply: The answer; None where there is none, and ``reason`` says why.
    :param reason: Empty with a reply, else a few fixed words such as ``timed out``.
    :param cached: Whether it cost no call.
    """

    reply: LLMReply | None
    reason: str = ""
    cached: bool = False


class RetryAfter(NamedTuple):
    """A question whose turn comes again.

    :param seconds: After them.
    :param called: Whether a call was made, which may have been its last.
    """

    seconds: float
    called: bool = True


class RequestHandler:
    """One client's questions of one task.

    :param client: Who is asked.
    :param session: Cache, budget and counts.
    :param task: What the questions are for, such as ``classify``.
    :param total: Number of questions, if it is known.
    """

    def __init__(self, client: LLMClient, session: Session, task: str, total: int | None) -> None:
        self._client, self._session, self._task, self._total = client, session, task, total
        self._started = time.monotonic()
        self._before = session.usage.of(task)
        self._lock = threading.Lock()
        self._done = 0
        # Keys whose answer of an earlier run is of no use, and those that got such an answer in this one.
        self._stale: set[str] = set()
        self._useless = session.useless if session.keeps_useless else set()
        # The server asked to be left alone until then.
        self._quiet_until = 0.0

    def key(self, request: LLMRequest) -> str:
        """Return the key of a question."""
        return request_key(self._client.identity, request)

    def from_cache(self, keys: dict[str, LLMRequest]) -> dict[str, Answer]:
        """Return key → answer of the questions that were answered before.

        An answer of no use (cut off, empty, unreadable) is taken only in the run that got it: a later one asks again.
        """
        found = self._session.cache.get(list(keys))
        stale = {key for key, reply in found.items() if key not in self._useless and keys[key].fault(reply)}
        self._stale |= stale
        known = {key: reply for key, reply in found.items() if key not in stale}
        for key, reply in known.items():
            self._session.keep_record(key, self._client.identity, keys[key], reply)
        return {key: Answer(reply, cached=True) for key, reply in known.items()}

    def repeated(self) -> None:
        """Count a question that the cache, or a call for its twin, answered."""
        self._session.usage.cached(self._task)
        self._advance()

    def succeeded(self, key: str, request: LLMRequest, reply: LLMReply, seconds: float) -> Answer:
        """Keep an answer of the server.

        :param seconds: What the client measured, for servers that do not say.
        :raises BudgetError: If the budget is in tokens and the server does not count them.
        """
        if reply.seconds is None:
            reply = replace(reply, seconds=round(seconds, 4))
        self._session.cache.put(key, reply, replace=key in self._stale)
        if request.fault(reply):
            self._useless.add(key)
        self._session.record_success()
        self._session.keep_record(key, self._client.identity, request, reply)
        if reply.finish == "length":
            # A server that breaks an answer off may leave out what it has cost.
            reply = counted(request, reply)
        self._session.usage.called(self._task, reply)
        self._session.check_counted(reply)
        self._advance()
        return Answer(reply)

    def postponed(self) -> RetryAfter | None:
        """Return when to come again where the server asked to be left alone; None where a call may begin."""
        seconds = self._quiet_until - time.monotonic()
        return RetryAfter(seconds, called=False) if seconds > 0 else None

    def failed(self, error: Exception, tries: int) -> Answer | RetryAfter:
        """Return what comes after a failed call: another one, or no answer.

        :param error: What the client raised.
        :param tries: Calls so far.
        :raises LLMError: If it would fail for every question.
        :raises BudgetError: If its time is over.
        """
        self._session.release_call()
        # A call that the end of the budget broke off is no fault of its question.
        self._session.check_time()
        if isinstance(error, HardnegError):
            # It says already what is wrong and what to do.
            raise error
        failure = failure_of(error)
        if failure.kind == "final":
            msg = f"the language model{self._where} cannot be asked: {failure.reason}"
            raise LLMError(msg + (f"; {failure.remedy}" if failure.remedy else "")) from error
        wait = self._session.retries.wait_after(failure, tries)
        if wait is not None:
            self._session.usage.retried(self._task)
            # It means all who ask, not this question alone.
            self._quiet_until = max(self._quiet_until, time.monotonic() + (failure.wait or 0.0))
            return RetryAfter(wait)
        if failure.kind == "passing":
            self._session.record_failure(failure, self._where)
        else:
            self._session.record_success()
        self._session.usage.unanswered(self._task, failure.reason)
        self._advance()
        return Answer(None, failure.reason)

    @property
    def _where(self) -> str:
        where = getattr(self._client, "where", "")
        return f" at {where}" if where else ""

    def _advance(self) -> None:
        with self._lock:
            self._done += 1
            done = self._done
        now = self._session.usage.of(self._task) - self._before
        tokens = now.prompt_tokens + now.completion_tokens
        elapsed = time.monotonic() - self._started
        self._session.shown.update(self._task, done, self._total, now.calls, tokens, elapsed)
