"""Read the facts about a model, and the place of its server, through OpenAI's API."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import regex
from haystack import logging

from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.failures import Failure, failure_of

logger = logging.getLogger(__name__)
OPENAI = "https://api.openai.com/v1"
_VERSION = regex.compile(r"v\d+\w*")
_CONNECT_SECONDS = 5.0
# A server that loads its model says that it is busy.
_TRIES, _WAIT_SECONDS = 30, 2.0
# Some servers give the time of the question as that of the model.
_NOW_SECONDS = 120
_OLLAMA = "library"


class Address(NamedTuple):
    """The address of a server.

    :param url: Its address.
    :param is_openai: Whether it is OpenAI's own.
    """

    url: str
    is_openai: bool

    @staticmethod
    def timeouts(seconds: float) -> Any:
        """Return the limits of a call: of its connection, and of all else."""
        from openai import Timeout

        return Timeout(seconds, connect=_CONNECT_SECONDS)


def server_address(owner: str, url: str | None) -> Address:
    """Return where a server stands.

    :param owner: Name of the component, for the message.
    :param url: Its address; None takes ``OPENAI_BASE_URL``, else OpenAI's own.
    :raises ParameterError: If it is no address of HTTP.
    """
    url = url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        msg = f"{owner}: the url must begin with http:// or https://, such as http://127.0.0.1:8000/v1; got {url!r}"
        raise ParameterError(msg)
    return Address(url, str(urlsplit(url).hostname).endswith("api.openai.com"))


def address_fault(url: str) -> str:
    """Return what is wrong with the address of a server that speaks OpenAI's API; empty where nothing is.

    :param url: The address.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"cannot be read: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"expected http://HOST:PORT/v1 or https://…, got {url!r}"
    if not any(_VERSION.fullmatch(part) for part in parts.path.split("/")):
        return f"the address of an OpenAI-compatible server ends in /v1: {url.rstrip('/')}/v1? Got {url!r}"
    return ""


@dataclass(frozen=True)
class ServedModel:
    """A model as its server describes it.

    :param facts: What tells it from another one under the same name; empty where the server tells nothing.
    :param context: Tokens of prompt and answer together; None where the server does not say.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None


def find_served(client: Any, model: str, address: Address) -> ServedModel:
    """Ask a server what it says of a model.

    A server without such a page is asked nothing more here: the first question shows whether it can answer.

    :param client: Client of the openai library.
    :param model: Name of the model.
    :param address: Where the server stands.
    :raises LLMError: If it does not answer.
    """
    for left in range(_TRIES - 1, -1, -1):
        try:
            response = client.models.with_raw_response.list()
            return _described(json.loads(response.text), model, _time_of(response.headers))
        except Exception as error:
            failure = failure_of(error)
            if getattr(error, "status_code", None) in (404, 405):
                return ServedModel()
            if not _is_loading(failure) or not left:
                raise LLMError(_message(failure, address)) from error
            time.sleep(_WAIT_SECONDS)
    raise AssertionError


def _is_loading(failure: Failure) -> bool:
    return failure.kind == "passing" and "load" in failure.words.lower()


def _message(failure: Failure, address: Address) -> str:
    words = f" ({failure.words})" if failure.words else ""
    remedy = f"; {failure.remedy}" if failure.remedy else ""
    return f"no language model at {address.url}: {failure.reason}{words}{remedy}"


def _time_of(headers: Mapping[str, str]) -> float:
    """Return the server's time, or this machine's where it does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


def _described(listed: Any, model: str, now: float) -> ServedModel:
    entries = listed.get("data") if isinstance(listed, Mapping) else None
    entries = [entry for entry in entries or () if isinstance(entry, Mapping)]
    own = [entry for entry in entries if model in (entry.get("id"), *(entry.get("aliases") or ()))]
    # A server of one model answers by it, whatever name it is called by.
    entry = own[0] if own else (entries[0] if len(entries) == 1 else None)
    if entry is None:
        return ServedModel()
    if entry.get("owned_by") == _OLLAMA:
        logger.warning("this is Ollama, whose /v1 may cut a prompt without a word: `api: ollama` refuses what is cut")
    meta = dict(entry.get("meta") or {})
    context = meta.pop("n_ctx", None) or entry.get("max_model_len")
    facts = {"id": entry.get("id"), "meta": meta}
    for name in ("created", "root", "owned_by"):
        value = entry.get(name)
        if value is not None and not (name == "created" and abs(float(value) - now) < _NOW_SECONDS):
            facts[name] = value
    return ServedModel(facts, context if isinstance(context, int) else None)
