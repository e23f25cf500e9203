"""Classify failed calls: retry, give up this request, or stop."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hardneg_plugin.llm.reasons import (
    FILTERED,
    NO_CONNECTION,
    PASSING_STATUS,
    TIMED_OUT,
    TOO_LONG,
    UNREADABLE,
    server_error,
)

Kind = Literal["passing", "request", "final"]
_PHRASES = Path(__file__).with_name("too_long.txt")
_NOT_FOUND_PAGE = "page not found"
# Of a server's own words, in messages.
_MOST_CHARS = 200
# By name, so that no client library has to be installed, or imported, to know its errors.
_TIMEOUTS = frozenset({"TimeoutException", "APITimeoutError"})
_CONNECTION = frozenset({"TransportError", "NetworkError", "ProtocolError", "APIConnectionError"})
_UNREADABLE = frozenset({"JSONDecodeError", "APIResponseValidationError", "ValidationError"})
_BAD_URL = frozenset({"UnsupportedProtocol", "InvalidURL"})
_SECONDS = re.compile(r"\d+(\.\d+)?")
_FILTERED = "ContentFilterFinishReasonError"


class BrokenAnswerError(ValueError):
    """A response that its server calls a success, and that is no answer; the text says what came instead."""


class Failure(NamedTuple):
    """Reaction to an error.

    :param kind: ``passing`` may go away by itself, ``request`` concerns this question alone, ``final`` all of them.
    :param reason: A few fixed words, to be counted.
    :param remedy: What the user can do; empty where nothing is known.
    :param words: What the server said, shortened; empty where it said nothing.
    :param wait: Seconds that the server asks to be left alone (``Retry-After``); None where it asks for none.
    """

    kind: Kind
    reason: str
    remedy: str = ""
    words: str = ""
    wait: float | None = None


def failure_of(error: BaseException) -> Failure:
    """Tell what an error of a client means.

    Passing are the server's own failures (500, 502, 503, 504), being busy (429), a refused or broken connection, a read
    timeout, and a body that is no answer (a proxy's page). A prompt that is too long, or that a filter holds back,
    concerns its question alone. Anything else, such as a model that was not pulled, would fail for every question.

    :param error: What the client raised.
    """
    chain = list(_chain(error))
    for each in chain:
        if _names(each) & _BAD_URL:
            return Failure("final", f"the url cannot be used: {each}", "give it as http://HOST:PORT, or https://…")
        if isinstance(each, BrokenAnswerError):
            return _of_broken(str(each))
    for each in chain:
        failure = _of_error(each)
        if failure is not None:
            return failure._replace(wait=_wait(chain)) if failure.kind == "passing" else failure
    return Failure("final", f"{type(error).__name__}: {error}")


def _of_error(error: BaseException) -> Failure | None:
    status, names = _status(error), _names(error)
    if status is not None:
        return _of_status(status, _said(error))
    if _FILTERED in names:
        return Failure("request", FILTERED, "the server's content filter held the answer back")
    if isinstance(error, TimeoutError) or names & _TIMEOUTS:
        return Failure("passing", TIMED_OUT, "raise the timeout, or ask fewer questions at a time")
    if isinstance(error, ConnectionError) or names & _CONNECTION:
        return Failure("passing", NO_CONNECTION, "start the server (Ollama: `ollama serve`), or give its url")
    if isinstance(error, json.JSONDecodeError) or names & _UNREADABLE:
        return Failure("passing", UNREADABLE, "look for a proxy between here and the server")
    return None


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _wait(chain: Sequence[BaseException]) -> float | None:
    """Return the seconds that a response asks to wait, whether it gives them or a date of its clock."""
    responses = (getattr(each, "response", None) for each in chain)
    headers: Mapping[str, str] = next((found for each in responses if (found := getattr(each, "headers", None))), {})
    told = str(headers.get("retry-after", "")).strip()
    try:
        seconds = float(told) if _SECONDS.fullmatch(told) else _moment(told) - _now(headers)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)


def _moment(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _now(headers: Mapping[str, str]) -> float:
    """Return the time of the server's clock, or of this machine's where it does not say."""
    try:
        return _moment(headers["date"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return time.time()


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


def _said(error: BaseException) -> str:
    """Return the server's own words: a client's frame around them, and JSON inside JSON, taken off."""
    own = getattr(error, "error", None)
    body: Any = getattr(error, "body", None) or (own if isinstance(own, str) else None) or str(error)
    return _message_of(body) or str(error)


def _message_of(body: Any) -> str:
    if isinstance(body, str) and body.lstrip().startswith("{"):
        try:
            body = json.loads(body)
        except ValueError:
            return str(body)
    if not isinstance(body, Mapping):
        return str(body)
    for name in ("error", "message", "detail"):
        if body.get(name):
            words = _message_of(body[name])
            kind = body.get("type") or body.get("code")
            return f"{words} ({kind})" if isinstance(kind, str) and kind not in words else words
    return json.dumps(dict(body), ensure_ascii=False)


@lru_cache(maxsize=1)
def _too_long() -> tuple[str, ...]:
    lines = _PHRASES.read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def words_of(body: Mapping[str, Any]) -> str:
    """Return the message of an error that a server reports as JSON.

    :param body: The JSON, which may hold further JSON as a text.
    """
    return _message_of(body)


def _of_broken(said: str) -> Failure:
    words = said[:_MOST_CHARS]
    if any(phrase in said.lower() for phrase in _too_long()):
        return Failure("request", TOO_LONG, "raise num_ctx, or cut the passages shorter", words)
    return Failure("passing", UNREADABLE, "look for a proxy between here and the server", words)


def _of_status(status: int, said: str) -> Failure:
    lower, words = said.lower(), said[:_MOST_CHARS]
    if any(phrase in lower for phrase in _too_long()):
        return Failure("request", TOO_LONG, "raise num_ctx, or cut the passages shorter", words)
    if status == 413:
        return Failure("request", TOO_LONG, "cut the passages shorter, or let the server take more", words)
    if "content_filter" in lower or "content management policy" in lower:
        return Failure("request", FILTERED, "the server's content filter held the question back", words)
    if status in PASSING_STATUS:
        return Failure("passing", server_error(status), _remedy(lower), words)
    if status == 404:
        return _not_found(words)
    if status in (401, 403):
        remedy = "put a valid key into OPENAI_API_KEY (or OLLAMA_API_KEY for Ollama's cloud)"
        return Failure("final", f"the server refuses access ({status}): {words}", remedy)
    remedy = "give `think: unset`, or a level that the model knows" if "think" in lower else ""
    return Failure("final", f"the server refuses the request ({status}): {words}", remedy)


def _remedy(words: str) -> str:
    if "memory" in words:
        return "the model does not fit: take a smaller one, or a smaller num_ctx, or free memory"
    return "look at the server's log" if "terminated" in words else ""


def _not_found(words: str) -> Failure:
    lower = words.lower()
    if "model" in lower and _NOT_FOUND_PAGE not in lower:
        return Failure("final", f"the server says: {words}", "`ollama pull` the model, or name one that the server has")
    remedy = "check the url: is it that of the model's server? An OpenAI-compatible one has its address end in /v1"
    return Failure("final", f"the server has no such page, no /v1 here ({words})", remedy)
