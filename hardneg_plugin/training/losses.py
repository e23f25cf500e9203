"""The losses that can be trained with, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.search.models import is_static_embedding
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.guide import check_guide, load_guide

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
GUIDE = "guide"
_GATHER = "gather_across_devices"
# Documents are gathered where several processes train together; progress is shown by the trainer.
_NOT_PASSED = ("model", _GATHER, "show_progress_bar")


class _Loss(NamedTuple):
    class_name: str
    similarity: Similarity  # how it compares embeddings unless loss_args say otherwise
    ranking: bool = False  # every document of the batch competes: any number of negatives per row
    joined: bool = False  # takes all negatives of a batch as one feature, whatever their numbers
    scored: bool = False  # learns a teacher's scores
    guided: bool = False  # asks another model which documents are no negatives
    transformer: str = ""  # why it cannot train a static model; empty if it can


_MINI_BATCHES = "it embeds in mini-batches, which the flat token stream of static embeddings has not"
_DECODES = "its guide reads the model's tokens with a tokenizer of transformers, which static models have not"
LOSSES: Mapping[str, _Loss] = {
    "multiple_negatives_ranking": _Loss("MultipleNegativesRankingLoss", "cosine", ranking=True),
    "cached_multiple_negatives_ranking": _Loss(
        "CachedMultipleNegativesRankingLoss", "cosine", ranking=True, transformer=_MINI_BATCHES
    ),
    "gist": _Loss("GISTEmbedLoss", "cosine", ranking=True, joined=True, guided=True, transformer=_DECODES),
    "cached_gist": _Loss(
        "CachedGISTEmbedLoss", "cosine", ranking=True, joined=True, guided=True, transformer=_MINI_BATCHES
    ),
    "margin_mse": _Loss("MarginMSELoss", "dot", joined=True, scored=True),
    "triplet": _Loss("TripletLoss", "euclidean"),
}
_SIMILARITIES: Mapping[str, Similarity] = {"cos_sim": "cosine", "dot_score": "dot"}
_DISTANCES = ("cosine", "euclidean", "manhattan")


def check_loss_args(loss: str, loss_args: Mapping[str, Any]) -> None:
    """Check the names of a loss and of its parameters; nothing is loaded.

    :param loss: Name of the loss.
    :param loss_args: Its parameters.
    :raises ParameterError: If the loss or a parameter is unknown, or a guided loss has no guide.
    :raises TrainingError: If the guide is neither a folder nor a possible hub id.
    """
    if loss not in LOSSES:
        msg = f"unknown loss {loss!r}{_near(loss, LOSSES)}; known are {', '.join(LOSSES)}"
        raise ParameterError(msg)
    known = [name for name in inspect.signature(_loss_class(loss)).parameters if name not in _NOT_PASSED]
    for name in loss_args:
        if name not in known:
            msg = f"loss_args: {loss} has no parameter {name!r}{_near(name, known)}; it takes {', '.join(known)}"
            raise ParameterError(msg)
    if LOSSES[loss].guided:
        check_guide(loss_args.get(GUIDE))
    mode, strength = loss_args.get("hardness_mode"), loss_args.get("hardness_strength", 0)
    if (mode is None) == bool(strength):
        msg = (
            "loss_args: hardness_mode and a hardness_strength above 0 have no effect without each other, "
            f"got {mode!r} and {strength!r}"
        )
        raise ParameterError(msg)


def check_negatives(loss: str, loss_args: Mapping[str, Any], keys: TextKeys, batch_size: int) -> bool:
    """Check that a loss can be trained on the negatives of a table, and tell how it takes those of a batch.

    :param loss: Name of the loss, a key of ``LOSSES``.
    :param loss_args: Its parameters.
    :param keys: The table.
    :param batch_size: Rows in a batch.
    :returns: Whether they are joined into one feature: always for some losses, for others where the rows have
        different numbers.
    :raises TrainingError: If the loss needs other numbers of negatives, or a batch would hold no negative at all.
    """
    counts = keys.negative_counts
    ragged = bool((counts != counts[0]).any())
    if LOSSES[loss].scored:
        _check_numbers(loss, counts, counts >= 1, "at least")
    elif not LOSSES[loss].ranking:
        _check_numbers(loss, counts, counts == 1, "exactly")
    else:
        _check_ranking_parameters(loss, loss_args, counts)
    if min(batch_size, len(keys)) == 1 and not counts.all():
        msg = (
            f"row {int(np.argmin(counts))} has no negative and is alone in its batch "
            f"(batch_size {batch_size}, {len(keys)} rows): there is nothing to tell its positive from"
        )
        raise TrainingError(msg)
    return ragged or LOSSES[loss].joined


def build_loss(
    loss: str, loss_args: Mapping[str, Any], model: SentenceTransformer, *, gather: bool = False
) -> torch.nn.Module:
    """Build a loss of sentence-transformers.

    :param loss: A key of ``LOSSES``.
    :param loss_args: Parameters of its class, in plain values: ``similarity_fct`` and ``distance_metric`` by name
        (``cos_sim``, ``dot_score``; ``cosine``, ``euclidean``, ``manhattan``), ``guide`` as folder or hub id, lists for
        tuples.
    :param model: The model that is trained.
    :param gather: Whether the documents of all processes are negatives for each, where the loss has such negatives.
    :raises ParameterError: If a parameter is unknown or its value cannot work.
    :raises TrainingError: If the loss cannot train this model, or its guide cannot be loaded.
    """
    check_loss_args(loss, loss_args)
    if LOSSES[loss].transformer and is_static_embedding(model):
        msg = f"the loss {loss!r} cannot train a static embedding model: {LOSSES[loss].transformer}"
        raise TrainingError(msg)
    try:
        values = {name: _value(loss, name, value) for name, value in loss_args.items()}
        if gather and _GATHER in inspect.signature(_loss_class(loss)).parameters:
            values[_GATHER] = True
        built: torch.nn.Module = _loss_class(loss)(model=model, **values)
    except ParameterError:
        raise  # It names the argument already.
    except (TypeError, ValueError) as error:
        msg = f"loss_args: {error}"
        raise ParameterError(msg) from error
    return built


def trained_similarity(loss: str, loss_args: Mapping[str, Any]) -> Similarity:
    """Return how a loss compares embeddings: what the trained model has to be searched with.

    :param loss: A key of ``LOSSES``.
    :param loss_args: Its parameters, which :func:`build_loss` took.
    """
    if "similarity_fct" in loss_args:
        return _SIMILARITIES[loss_args["similarity_fct"]]
    metric: Similarity = loss_args.get("distance_metric", LOSSES[loss].similarity)
    return metric


def _loss_class(loss: str) -> Any:
    from sentence_transformers.sentence_transformer import losses

    if LOSSES[loss].scored:
        from hardneg_plugin.training.margin_mse import MarginMSELoss

        return MarginMSELoss
    return getattr(losses, LOSSES[loss].class_name)


def _check_numbers(loss: str, counts: npt.NDArray[np.int64], fits: npt.NDArray[np.bool_], how: str) -> None:
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        msg = (
            f"the loss {loss!r} needs {how} one negative in every row, but row {wrong[0]} has {counts[wrong[0]]} "
            f"({len(wrong)} rows of {len(counts)}); use multiple_negatives_ranking"
        )
        raise TrainingError(msg)


def _check_ranking_parameters(loss: str, loss_args: Mapping[str, Any], counts: npt.NDArray[np.int64]) -> None:
    mode = loss_args.get("hardness_mode")
    if mode == "hard_negatives" and not counts.any():
        msg = f"hardness_mode hard_negatives of {loss} weighs hard negatives, and the table has none"
        raise TrainingError(msg)
    if counts.min() == counts.max():
        return
    # Both build a mask that takes every row to have the same number of negatives: wrong without any error.
    numbers = f"rows have {counts.min()} to {counts.max()} negatives"
    if mode is not None:
        msg = f"hardness_mode of {loss} needs the same number of negatives in every row, but {numbers}"
        raise TrainingError(msg)
    if "doc_to_doc" in loss_args.get("directions", ()):
        msg = f"the direction doc_to_doc of {loss} needs the same number of negatives in every row, but {numbers}"
        raise TrainingError(msg)


def _value(loss: str, name: str, value: Any) -> Any:
    from sentence_transformers import util
    from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric

    if name == GUIDE:
        return load_guide(value)
    if name == "similarity_fct":
        # Margins compare row with row, ranking losses every query with every document.
        pairwise = "pairwise_" if LOSSES[loss].scored else ""
        return getattr(util, pairwise + _choice(name, value, _SIMILARITIES))
    if name == "distance_metric":
        return getattr(TripletDistanceMetric, _choice(name, value, _DISTANCES).upper())
    return tuple(value) if isinstance(value, list) else value


def _choice(name: str, value: Any, choices: Iterable[str]) -> str:
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
        raise ValueError(msg)
    return str(value)


def _near(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
