"""Count calls and tokens of language models."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hardneg_plugin.llm.request import LLMReply

VERDICTS, UNDECIDED = "verdicts", "undecided: "
"""Names of the sums of verdicts: all of them, and the beginning of those that are undecided for a reason."""


@dataclass(frozen=True)
class Counts:
    """Sums of one task.

    :param calls: Calls that the server answered.
    :param cached: Questions that the cache answered, or a call for the same question.
    :param retries: Calls made again after a failure that may pass.
    :param unanswered: Questions without an answer.
    :param prompt_tokens: Tokens of the prompts, as the server counted them.
    :param completion_tokens: Tokens of the answers.
    :param seconds: Time of the calls, added up; calls at the same time count each.
    """

    calls: int = 0
    cached: int = 0
    retries: int = 0
    unanswered: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, item.name) - getattr(other, item.name) for item in fields(self)))

    def to_dict(self) -> dict[str, float]:
        """Return name → sum."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


class Usage:
    """Counts task by task; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, Counts] = {}
        self._reasons: dict[str, Counter[str]] = {}
        self._undecided: dict[str, Counter[str]] = {}

    def called(self, task: str, reply: LLMReply) -> None:
        """Count an answer of the server."""
        self._add(
            task,
            Counts(
                calls=1,
                prompt_tokens=reply.prompt_tokens or 0,
                completion_tokens=reply.completion_tokens or 0,
                seconds=reply.seconds or 0.0,
            ),
        )

    def cached(self, task: str) -> None:
        """Count an answer that cost nothing."""
        self._add(task, Counts(cached=1))

    def retried(self, task: str) -> None:
        """Count a call that is made again."""
        self._add(task, Counts(retries=1))

    def unanswered(self, task: str, reason: str) -> None:
        """Count a question without an answer."""
        self._add(task, Counts(unanswered=1))
        with self._lock:
            self._reasons.setdefault(task, Counter())[reason] += 1

    def judged(self, task: str, verdicts: int, undecided: Mapping[str, int]) -> None:
        """Count verdicts.

        :param task: What they were asked for.
        :param verdicts: All of them, undecided ones included.
        :param undecided: Reason → undecided ones.
        """
        with self._lock:
            counts = self._undecided.setdefault(task, Counter())
            counts.update({VERDICTS: verdicts, **{f"{UNDECIDED}{reason}": n for reason, n in undecided.items()}})

    def verdicts(self) -> Counter[str]:
        """Return the sums of :meth:`judged` over all tasks: :data:`VERDICTS`, and :data:`UNDECIDED` and each reason."""
        with self._lock:
            return sum(self._undecided.values(), Counter())

    def _add(self, task: str, counts: Counts) -> None:
        with self._lock:
            self._tasks[task] = self._tasks.get(task, Counts()) + counts

    def add(self, other: Mapping[str, Mapping[str, Any]]) -> None:
        """Add what another process asked.

        :param other: What its :meth:`to_dict` returned.
        """
        for task, sums in other.items():
            self._add(task, Counts(**{item.name: sums[item.name] for item in fields(Counts) if item.name in sums}))
            with self._lock:
                verdicts = {name: n for name, n in sums.items() if name == VERDICTS or name.startswith(UNDECIDED)}
                if verdicts:
                    self._undecided.setdefault(task, Counter()).update(verdicts)
                self._reasons.setdefault(task, Counter()).update(sums.get("reasons", {}))

    def of(self, task: str) -> Counts:
        """Return the sums of a task."""
        with self._lock:
            return self._tasks.get(task, Counts())

    def total(self) -> Counts:
        """Return the sums of all tasks."""
        with self._lock:
            return sum(self._tasks.values(), Counts())

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Return task → sums, with the reasons of unanswered questions and of undecided verdicts."""
        with self._lock:
            tasks = {**dict.fromkeys(self._undecided, Counts()), **self._tasks}
            return {
                task: {
                    **counts.to_dict(),
                    **self._undecided.get(task, {}),
                    **({"reasons": dict(reasons)} if (reasons := self._reasons.get(task)) else {}),
                }
                for task, counts in tasks.items()
            }
