"""hardneg: hard-negative mining for dense retrieval.

Importing the package costs milliseconds: what it exports is loaded when it is first used. It also adds itself to the
modules that Haystack may load from pipeline YAML, by the environment variable that Haystack reads at every check.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hardneg_plugin.api import Audit, MiningResult, MiningStatistics, audit, mine
    from hardneg_plugin.components import (
        AnswerMatchFilter,
        AnswerSwapGenerator,
        BM25NegativeMiner,
        ClusterNegativeMiner,
        CrossEncoderFilter,
        DenseNegativeMiner,
        ExampleBuilder,
        ExampleJoiner,
        FalseNegativeBudget,
        FusionRanker,
        KnownPositiveFilter,
        LanguageFilter,
        LLMNegativeClassifier,
        LLMNegativeGenerator,
        NegativeDocumentBuilder,
        NegativeSampler,
        ParentDocumentFilter,
        PositiveAwareFilter,
        QualityFilter,
        RAGNegativeRanker,
        RandomNegativeMiner,
        RecordedChatGenerator,
        RetrievalEvaluator,
        RetrieverNegativeMiner,
        SentenceTransformersTrainer,
        StrictOllamaChatGenerator,
        StrictOpenAIChatGenerator,
        TripletBuilder,
    )
    from hardneg_plugin.datasets import ExampleShards, RetrievalDataset, load_dataset
    from hardneg_plugin.errors import HardnegError
    from hardneg_plugin.records import Candidate, Candidates, MiningExample
    from hardneg_plugin.training import train

__version__ = "0.1.0"

_EXPORTS = {
    "hardneg_plugin.api": ("Audit", "MiningResult", "MiningStatistics", "audit", "mine"),
    "hardneg_plugin.components": (
        "AnswerMatchFilter",
        "AnswerSwapGenerator",
        "BM25NegativeMiner",
        "ClusterNegativeMiner",
        "CrossEncoderFilter",
        "DenseNegativeMiner",
        "ExampleBuilder",
        "ExampleJoiner",
        "FusionRanker",
        "FalseNegativeBudget",
        "KnownPositiveFilter",
        "LLMNegativeClassifier",
        "LLMNegativeGenerator",
        "LanguageFilter",
        "NegativeDocumentBuilder",
        "NegativeSampler",
        "ParentDocumentFilter",
        "PositiveAwareFilter",
        "QualityFilter",
        "RAGNegativeRanker",
        "RandomNegativeMiner",
        "RecordedChatGenerator",
        "RetrievalEvaluator",
        "RetrieverNegativeMiner",
        "SentenceTransformersTrainer",
        "StrictOllamaChatGenerator",
        "StrictOpenAIChatGenerator",
        "TripletBuilder",
    ),
    "hardneg_plugin.datasets": ("ExampleShards", "RetrievalDataset", "load_dataset"),
    "hardneg_plugin.errors": ("HardnegError",),
    "hardneg_plugin.records": ("Candidate", "Candidates", "MiningExample"),
    "hardneg_plugin.training": ("train",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "AnswerMatchFilter",
    "AnswerSwapGenerator",
    "Audit",
    "BM25NegativeMiner",
    "Candidate",
    "Candidates",
    "ClusterNegativeMiner",
    "CrossEncoderFilter",
    "DenseNegativeMiner",
    "ExampleBuilder",
    "ExampleJoiner",
    "ExampleShards",
    "FalseNegativeBudget",
    "FusionRanker",
    "HardnegError",
    "KnownPositiveFilter",
    "LLMNegativeClassifier",
    "LLMNegativeGenerator",
    "LanguageFilter",
    "MiningExample",
    "MiningResult",
    "MiningStatistics",
    "NegativeDocumentBuilder",
    "NegativeSampler",
    "ParentDocumentFilter",
    "PositiveAwareFilter",
    "QualityFilter",
    "RAGNegativeRanker",
    "RandomNegativeMiner",
    "RecordedChatGenerator",
    "RetrievalDataset",
    "RetrievalEvaluator",
    "RetrieverNegativeMiner",
    "SentenceTransformersTrainer",
    "StrictOllamaChatGenerator",
    "StrictOpenAIChatGenerator",
    "TripletBuilder",
    "audit",
    "load_dataset",
    "mine",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _allow_deserialisation() -> None:
    """Let ``Pipeline.loads`` build this package's components; what the user allowed stays allowed."""
    variable = "HAYSTACK_DESERIALIZATION_ALLOWLIST"
    allowed = [module.strip() for module in os.environ.get(variable, "").split(",") if module.strip()]
    if __name__ not in allowed:
        os.environ[variable] = ",".join([*allowed, __name__])


_allow_deserialisation()
