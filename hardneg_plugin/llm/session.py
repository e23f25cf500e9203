"""State shared by all requests of a run: cache, budget, counts, recording."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hardneg_plugin.cache import LLM_CACHE, cache_root
from hardneg_plugin.errors import BudgetError, LLMError
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.failures import Failure
from hardneg_plugin.llm.progress import ProgressLine
from hardneg_plugin.llm.reasons import NO_CONNECTION
from hardneg_plugin.llm.recording import recorded_line, recorded_texts, repair_truncated_tail, text_digest
from hardneg_plugin.llm.reply_cache import ReplyCache
from hardneg_plugin.llm.request import LLMReply, LLMRequest
from hardneg_plugin.llm.usage import Usage

_SPENT = "the budget is spent: {}; every answer so far is kept, and the same command goes on from here"


@dataclass(frozen=True)
class RetryPolicy:
    """Number and delays of retries after a retryable failure.

    :param tries: Calls for one question, the first included.
    :param base: Seconds before the second call; each further wait is twice as long.
    :param longest: Seconds that no wait exceeds.
    :param breaker: Questions in a row that used up their tries, with no answer in between, after which all stops.
    :param longest_asked: Seconds that a server may ask to be left alone; a question that it sends away for longer is
        given up, and asked again by a later run.
    """

    tries: int = 5
    base: float = 1.0
    longest: float = 30.0
    breaker: int = 5
    longest_asked: float = 300.0

    def wait_after(self, failure: Failure, tries: int) -> float | None:
        """Return the seconds until a call is made again; None where it is not.

        :param failure: What came of the last one.
        :param tries: Calls so far.
        """
        asked = failure.wait or 0.0
        if failure.kind != "passing" or tries >= self.tries or asked > self.longest_asked:
            return None
        # Full waits of all clients at the same moment would hit a busy server together.
        wait = min(self.longest, self.base * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        return max(float(wait), asked)


def _nowhere(line: str) -> None:
    """Show a line to nobody."""


@dataclass
class Session:
    """The state of one run's questions; safe for threads.

    :param cache: Answers kept between runs.
    :param budget: What may be spent.
    :param record: File to which every answer is appended.
    :param say: Shows a line.
    :param retries: What is tried again.
    :param keeps_useless: Whether an answer of no use stands as long as the session, as that of one run; False where
        the session outlives the runs.
    """

    cache: ReplyCache
    budget: Budget = field(default_factory=Budget)
    record: Path | None = None
    say: Callable[[str], None] = _nowhere
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    keeps_useless: bool = True

    def __post_init__(self) -> None:
        self.usage = Usage()
        self.useless: set[str] = set()
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._begun = 0
        self._failed_in_a_row = 0
        self._answered = False
        self._file: IO[str] | None = None
        self._recorded = self._keys_in_record()
        self.shown = ProgressLine(self.say)

    def _keys_in_record(self) -> dict[str, str]:
        if self.record is None:
            return {}
        if repair_truncated_tail(self.record):
            self.say(f"{self.record}: the last line was cut off when a run was killed; it is written again")
        return recorded_texts(self.record)

    @property
    def is_shown(self) -> bool:
        """True where messages are shown to somebody."""
        return self.say is not _nowhere

    def begin_call(self) -> None:
        """Take one call from the budget.

        :raises BudgetError: If it is spent.
        """
        with self._lock:
            spent = self._spent()
            if spent:
                raise BudgetError(_SPENT.format(spent))
            self._begun += 1

    def seconds_left(self) -> float | None:
        """Return the seconds until a budget in minutes is spent, 0 where it is; None without one."""
        if self.budget.minutes is None:
            return None
        return max(self._started + 60 * self.budget.minutes - time.monotonic(), 0.0)

    def check_time(self) -> None:
        """Check that there is time left, for who waits for calls that may hang.

        :raises BudgetError: If there is none.
        """
        if self.seconds_left() == 0:
            with self._lock:
                raise BudgetError(_SPENT.format(self._spent()))

    def remaining(self) -> Budget:
        """Return what is left of the budget, for a process that asks on behalf of this session.

        :raises BudgetError: If it is spent.
        """
        self.begin_call()
        self.release_call()
        total, budget = self.usage.total(), self.budget
        tokens = total.prompt_tokens + total.completion_tokens
        minutes = (time.monotonic() - self._started) / 60
        return Budget(
            None if budget.calls is None else budget.calls - self._begun,
            None if budget.tokens is None else budget.tokens - tokens,
            None if budget.minutes is None else budget.minutes - minutes,
        )

    def merge_usage(self, usage: Mapping[str, Mapping[str, Any]]) -> None:
        """Count what another process asked on behalf of this session.

        :param usage: What its :meth:`Usage.to_dict` returned.
        """
        self.usage.add(usage)
        with self._lock:
            self._begun += sum(int(sums["calls"]) for sums in usage.values())

    def release_call(self) -> None:
        """Return a call to the budget that got no answer."""
        with self._lock:
            self._begun -= 1

    def _spent(self) -> str:
        total, minutes = self.usage.total(), (time.monotonic() - self._started) / 60
        tokens = total.prompt_tokens + total.completion_tokens
        if self.budget.calls is not None and self._begun >= self.budget.calls:
            return f"{self._begun:,} calls of {self.budget.calls:,}"
        if self.budget.tokens is not None and tokens >= self.budget.tokens:
            return f"{tokens:,} tokens of {self.budget.tokens:,}"
        if self.budget.minutes is not None and minutes >= self.budget.minutes:
            return f"{minutes:.1f} minutes of {self.budget.minutes:g}"
        return ""

    def record_success(self) -> None:
        """Say that the server answers."""
        with self._lock:
            self._failed_in_a_row, self._answered = 0, True

    def check_counted(self, reply: LLMReply) -> None:
        """Check that a budget in tokens can be kept to.

        :raises BudgetError: If the server does not count them.
        """
        if self.budget.tokens is not None and None in (reply.prompt_tokens, reply.completion_tokens):
            msg = "the budget is in tokens, which this server does not count; give it in calls or minutes"
            raise BudgetError(msg)

    def record_failure(self, failure: Failure, where: str) -> None:
        """Say that a question used up its tries.

        :param failure: What the last one ended with.
        :param where: ``" at "`` and the address of the server, for the message; empty where it is not known.
        :raises LLMError: If the server seems to be gone: too many in a row, or the very first.
        """
        with self._lock:
            self._failed_in_a_row += 1
            never = not self._answered and failure.reason == NO_CONNECTION
            if self._failed_in_a_row < self.retries.breaker and not never:
                return
            questions = f"{self._failed_in_a_row} question{'s' if self._failed_in_a_row > 1 else ''} in a row"
            # Who asks again later may have started the server.
            self._failed_in_a_row = 0
        reason = f"{failure.reason} ({failure.words})" if failure.words else failure.reason
        msg = f"the language model{where} does not answer: {reason}, {questions} with {self.retries.tries} tries each"
        msg += f"; {failure.remedy}" if failure.remedy else ""
        msg += ". Every answer so far is kept, and the same command goes on from here"
        raise LLMError(msg)

    def keep_record(self, key: str, identity: Mapping[str, Any], request: LLMRequest, reply: LLMReply) -> None:
        """Append an answer to the recording, if there is one and it is not in it yet; the last to a question counts."""
        if self.record is None:
            return
        with self._lock:
            if self._file is None:
                self.record.parent.mkdir(parents=True, exist_ok=True)
                # Half a surrogate pair, which UTF-8 cannot hold, becomes its escape, which JSON reads.
                self._file = self.record.open("a", encoding="utf-8", errors="backslashreplace")
            digest = text_digest(reply)
            if self._recorded.get(key) == digest:
                return
            self._recorded[key] = digest
            line = recorded_line(key, identity, request, reply)
            self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
        self.cache.close()


_CURRENT: ContextVar[Session | None] = ContextVar("hardneg_llm_session", default=None)
_DEFAULTS: dict[Path, Session] = {}


def current_session() -> Session:
    """Return the session that the surrounding block opened, else one without budget for the process."""
    session = _CURRENT.get()
    if session is not None:
        return session
    path = cache_root() / LLM_CACHE
    return _DEFAULTS.setdefault(path, Session(ReplyCache(path), keeps_useless=False))


@contextmanager
def session(
    *,
    budget: Budget | None = None,
    record: Path | None = None,
    say: Callable[[str], None] | None = None,
    retries: RetryPolicy | None = None,
) -> Iterator[Session]:
    """Open a session: what is asked inside the block shares its cache, budget, counts and recording.

    :param budget: What may be spent; None does not limit it.
    :param record: File to which every answer is appended, each request once; None records nothing.
    :param say: Shows a line about costs and progress; None shows nothing.
    :param retries: What is tried again.
    :raises DatasetError: If ``record`` is there and is no recording.
    """
    opened = Session(
        ReplyCache(cache_root() / LLM_CACHE),
        budget=budget or Budget(),
        record=record,
        say=say or _nowhere,
        retries=retries or RetryPolicy(),
    )
    token = _CURRENT.set(opened)
    try:
        yield opened
    finally:
        _CURRENT.reset(token)
        opened.close()
