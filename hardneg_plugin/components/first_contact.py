"""The first page that is asked of a server: a fault that passes is tried again, any other names the address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.deadline import within
from hardneg_plugin.llm.failures import Failure, failure_of
from hardneg_plugin.llm.reasons import TIMED_OUT, UNREADABLE

Found = TypeVar("Found")
# Such a page needs no model: a server that has not sent it by then hangs.
_SECONDS = 30.0
_TRIES, _WAIT_SECONDS = 3, 0.5
# A server that loads its model says that it is busy.
_LOADING_TRIES, _LOADING_SECONDS = 30, 2.0
_REFUSED = frozenset({"ConnectError", "ConnectTimeout", "ConnectionError"})


class Kind(NamedTuple):
    """The kind of server that is looked for at an address.

    :param name: Its name in messages.
    :param speaks: Whose API it speaks.
    :param start: How it is started; empty where nothing can be said.
    """

    name: str
    speaks: str
    start: str = ""


def first_answer(ask: Callable[[], Found], where: str, kind: Kind) -> Found:
    """Return what a server answers.

    :param ask: Asks once.
    :param where: Address of the server.
    :param kind: What is looked for there.
    :raises LLMError: If it does not answer, or with something else, with the address.
    """
    tries = 0
    while True:
        tries += 1
        try:
            with within(_SECONDS):
                return ask()
        except LLMError:
            raise
        except Exception as error:
            failure = failure_of(error)
            loading = failure.kind == "passing" and "load" in failure.words.lower()
            if tries >= (_LOADING_TRIES if loading else _TRIES) or not (loading or _is_worth_a_try(error, failure)):
                raise LLMError(_message(error, failure, where, kind)) from error
            time.sleep(min(failure.wait or (_LOADING_SECONDS if loading else _WAIT_SECONDS * tries), _SECONDS))


def _is_worth_a_try(error: BaseException, failure: Failure) -> bool:
    """Tell whether the next moment may bring an answer; a port where nobody listens, or a server that hangs, won't."""
    return failure.kind == "passing" and failure.reason != TIMED_OUT and not _is_refused(error)


def _is_refused(error: BaseException) -> bool:
    return any(type(each).__name__ in _REFUSED for each in (error, error.__cause__, error.__context__))


def _message(error: BaseException, failure: Failure, where: str, kind: Kind) -> str:
    if kind.start and _is_refused(error):
        return f"no {kind.name} at {where}: {kind.start}"
    words = f" ({failure.words})" if failure.words else ""
    remedy = f"; {failure.remedy}" if failure.remedy else ""
    strange = failure.kind == "final" or failure.reason == UNREADABLE
    other = f"; it does not answer as {kind.speaks} does: check the url" if strange else ""
    return f"no {kind.name} at {where}: {failure.reason}{words}{other}{remedy}"


def url_fault(url: str) -> str:
    """Return what is wrong with an address, with or without a scheme; empty where nothing is.

    :param url: The address.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        # Reading a port that is none is what fails.
        known = parts.scheme in ("http", "https") and (parts.port is not None or parts.hostname)
    except ValueError as error:
        return f"cannot be read: {error}; got {url!r}"
    return "" if known else f"expected http://HOST:PORT or https://…, got {url!r}"
