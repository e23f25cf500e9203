"""Haystack components, one a file, and the short names by which recipes call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hardneg_plugin.components.answer_match_filter import AnswerMatchFilter
    from hardneg_plugin.components.answer_swap_generator import AnswerSwapGenerator
    from hardneg_plugin.components.bm25_negative_miner import BM25NegativeMiner
    from hardneg_plugin.components.cluster_negative_miner import ClusterNegativeMiner
    from hardneg_plugin.components.cross_encoder_filter import CrossEncoderFilter
    from hardneg_plugin.components.dense_negative_miner import DenseNegativeMiner
    from hardneg_plugin.components.example_builder import ExampleBuilder
    from hardneg_plugin.components.example_joiner import ExampleJoiner
    from hardneg_plugin.components.false_negative_budget import FalseNegativeBudget
    from hardneg_plugin.components.fusion_ranker import FusionRanker
    from hardneg_plugin.components.known_positive_filter import KnownPositiveFilter
    from hardneg_plugin.components.language_filter import LanguageFilter
    from hardneg_plugin.components.llm_negative_classifier import LLMNegativeClassifier
    from hardneg_plugin.components.llm_negative_generator import LLMNegativeGenerator
    from hardneg_plugin.components.negative_document_builder import NegativeDocumentBuilder
    from hardneg_plugin.components.negative_sampler import NegativeSampler
    from hardneg_plugin.components.parent_document_filter import ParentDocumentFilter
    from hardneg_plugin.components.positive_aware_filter import PositiveAwareFilter
    from hardneg_plugin.components.quality_filter import QualityFilter
    from hardneg_plugin.components.rag_negative_ranker import RAGNegativeRanker
    from hardneg_plugin.components.random_negative_miner import RandomNegativeMiner
    from hardneg_plugin.components.recorded_chat_generator import RecordedChatGenerator
    from hardneg_plugin.components.retrieval_evaluator import RetrievalEvaluator
    from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
    from hardneg_plugin.components.sentence_transformers_trainer import SentenceTransformersTrainer
    from hardneg_plugin.components.strict_ollama_chat_generator import StrictOllamaChatGenerator
    from hardneg_plugin.components.strict_openai_chat_generator import StrictOpenAIChatGenerator
    from hardneg_plugin.components.triplet_builder import TripletBuilder

# Stages of a recipe's `mine` list: examples in, examples out.
STAGES = {
    "answer_match": "AnswerMatchFilter",
    "answer_swap": "AnswerSwapGenerator",
    "bm25": "BM25NegativeMiner",
    "budget": "FalseNegativeBudget",
    "classify": "LLMNegativeClassifier",
    "cluster": "ClusterNegativeMiner",
    "cross_encoder": "CrossEncoderFilter",
    "dense": "DenseNegativeMiner",
    "fuse": "FusionRanker",
    "generate": "LLMNegativeGenerator",
    "known_positives": "KnownPositiveFilter",
    "language": "LanguageFilter",
    "parent_document": "ParentDocumentFilter",
    "positive_aware": "PositiveAwareFilter",
    "quality": "QualityFilter",
    "rag": "RAGNegativeRanker",
    "random": "RandomNegativeMiner",
    "retriever": "RetrieverNegativeMiner",
    "sample": "NegativeSampler",
}
_FILES = {
    "AnswerMatchFilter": "answer_match_filter",
    "AnswerSwapGenerator": "answer_swap_generator",
    "BM25NegativeMiner": "bm25_negative_miner",
    "ClusterNegativeMiner": "cluster_negative_miner",
    "CrossEncoderFilter": "cross_encoder_filter",
    "DenseNegativeMiner": "dense_negative_miner",
    "ExampleBuilder": "example_builder",
    "ExampleJoiner": "example_joiner",
    "FusionRanker": "fusion_ranker",
    "FalseNegativeBudget": "false_negative_budget",
    "KnownPositiveFilter": "known_positive_filter",
    "LanguageFilter": "language_filter",
    "LLMNegativeClassifier": "llm_negative_classifier",
    "LLMNegativeGenerator": "llm_negative_generator",
    "NegativeDocumentBuilder": "negative_document_builder",
    "NegativeSampler": "negative_sampler",
    "ParentDocumentFilter": "parent_document_filter",
    "PositiveAwareFilter": "positive_aware_filter",
    "QualityFilter": "quality_filter",
    "RAGNegativeRanker": "rag_negative_ranker",
    "RandomNegativeMiner": "random_negative_miner",
    "RetrievalEvaluator": "retrieval_evaluator",
    "RetrieverNegativeMiner": "retriever_negative_miner",
    "SentenceTransformersTrainer": "sentence_transformers_trainer",
    "TripletBuilder": "triplet_builder",
}
# Chat generators: what the components above ask, no part of the flow of examples.
_GENERATORS = {
    "RecordedChatGenerator": "recorded_chat_generator",
    "StrictOllamaChatGenerator": "strict_ollama_chat_generator",
    "StrictOpenAIChatGenerator": "strict_openai_chat_generator",
}

__all__ = [
    "STAGES",
    "AnswerMatchFilter",
    "AnswerSwapGenerator",
    "BM25NegativeMiner",
    "ClusterNegativeMiner",
    "CrossEncoderFilter",
    "DenseNegativeMiner",
    "ExampleBuilder",
    "ExampleJoiner",
    "FalseNegativeBudget",
    "FusionRanker",
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
    "stage_class",
]


def stage_class(short_name: str) -> type[Any]:
    """Return the component class of a recipe's stage.

    :raises KeyError: If no stage has that name.
    """
    cls: type[Any] = __getattr__(STAGES[short_name])
    return cls


def __getattr__(name: str) -> Any:
    files = {**_FILES, **_GENERATORS}
    if name not in files:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{files[name]}"), name)
