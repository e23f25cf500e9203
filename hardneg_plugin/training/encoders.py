"""One encoder for queries and passages, or one for each.

A dual encoder with weights of its own on either side is what DPR (Karpukhin et al. 2020) trains; most later retrievers
share ("tie") them, which halves the model and learns more from few examples.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from hardneg_plugin.errors import TrainingError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Encoders = Literal["tied", "separate"]
TIED: Encoders = "tied"
SEPARATE: Encoders = "separate"
ENCODERS: tuple[Encoders, ...] = (TIED, SEPARATE)
# What sentence-transformers calls the two sides: ``encode_query`` and ``encode_document`` ask for these routes.
QUERY_ROUTE, PASSAGE_ROUTE = "query", "document"


def has_separate_encoders(model: SentenceTransformer) -> bool:
    """Tell whether a model keeps one encoder for queries and one for passages."""
    from sentence_transformers.base.modules import Router

    first = model[0]
    return isinstance(first, Router) and {QUERY_ROUTE, PASSAGE_ROUTE} <= set(first.sub_modules)


def with_encoders(model: SentenceTransformer, base_model: str, encoders: Encoders) -> SentenceTransformer:
    """Return the model with the encoders asked for.

    :param model: A base model; its modules become part of the result.
    :param base_model: Its name, for the message.
    :param encoders: ``separate`` starts both encoders from the base model's weights; one that has two already keeps
        them.
    :raises TrainingError: If the base model has separate encoders and tied ones are asked for.
    """
    if has_separate_encoders(model):
        if encoders == TIED:
            msg = f"base_model {base_model} has separate encoders for queries and passages; set encoders to separate"
            raise TrainingError(msg)
        return model
    return model if encoders == TIED else _separate(model)


def _separate(model: SentenceTransformer) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    modules: list[Any] = list(model.children())
    router = Router.for_query_document(query_modules=copy.deepcopy(modules), document_modules=modules)
    return SentenceTransformer(
        modules=[router],
        device=str(model.device),
        prompts={name: prompt or "" for name, prompt in model.prompts.items()},
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
        truncate_dim=model.truncate_dim,
    )
