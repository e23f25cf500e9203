"""Measuring a trained model on a dataset's split, as the end of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from haystack import component

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.evaluation import METRICS, evaluate_retriever, model_retriever, parse_metrics
from hardneg_plugin.validation import Count

if TYPE_CHECKING:
    from hardneg_plugin.datasets import RetrievalDataset
    from hardneg_plugin.search.hits import Hits


@component
class RetrievalEvaluator(CheckedParameters):
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
    :raises ParameterError: If a number is out of range, or ``metrics`` is an empty list.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        dataset: str,
        split: str = "test",
        metrics: list[str] | None = None,
        relevance: Count = 1,
        top_k: Count = 100,
        batch_size: Count = 32,
    ) -> None:
        if metrics is not None and not metrics:
            msg = "RetrievalEvaluator: metrics is an empty list; None takes the usual ones"
            raise ParameterError(msg)
        self.dataset = dataset
        self.split = split
        self.metrics = metrics
        self.relevance = relevance
        self.top_k = top_k
        self.batch_size = batch_size
        self._data: RetrievalDataset | None = None

    def warm_up(self) -> None:
        """Open the dataset and check split and metrics: a pipeline does so before it trains what is evaluated.

        :raises DatasetError: If the dataset cannot be read or has no such split.
        :raises EvaluationError: If a metric is unknown.
        """
        if self._data is None:
            parse_metrics(self.metrics or METRICS, self.relevance)
            data = load_dataset(self.dataset)
            data.qrels(self.split)
            self._data = data

    @component.output_types(metrics=dict[str, float], languages=dict[str, Any])
    def run(self, model: str) -> dict[str, Any]:
        """Evaluate.

        :param model: Folder or hub id of a sentence-transformers model.
        :returns: ``metrics``: metric → mean over all judged queries; ``languages``: language → metric → mean.
        :raises DatasetError: If the dataset cannot be read or has no such split.
        :raises ModelError: If the model cannot be loaded.
        :raises EvaluationError: If a metric is unknown or looks deeper than ``top_k``.
        """
        self.warm_up()
        assert self._data is not None
        data = self._data

        def retrieve(texts: Sequence[str], languages: Sequence[str], k: int) -> Hits:
            # Encoding the corpus costs most: metrics, split and judgements have been checked when this is called.
            return model_retriever(model, data.corpus, batch_size=self.batch_size)(texts, languages, k)

        evaluation = evaluate_retriever(
            retrieve,
            data.queries(self.split),
            data.qrels(self.split),
            data.corpus.ids,
            metrics=self.metrics or METRICS,
            relevance=self.relevance,
            k=self.top_k,
            passages=len(data.corpus),
        )
        languages = {language: dict(part.means) for language, part in evaluation.by_language.items()}
        return {"metrics": dict(evaluation.scores.means), "languages": languages}
