"""Measuring one model, without a recipe and without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.evaluation import METRICS, Retriever, evaluate_retriever, model_retriever, parse_metrics
from hardneg_plugin.recipe.targets import Target
from hardneg_plugin.report import ReportData, System
from hardneg_plugin.run.reporting import Row, report_of_scores
from hardneg_plugin.search.bm25.index import BM25Index
from hardneg_plugin.training.base_model import base_model_identity


def evaluate_model(
    model: str,
    dataset: str,
    *,
    split: str = "test",
    metrics: Sequence[str] = (),
    relevance: int = 1,
    top_k: int = 100,
    query_prompt: str | None = None,
    corpus_prompt: str | None = None,
) -> ReportData:
    """Return a report with two lines: BM25 retrieval and the model.

    :param model: Folder or hub id of a sentence-transformers model.
    :param dataset: Dataset spec.
    :param split: Split of the dataset.
    :param metrics: Names as ir_measures spells them; none takes the usual ones.
    :param relevance: Lowest grade that counts as relevant.
    :param top_k: Passages retrieved per query.
    :param query_prompt: Text before each query; None takes the model's own.
    :param corpus_prompt: Text before each passage; likewise.
    :raises HardnegError: If the model, the dataset or a metric is not what it should be.
    """
    chosen = tuple(metrics) or METRICS
    parse_metrics(chosen, relevance)
    data = load_dataset(dataset)
    score = partial(
        evaluate_retriever,
        queries=data.queries(split),
        qrels=data.qrels(split),
        passage_ids=data.corpus.ids,
        metrics=chosen,
        relevance=relevance,
        k=top_k,
        passages=len(data.corpus),
    )

    def row(system: System, retriever: Retriever) -> Row:
        return Row(system, {None: {split: score(retriever).scores}})

    identity = base_model_identity(model, "model")
    rows = [
        row(System("BM25 retrieval"), BM25Index(data.corpus).search),
        row(
            System("model", base_model=model, base_fingerprint=identity),
            model_retriever(model, data.corpus, query_prompt=query_prompt, passage_prompt=corpus_prompt),
        ),
    ]
    target = Target(split, data, split, relevance)
    return report_of_scores(f"evaluate {model}", data, data.fingerprint(split), rows, [target])
