"""Prompts: texts that a model wants to read before every query or passage, in training as in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hardneg_plugin.errors import ParameterError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

QUERY, PASSAGE = "query", "passage"
# The names under which a model keeps them, in the order in which its encode_query and encode_document look.
_SAVED_AS: Mapping[str, tuple[str, ...]] = {QUERY: ("query",), PASSAGE: ("document", "passage", "corpus")}


def check_prompts(prompts: object) -> None:
    """Check the prompts that a training was asked to use.

    :raises ParameterError: If they are neither ``None`` nor texts for ``query`` and ``passage``.
    """
    known = (QUERY, PASSAGE)
    if prompts is None or (
        isinstance(prompts, Mapping) and all(key in known and isinstance(text, str) for key, text in prompts.items())
    ):
        return
    msg = f"prompts must map query, passage or both to texts, got {prompts!r}"
    raise ParameterError(msg)


def set_prompts(model: SentenceTransformer, prompts: Mapping[str, str] | None) -> None:
    """Give a model prompts, which are saved with it and which its ``encode_query`` and ``encode_document`` use.

    :param model: The model; what is not given keeps its own.
    :param prompts: Text by ``query`` and ``passage``; an empty text for none.
    """
    for kind, text in (prompts or {}).items():
        model.prompts[_SAVED_AS[kind][0]] = text


def prompts_of(model: SentenceTransformer) -> dict[str, str]:
    """Return the prompts of a model for ``query`` and ``passage``; empty if it has none."""
    return {kind: _prompt_of(model, names) for kind, names in _SAVED_AS.items()}


def _prompt_of(model: SentenceTransformer, names: tuple[str, ...]) -> str:
    name = next((name for name in names if name in model.prompts), model.default_prompt_name)
    return "" if name is None else model.prompts[name] or ""
