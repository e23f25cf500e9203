"""Haystack components, one a file, and the short names by which recipes call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hardneg_plugin.components.bm25_negative_miner import BM25NegativeMiner
    from hardneg_plugin.components.known_positive_filter import KnownPositiveFilter
    from hardneg_plugin.components.negative_sampler import NegativeSampler
    from hardneg_plugin.components.random_negative_miner import RandomNegativeMiner
    from hardneg_plugin.components.retrieval_evaluator import RetrievalEvaluator
    from hardneg_plugin.components.sentence_transformers_trainer import SentenceTransformersTrainer
    from hardneg_plugin.components.triplet_builder import TripletBuilder

# Stages of a recipe's `mine` list: examples in, examples out.
STAGES = {
    "bm25": "BM25NegativeMiner",
    "known_positives": "KnownPositiveFilter",
    "random": "RandomNegativeMiner",
    "sample": "NegativeSampler",
}
_FILES = {
    "BM25NegativeMiner": "bm25_negative_miner",
    "KnownPositiveFilter": "known_positive_filter",
    "NegativeSampler": "negative_sampler",
    "RandomNegativeMiner": "random_negative_miner",
    "RetrievalEvaluator": "retrieval_evaluator",
    "SentenceTransformersTrainer": "sentence_transformers_trainer",
    "TripletBuilder": "triplet_builder",
}

__all__ = [
    "STAGES",
    "BM25NegativeMiner",
    "KnownPositiveFilter",
    "NegativeSampler",
    "RandomNegativeMiner",
    "RetrievalEvaluator",
    "SentenceTransformersTrainer",
    "TripletBuilder",
    "stage_class",
]


def stage_class(short_name: str) -> type[Any]:
    """Return the component class of a recipe's stage.

    :raises KeyError: If no stage has that name.
    """
    cls: type[Any] = __getattr__(STAGES[short_name])
    return cls


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
