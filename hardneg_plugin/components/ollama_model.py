"""Read the facts about a model from an Ollama server, before it is asked anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from haystack import logging

from hardneg_plugin.components.answer_body import read_answer
from hardneg_plugin.components.bounded_http import client_arguments
from hardneg_plugin.components.first_contact import Kind, first_answer, url_fault
from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.ollama_name import canonical_name

logger = logging.getLogger(__name__)
_KIND = Kind("Ollama server", "Ollama", "start it with `ollama serve`, or give its url")
_SERVER_ERROR = 500


class OllamaModel(NamedTuple):
    """A model as the server has it.

    :param digest: Digest of its weights.
    :param context: Tokens that it was trained for; None where the server does not say.
    """

    digest: str
    context: int | None = None


def find_model(client: Any, name: str, num_ctx: int) -> OllamaModel:
    """Find a model.

    :param client: Client of the ollama library.
    :param name: Name of the model, in any form that the server accepts.
    :param num_ctx: Tokens that are asked for, which Ollama lowers to those of the model without a word.
    :raises LLMError: If the server does not answer, or has no such model.
    """
    where = str(client._client.base_url)
    models = {model.model: model.digest for model in first_answer(lambda: _listed(client), where, _KIND)}
    digests = {canonical_name(known): digest or "" for known, digest in models.items() if known}
    digest = digests.get(canonical_name(name))
    shown = first_answer(lambda: _shown(client, name), where, _KIND)
    if digest is None and shown is None:
        known = ", ".join(sorted(filter(None, models))) or "none"
        msg = f"Ollama at {where} has no model {name!r}: `ollama pull {name}` (it has: {known})"
        raise LLMError(msg)
    context = _context(shown or {})
    if context is not None and num_ctx > context:
        logger.warning(
            "num_ctx={asked} is above the context of {model}, which is {context}: Ollama keeps to the latter",
            asked=num_ctx,
            model=name,
            context=context,
        )
    return OllamaModel(digest or "", context)


def client_at(owner: str, url: str | None) -> Any:
    """Return a client of the ollama library that keeps to the limits of an answer.

    :param owner: Name of the component, for the message.
    :param url: Address of the server; None takes ``OLLAMA_HOST``, else this machine.
    :raises ParameterError: If the address cannot be one.
    """
    import httpx
    from ollama import Client

    given = url or os.environ.get("OLLAMA_HOST") or ""
    fault = url_fault(given) if given else ""
    if fault:
        msg = f"{owner}: the url of an Ollama server {fault}"
        raise ParameterError(msg)
    return Client(host=url, **client_arguments(httpx.Client))


def _listed(client: Any) -> Sequence[Any]:
    from ollama import ListResponse

    return read_answer(client._request_raw("GET", "/api/tags").content, ListResponse).models


def _shown(client: Any, name: str) -> Mapping[str, Any] | None:
    """Return what the server knows of a model's make; None where it has no such model, or no such page."""
    from ollama import ResponseError, ShowResponse

    try:
        response = client._request_raw("POST", "/api/show", json={"model": name})
    except ResponseError as error:
        if error.status_code >= _SERVER_ERROR:
            raise
        return None
    return dict(read_answer(response.content, ShowResponse).modelinfo or {})


def _context(made: Mapping[str, Any]) -> int | None:
    length = made.get(f"{made.get('general.architecture')}.context_length")
    return length if isinstance(length, int) else None
