"""The lines of a table: BM25 retrieval, the untrained model, and what was trained; each measured once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.evaluation import Retriever, Scores, evaluate_retriever
from hardneg_plugin.recipe.progress import Progress
from hardneg_plugin.recipe.schema import EvaluateSection
from hardneg_plugin.recipe.workspace import Workspace


class Line(NamedTuple):
    """One line to measure.

    :param name: Name of the line's folder.
    :param seed: Seed of its training; None where nothing is trained.
    :param identity: Fingerprint of what retrieves.
    :param retriever: Makes the retriever; called only when something is to be measured.
    """

    name: str
    seed: int | None
    identity: str
    retriever: Callable[[], Retriever]


class Measuring:
    """Measures lines on the splits of a dataset; what was measured from the same things is read back.

    :param workspace: Where values are kept.
    :param dataset: The dataset.
    :param section: What is measured.
    :param progress: Where progress is shown.
    """

    def __init__(
        self, workspace: Workspace, dataset: RetrievalDataset, section: EvaluateSection, progress: Progress
    ) -> None:
        self._workspace, self._dataset, self.section, self._progress = workspace, dataset, section, progress

    def measure(self, line: Line) -> dict[str, Scores]:
        """Return split → scores."""
        made: list[Retriever] = []

        def retriever() -> Retriever:
            # Encoding the corpus costs most; all splits share it.
            if not made:
                made.append(line.retriever())
            return made[0]

        return {split: self._scores(line, split, retriever) for split in self.section.splits}

    def relevance(self, split: str) -> int:
        """Return the lowest grade that counts as relevant in a split."""
        return (self.section.relevance or {}).get(split, 1)

    def _scores(self, line: Line, split: str, retriever: Callable[[], Retriever]) -> Scores:
        section = self.section
        data = self._dataset.fingerprint(split)
        key = fingerprint([line.identity, data, section.metrics, self.relevance(split), section.top_k])

        def compute() -> dict[str, Any]:
            return self._evaluate(line, split, retriever())

        path: Path = self._workspace.evaluation(line.name, line.seed, split)
        return _read_scores(self._workspace.remember(path, key, compute))

    def _evaluate(self, line: Line, split: str, retriever: Retriever) -> dict[str, Any]:
        name = line.name if line.seed is None else f"{line.name}, seed {line.seed}"
        with self._progress.task(f"evaluate: {name} on {split}", 1) as advance:
            evaluation = evaluate_retriever(
                retriever,
                self._dataset.queries(split),
                self._dataset.qrels(split),
                self._dataset.corpus.ids,
                metrics=self.section.metrics,
                relevance=self.relevance(split),
                k=self.section.top_k,
            )
            advance(1)
        scores = evaluation.scores
        return {
            "relevance": scores.relevance,
            "queries": scores.queries,
            "unanswered": scores.unanswered,
            "without_relevant": scores.without_relevant,
            "unjudged": scores.unjudged,
            "per_query": {metric: dict(values) for metric, values in scores.per_query.items()},
            "seconds": round(evaluation.seconds, 3),
        }


def _read_scores(kept: Mapping[str, Any]) -> Scores:
    fields = ("per_query", "relevance", "queries", "unanswered", "without_relevant", "unjudged")
    return Scores(**{name: kept[name] for name in fields})
