"""The losses that can be trained with, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.training.columns import TextKeys

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


class _Loss(NamedTuple):
    class_name: str
    ranking: bool  # every document of the batch competes: any number of negatives per row


LOSSES: Mapping[str, _Loss] = {
    "multiple_negatives_ranking": _Loss("MultipleNegativesRankingLoss", ranking=True),
    "cached_multiple_negatives_ranking": _Loss("CachedMultipleNegativesRankingLoss", ranking=True),
    "triplet": _Loss("TripletLoss", ranking=False),
}


def check_loss(loss: str, loss_args: Mapping[str, Any], keys: TextKeys, batch_size: int) -> bool:
    """Check that a loss can be trained on the table, and tell whether its rows are ragged.

    :param loss: Name of the loss, a key of ``LOSSES``.
    :param loss_args: Its parameters.
    :param keys: The table.
    :param batch_size: Rows in a batch.
    :returns: Whether rows have different numbers of negatives.
    :raises ParameterError: If the loss is unknown.
    :raises TrainingError: If the loss needs other numbers of negatives, or a batch would hold no negative at all.
    """
    if loss not in LOSSES:
        msg = f"unknown loss {loss!r}{_near(loss, LOSSES)}; known are {', '.join(LOSSES)}"
        raise ParameterError(msg)
    counts = keys.negative_counts
    ragged = bool((counts != counts[0]).any())
    if not LOSSES[loss].ranking:
        _check_one_negative(loss, counts)
    elif ragged:
        _check_ragged_parameters(loss, loss_args, counts)
    if min(batch_size, len(keys)) == 1 and not counts.all():
        msg = (
            f"row {int(np.argmin(counts))} has no negative and is alone in its batch "
            f"(batch_size {batch_size}, {len(keys)} rows): there is nothing to tell its positive from"
        )
        raise TrainingError(msg)
    return ragged


def build_loss(loss: str, loss_args: Mapping[str, Any], model: SentenceTransformer) -> torch.nn.Module:
    """Build a loss of sentence-transformers.

    :param loss: A key of ``LOSSES``.
    :param loss_args: Parameters of its class, in plain values: ``similarity_fct`` and ``distance_metric`` by name
        (``cos_sim``, ``dot_score``; ``cosine``, ``euclidean``, ``manhattan``), lists for tuples.
    :param model: The model that is trained.
    :raises ParameterError: If a parameter is unknown or its value cannot work.
    """
    from sentence_transformers.sentence_transformer import losses

    cls = getattr(losses, LOSSES[loss].class_name)
    known = [name for name in inspect.signature(cls).parameters if name not in ("model", "gather_across_devices")]
    for name in loss_args:
        if name not in known:
            msg = f"loss_args: {loss} has no parameter {name!r}{_near(name, known)}; it takes {', '.join(known)}"
            raise ParameterError(msg)
    try:
        built: torch.nn.Module = cls(model=model, **{name: _value(name, value) for name, value in loss_args.items()})
    except (TypeError, ValueError) as error:
        msg = f"loss_args: {error}"
        raise ParameterError(msg) from error
    return built


def _check_one_negative(loss: str, counts: np.ndarray[Any, Any]) -> None:
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        msg = (
            f"the loss {loss!r} needs exactly one negative in every row, but row {wrong[0]} has {counts[wrong[0]]} "
            f"({len(wrong)} rows of {len(counts)}); use multiple_negatives_ranking"
        )
        raise TrainingError(msg)


def _check_ragged_parameters(loss: str, loss_args: Mapping[str, Any], counts: np.ndarray[Any, Any]) -> None:
    # Both build a mask that takes every row to have the same number of negatives: wrong without any error.
    numbers = f"rows have {counts.min()} to {counts.max()} negatives"
    if loss_args.get("hardness_mode") is not None:
        msg = f"hardness_mode of {loss} needs the same number of negatives in every row, but {numbers}"
        raise TrainingError(msg)
    if "doc_to_doc" in loss_args.get("directions", ()):
        msg = f"the direction doc_to_doc of {loss} needs the same number of negatives in every row, but {numbers}"
        raise TrainingError(msg)


def _value(name: str, value: Any) -> Any:
    from sentence_transformers import util
    from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric

    choices: dict[str, Any] = {}
    if name == "similarity_fct":
        choices = {"cos_sim": util.cos_sim, "dot_score": util.dot_score}
    elif name == "distance_metric":
        metrics = TripletDistanceMetric
        choices = {"cosine": metrics.COSINE, "euclidean": metrics.EUCLIDEAN, "manhattan": metrics.MANHATTAN}
    if choices:
        if value not in choices:
            msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
            raise ValueError(msg)
        return choices[value]
    return tuple(value) if isinstance(value, list) else value


def _near(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
