"""Read the facts about a model, and the place of its server, through OpenAI's API."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import regex
from haystack import logging
from pydantic import BaseModel

from hardneg_plugin.components.answer_body import read_answer
from hardneg_plugin.components.first_contact import Kind, first_answer, url_fault
from hardneg_plugin.errors import ParameterError

logger = logging.getLogger(__name__)
OPENAI = "https://api.openai.com/v1"
_VERSION = regex.compile(r"v\d+\w*")
_KIND = Kind("language model", "OpenAI's API")
_NO_PAGE = (404, 405)
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


def server_address(owner: str, url: str | None) -> Address:
    """Return where a server stands.

    :param owner: Name of the component, for the message.
    :param url: Its address; None takes ``OPENAI_BASE_URL``, else OpenAI's own.
    :raises ParameterError: If it is no address of HTTP.
    """
    url = url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if url_fault(url) or "://" not in url:
        msg = f"{owner}: the url must begin with http:// or https://, such as http://127.0.0.1:8000/v1; got {url!r}"
        raise ParameterError(msg)
    return Address(url, str(urlsplit(url).hostname).endswith("api.openai.com"))


def address_fault(url: str) -> str:
    """Return what is wrong with the address of a server that speaks OpenAI's API; empty where nothing is.

    :param url: The address.
    """
    if fault := url_fault(url):
        return fault
    parts = urlsplit(url)
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
    from openai import APIStatusError

    def ask() -> ServedModel:
        try:
            response = client.models.with_raw_response.list()
        except APIStatusError as error:
            if error.status_code in _NO_PAGE:
                return ServedModel()
            raise
        listed = read_answer(response.content, _Models)
        return _described(listed.data or [], model, _time_of(response.headers))

    return first_answer(ask, address.url, _KIND)


class _Models(BaseModel):
    """The page of models."""

    data: list[dict[str, Any]] | None


def _time_of(headers: Mapping[str, str]) -> float:
    """Return the server's time, or this machine's where it does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


def _described(entries: Sequence[Mapping[str, Any]], model: str, now: float) -> ServedModel:
    own = [entry for entry in entries if model in (entry.get("id"), *_texts(entry.get("aliases")))]
    # A server of one model answers by it, whatever name it is called by.
    entry = own[0] if own else (entries[0] if len(entries) == 1 else None)
    if entry is None:
        return ServedModel()
    if entry.get("owned_by") == _OLLAMA:
        logger.warning("this is Ollama, whose /v1 may cut a prompt without a word: `api: ollama` refuses what is cut")
    meta = dict(found) if isinstance(found := entry.get("meta"), Mapping) else {}
    context = meta.pop("n_ctx", None) or entry.get("max_model_len")
    facts = {"id": entry.get("id"), "meta": meta}
    for name in ("created", "root", "owned_by"):
        value = entry.get(name)
        is_now = name == "created" and isinstance(value, int | float) and abs(value - now) < _NOW_SECONDS
        if value is not None and not is_now:
            facts[name] = value
    return ServedModel(facts, context if isinstance(context, int) else None)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
