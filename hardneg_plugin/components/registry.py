"""The table of components, from which exports, the stages of recipes and tests are made.

A new component is a file and a line here. :func:`write_stub` then writes ``exported.pyi``, by which type checkers and
editors know the names that the packages export; a test keeps it in step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["miner", "filter", "ranker", "end", "chat generator"]


class Registered(NamedTuple):
    """A component.

    :param name: Its class.
    :param module: File in this package, part of what pipelines in YAML name.
    :param kind: What it is; ends build examples, make use of them, or join them.
    :param stage: Name in the `mine` list of a recipe; empty for what is no stage.
    """

    name: str
    module: str
    kind: Kind
    stage: str = ""


TABLE = (
    Registered("AnswerSwapGenerator", "answer_swap_generator", "miner", "answer_swap"),
    Registered("BM25NegativeMiner", "bm25_negative_miner", "miner", "bm25"),
    Registered("ClusterNegativeMiner", "cluster_negative_miner", "miner", "cluster"),
    Registered("DenseNegativeMiner", "dense_negative_miner", "miner", "dense"),
    Registered("LLMNegativeGenerator", "llm_negative_generator", "miner", "generate"),
    Registered("RandomNegativeMiner", "random_negative_miner", "miner", "random"),
    Registered("RetrieverNegativeMiner", "retriever_negative_miner", "miner", "retriever"),
    Registered("AnswerMatchFilter", "answer_match_filter", "filter", "answer_match"),
    Registered("CrossEncoderFilter", "cross_encoder_filter", "filter", "cross_encoder"),
    Registered("FalseNegativeBudget", "false_negative_budget", "filter", "budget"),
    Registered("KnownPositiveFilter", "known_positive_filter", "filter", "known_positives"),
    Registered("LanguageFilter", "language_filter", "filter", "language"),
    Registered("LLMNegativeClassifier", "llm_negative_classifier", "filter", "classify"),
    Registered("ParentDocumentFilter", "parent_document_filter", "filter", "parent_document"),
    Registered("PositiveAwareFilter", "positive_aware_filter", "filter", "positive_aware"),
    Registered("QualityFilter", "quality_filter", "filter", "quality"),
    Registered("FusionRanker", "fusion_ranker", "ranker", "fuse"),
    Registered("NegativeSampler", "negative_sampler", "ranker", "sample"),
    Registered("RAGNegativeRanker", "rag_negative_ranker", "ranker", "rag"),
    Registered("ExampleBuilder", "example_builder", "end"),
    Registered("ExampleJoiner", "example_joiner", "end"),
    Registered("NegativeDocumentBuilder", "negative_document_builder", "end"),
    Registered("RetrievalEvaluator", "retrieval_evaluator", "end"),
    Registered("SentenceTransformersTrainer", "sentence_transformers_trainer", "end"),
    Registered("TripletBuilder", "triplet_builder", "end"),
    Registered("RecordedChatGenerator", "recorded_chat_generator", "chat generator"),
    Registered("StrictOllamaChatGenerator", "strict_ollama_chat_generator", "chat generator"),
    Registered("StrictOpenAIChatGenerator", "strict_openai_chat_generator", "chat generator"),
)

MODULES = {row.name: row.module for row in TABLE}
"""Class → file in this package."""
STAGES = {row.stage: row.name for row in sorted(TABLE, key=lambda row: row.stage) if row.stage}
"""Stage of a recipe's `mine` list → class: examples in, examples out."""
STUB = Path(__file__).with_name("exported.pyi")


def stub() -> str:
    """Return the text of the file for type checkers."""
    package = __name__.rpartition(".")[0]
    lines = [f"from {package}.{MODULES[name]} import {name} as {name}" for name in sorted(MODULES)]
    return "# Made from the registry by write_stub().\n" + "\n".join(lines) + "\n"


def write_stub() -> None:
    """Write the file for type checkers, after a line was added to the table."""
    STUB.write_text(stub(), "utf-8")
