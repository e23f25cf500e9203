"""Classify failed calls: retry, give up this request, or stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["passing", "request", "final"]
# 499 is what Ollama says when a client went away, -1 what its Python client makes of an error in mid-stream.
PASSING_STATUS = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, -1})
_TOO_LONG = ("prompt is longer than the context", "input length exceeds", "prompt was cut", "maximum context length")
_NOT_FOUND_PAGE = "page not found"
# By name, so that no client library has to be installed, or imported, to know its errors.
_TIMEOUTS = frozenset({"TimeoutException", "APITimeoutError"})
_CONNECTION = frozenset({"TransportError", "NetworkError", "ProtocolError", "APIConnectionError"})
_UNREADABLE = frozenset({"JSONDecodeError", "APIResponseValidationError", "ValidationError"})


class Failure(NamedTuple):
    """Reaction to an error.

    :param kind: ``passing`` may go away by itself, ``request`` concerns this question alone, ``final`` all of them.
    :param reason: A few fixed words, to be counted.
    :param remedy: What the user can do; empty where nothing is known.
    """

    kind: Kind
    reason: str
    remedy: str = ""


def failure_of(error: BaseException) -> Failure:
    """Tell what an error of a client means.

    Passing are the server's own failures (500, 502, 503, 504), being busy (429), a refused or broken connection, a read
    timeout, and a body that is no answer (a proxy's page). A prompt that is too long concerns its question alone.
    Anything else, such as a model that was not pulled, would fail for every question.

    :param error: What the client raised.
    """
    for each in _chain(error):
        status = _status(each)
        if status is not None:
            return _of_status(status, str(each))
        names = {cls.__name__ for cls in type(each).__mro__}
        if isinstance(each, TimeoutError) or names & _TIMEOUTS:
            return Failure("passing", "timed out", "raise the timeout, or ask fewer questions at a time")
        if isinstance(each, ConnectionError) or names & _CONNECTION:
            return Failure("passing", "no connection", "start the server (Ollama: `ollama serve`), or give its url")
        if isinstance(each, json.JSONDecodeError) or names & _UNREADABLE:
            return Failure("passing", "unreadable response", "look for a proxy between here and the server")
    if isinstance(error, AttributeError) and _raised_in(error, "ollama"):
        return Failure("passing", "unreadable response", "look for a proxy between here and the server")
    return Failure("final", f"{type(error).__name__}: {error}")


def _raised_in(error: BaseException, package: str) -> bool:
    """Tell whether a package raised the error; ollama-python fails on error bodies that are JSON but not an object."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0] == package


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) and not isinstance(status, bool) else None


def _of_status(status: int, text: str) -> Failure:
    lower = text.lower()
    if any(words in lower for words in _TOO_LONG):
        return Failure("request", "prompt too long", "raise num_ctx, or cut the passages shorter")
    if status == 413:
        return Failure("request", "prompt too long", "cut the passages shorter, or let the server take more")
    if status in PASSING_STATUS:
        return Failure("passing", "server busy" if status in (429, 503) else f"server error {status}")
    if status == 404 and _NOT_FOUND_PAGE not in lower:
        return Failure("final", f"the server says: {text}", "`ollama pull` the model, or name one that the server has")
    if status == 404:
        return Failure("final", "the server has no such page", "check the url: is it that of the model's server?")
    if status in (401, 403):
        remedy = "put a valid key into OPENAI_API_KEY (or OLLAMA_API_KEY for Ollama's cloud)"
        return Failure("final", f"the server refuses access ({status}): {text}", remedy)
    return Failure("final", f"the server refuses the request ({status}): {text}")
