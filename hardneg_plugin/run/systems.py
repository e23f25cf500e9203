"""The lines of a table, as what is measured: BM25 retrieval, the untrained model, and what was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.evaluation import Retriever, model_retriever
from hardneg_plugin.records import Corpus
from hardneg_plugin.report import TrainingRun
from hardneg_plugin.run.evaluation import EvaluatedSystem
from hardneg_plugin.search.bm25.index import BM25Index, index_key
from hardneg_plugin.text import Analyzer
from hardneg_plugin.training.base_model import base_model_identity


def bm25_line() -> EvaluatedSystem:
    """Return BM25 retrieval."""

    def retriever(corpus: Corpus) -> Retriever:
        return BM25Index(corpus).search

    return EvaluatedSystem("bm25-retrieval", None, lambda corpus: index_key(corpus, Analyzer()), retriever)


def untrained_line(identity: str, load: Callable[[], Any]) -> EvaluatedSystem:
    """Return the model that training starts from.

    :param identity: Its fingerprint.
    :param load: Loads it; called once, and only when something is to be measured.
    """
    model = cache(load)
    return EvaluatedSystem("untrained", None, lambda _: identity, lambda corpus: model_retriever(model(), corpus))


def model_system(
    name: str, model: str, prompts: Mapping[Literal["query", "passage"], str] | None = None
) -> EvaluatedSystem:
    """Return a model that the recipe does not train.

    :param name: Its name in the recipe.
    :param model: Folder or hub id.
    :param prompts: Texts before its ``query`` and ``passage``; what is not given is the model's own.
    """
    given, what = dict(prompts or {}), f"evaluate.models.{name}"

    def identity(_: Corpus) -> str:
        own = base_model_identity(model, what)
        return fingerprint([own, given]) if given else own

    def retriever(corpus: Corpus) -> Retriever:
        return model_retriever(model, corpus, query_prompt=given.get("query"), passage_prompt=given.get("passage"))

    return EvaluatedSystem(name, None, identity, retriever)


def model_line(name: str, run: TrainingRun) -> EvaluatedSystem:
    """Return a trained model.

    :param name: The system.
    :param run: Its training; the weights are what is measured, whatever settings they came from.
    """
    return EvaluatedSystem(
        name, run.seed, lambda _: run.model_fingerprint, lambda corpus: model_retriever(run.model, corpus)
    )
