"""Faults of retrievers: failures that may pass, failures that do not, and answers of nothing."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from haystack import logging
from haystack.dataclasses import Document

from hardneg_plugin.components.kept_answers import KeptAnswers
from hardneg_plugin.errors import HardnegError, RetrievalError
from hardneg_plugin.llm.failures import Failure, failure_of
from hardneg_plugin.llm.session import current_session
from hardneg_plugin.records import MiningExample

logger = logging.getLogger(__name__)

# What clients of stores raise for a connection that broke, by name: none of them has to be installed.
_CONNECTION = frozenset({"OperationalError", "ResponseHandlingException", "MilvusUnavailableException"})


def asked_again(component: str, ask: Callable[..., Any], question: Mapping[str, Any], about: str) -> Any:
    """Ask, again after a failure that may pass, as often and as soon as a language model is asked.

    :param component: Name for messages.
    :param ask: What is called.
    :param question: Its arguments.
    :param about: What it is asked for, such as the example.
    :raises RetrievalError: If it fails for good; says what for.
    """
    tries = 0
    while True:
        try:
            return ask(**question)
        except Exception as error:
            tries += 1
            time.sleep(_pause(component, error, tries, about))


async def asked_again_async(component: str, ask: Callable[..., Any], question: Mapping[str, Any], about: str) -> Any:
    """Ask as :func:`asked_again` does, in an event loop.

    :param component: Name for messages.
    :param ask: A coroutine function, or what a thread calls.
    :param question: Its arguments.
    :param about: What it is asked for, such as the example.
    :raises RetrievalError: If it fails for good; says what for.
    """
    tries = 0
    while True:
        try:
            if inspect.iscoroutinefunction(ask):
                return await ask(**question)
            return await asyncio.to_thread(ask, **question)
        except Exception as error:
            tries += 1
            await asyncio.sleep(_pause(component, error, tries, about))


def _pause(component: str, error: Exception, tries: int, about: str) -> float:
    """Return the seconds until the next try.

    :raises RetrievalError: If there is none.
    """
    if isinstance(error, HardnegError):
        raise error
    wait = current_session().retries.wait_after(_failure(error), tries)
    if wait is not None:
        return wait
    times = f" {tries} times" if tries > 1 else ""
    msg = f"{component}: {about} could not be asked{times}: {type(error).__name__}: {error}"
    raise RetrievalError(msg) from error


def _failure(error: Exception) -> Failure:
    if {cls.__name__ for cls in type(error).__mro__} & _CONNECTION:
        return Failure("passing", "no connection")
    return failure_of(error)


def failed(error: BaseException, kept: KeptAnswers, answers: Mapping[str, Sequence[Document]], total: int) -> None:
    """Keep what was answered before an error, and say so in it.

    :param error: The error that ended the questions.
    :param kept: Where they are kept.
    :param answers: Query → documents so far.
    :param total: Number of queries.
    """
    if kept.write(answers):
        error.add_note(f"{len(answers):,} of {total:,} answers are kept in the cache; the same call asks only the rest")


class NothingFound(NamedTuple):
    """Facts for a message about a retriever that found nothing.

    :param component: Name of the miner.
    :param retriever: Name of the retriever.
    :param again: Asks the first example by ``run``, where ``run_async`` was asked; else None.
    :param empty_store: Returns the name of a store of it that has no documents, or an empty text.
    """

    component: str
    retriever: str
    again: Callable[[], Any] | None
    empty_store: Callable[[], str]

    def cause(self) -> str:
        """Return the likely cause."""
        if self.again is not None and self.again().get("documents"):
            return (
                "its run finds what its run_async does not: a store in memory may have another, empty one for "
                "asynchronous clients; use run, or a store on a disk or a server"
            )
        if store := self.empty_store():
            return f"its {store} has no documents; one in memory is empty after it was loaded: write them again"
        return "look at its filters and thresholds, and at whether it wants all words of a query"


def check_something_found(
    nothing: NothingFound,
    examples: Sequence[MiningExample],
    found: Sequence[Sequence[Document]],
    *,
    found_before: bool,
) -> None:
    """Warn of examples for which nothing was found.

    :param nothing: Words for the message.
    :param examples: The examples.
    :param found: What was found for each.
    :param found_before: Whether earlier calls found something: then the store is not to blame.
    :raises RetrievalError: If nothing was found for any example.
    """
    empty = [example for example, documents in zip(examples, found, strict=True) if not documents]
    if not empty:
        return
    shown = "; ".join(f"{example.id!r}: {example.query:.80}" for example in empty[:3])
    what = (
        f"{nothing.component}: {nothing.retriever} found nothing for {len(empty):,} of {len(examples):,} examples"
        f" ({shown})"
    )
    if len(empty) == len(examples) and not found_before:
        msg = f"{what}; {nothing.cause()}"
        raise RetrievalError(msg)
    logger.warning("{what}", what=what)
