"""Read the facts about a model from an Ollama server, before it is asked anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from haystack import logging

from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.ollama_name import canonical_name

logger = logging.getLogger(__name__)


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
    from ollama import ResponseError

    where = str(client._client.base_url)
    try:
        models = {model.model: model.digest for model in client.list().models}
    except ConnectionError as error:
        msg = f"no Ollama server at {where}: start it with `ollama serve`, or give its url"
        raise LLMError(msg) from error
    except (ResponseError, ValueError, AttributeError) as error:
        msg = f"the server at {where} does not answer as Ollama does ({str(error)[:200]}): check the url"
        raise LLMError(msg) from error
    digests = {canonical_name(known): digest or "" for known, digest in models.items() if known}
    digest = digests.get(canonical_name(name))
    shown = _shown(client, name)
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


def _shown(client: Any, name: str) -> Mapping[str, Any] | None:
    """Return what the server knows of a model's make; None where it has no such model, or no such page."""
    from ollama import ResponseError

    try:
        return dict(client.show(name).modelinfo or {})
    except (ResponseError, ValueError, AttributeError):
        return None


def _context(made: Mapping[str, Any]) -> int | None:
    length = made.get(f"{made.get('general.architecture')}.context_length")
    return length if isinstance(length, int) else None
