"""Measuring a trained model on a dataset's split, as the end of a pipeline."""

from __future__ import annotations

from typing import Any, ClassVar

from haystack import component

from hardneg_plugin.components.parameters import at_least
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.evaluation import METRICS, evaluate_retriever, model_retriever


@component
class RetrievalEvaluator:
    """Retrieves the passages of a dataset with a model and scores the ranking with ir_measures.

    ### Usage example

    ```python
    from hardneg_plugin import RetrievalEvaluator

    evaluator = RetrievalEvaluator(dataset="beir:data/msmarco", split="test", metrics=["RR@10", "nDCG@10"])
    evaluator.run(model="models/bm25/model")["metrics"]  # {'RR@10': 0.74, 'nDCG@10': 0.78}
    ```

    :param dataset: Dataset spec.
    :param split: Split that is searched for.
    :param metrics: Names as ir_measures spells them; None takes RR@10, R@1, R@5, R@10, R@100 and nDCG@10.
    :param relevance: Lowest grade that counts as relevant in binary metrics.
    :param top_k: Passages retrieved per query.
    :param batch_size: Texts the model encodes at a time.
    :raises ParameterError: If a number is out of range.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        dataset: str,
        split: str = "test",
        metrics: list[str] | None = None,
        relevance: int = 1,
        top_k: int = 100,
        batch_size: int = 32,
    ) -> None:
        for name, value in (("relevance", relevance), ("top_k", top_k), ("batch_size", batch_size)):
            at_least("RetrievalEvaluator", name, value, 1)
        self.dataset = dataset
        self.split = split
        self.metrics = metrics
        self.relevance = relevance
        self.top_k = top_k
        self.batch_size = batch_size

    @component.output_types(metrics=dict[str, float], languages=dict[str, Any])
    def run(self, model: str) -> dict[str, Any]:
        """Evaluate.

        :param model: Folder or hub id of a sentence-transformers model.
        :returns: ``metrics``: metric → mean over all judged queries; ``languages``: language → metric → mean.
        :raises EvaluationError: If the model cannot be loaded or a metric is unknown.
        """
        data = load_dataset(self.dataset)
        evaluation = evaluate_retriever(
            model_retriever(model, data.corpus, batch_size=self.batch_size),
            data.queries(self.split),
            data.qrels(self.split),
            data.corpus.ids,
            metrics=self.metrics or METRICS,
            relevance=self.relevance,
            k=self.top_k,
        )
        languages = {language: dict(part.means) for language, part in evaluation.by_language.items()}
        return {"metrics": dict(evaluation.scores.means), "languages": languages}
