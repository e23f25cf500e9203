"""The lines of a table: BM25 retrieval, the untrained model, and what was trained; each measured once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.evaluation import Retriever, Scores, evaluate_retriever
from hardneg_plugin.recipe.schema import EvaluateSection
from hardneg_plugin.recipe.targets import Target
from hardneg_plugin.records import Corpus
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.workspace import Workspace


class EvaluatedSystem(NamedTuple):
    """One line to measure.

    :param name: Name of the line's folder.
    :param seed: Seed of its training; None where nothing is trained.
    :param identity: Gives the fingerprint of what retrieves from a corpus.
    :param retriever: Makes the retriever of a corpus; called only when something is to be measured.
    """

    name: str
    seed: int | None
    identity: Callable[[Corpus], str]
    retriever: Callable[[Corpus], Retriever]


class EvaluationRun:
    """Measures lines on targets; what was measured from the same things is read back.

    :param workspace: Where values are kept.
    :param targets: Splits of datasets.
    :param section: What is measured.
    :param progress: Where progress is shown.
    """

    def __init__(
        self, workspace: Workspace, targets: Sequence[Target], section: EvaluateSection, progress: Progress
    ) -> None:
        self._workspace, self._targets, self._section, self._progress = workspace, targets, section, progress

    def measure(self, line: EvaluatedSystem) -> dict[str, Scores]:
        """Return label of the target → scores."""
        # Encoding a corpus costs most; all of its splits share it.
        made: dict[str, Retriever] = {}

        def retriever(corpus: Corpus) -> Retriever:
            if corpus.key not in made:
                made.clear()
                made[corpus.key] = line.retriever(corpus)
            return made[corpus.key]

        return {target.label: self._scores(line, target, retriever) for target in self._targets}

    def _scores(self, line: EvaluatedSystem, target: Target, retriever: Callable[[Corpus], Retriever]) -> Scores:
        section, corpus = self._section, target.dataset.corpus
        data = target.dataset.fingerprint(target.split)
        key = fingerprint([line.identity(corpus), data, section.metrics, target.relevance, section.top_k])

        def compute() -> dict[str, Any]:
            return self._evaluate(line, target, retriever(corpus))

        path: Path = self._workspace.evaluation(line.name, line.seed, target.label)
        return _read_scores(self._workspace.remember(path, key, compute))

    def _evaluate(self, line: EvaluatedSystem, target: Target, retriever: Retriever) -> dict[str, Any]:
        name = line.name if line.seed is None else f"{line.name}, seed {line.seed}"
        with self._progress.task(f"evaluate: {name} on {target.label}", 1) as advance:
            evaluation = evaluate_retriever(
                retriever,
                target.dataset.queries(target.split),
                target.dataset.qrels(target.split),
                target.dataset.corpus.ids,
                metrics=self._section.metrics,
                relevance=target.relevance,
                k=self._section.top_k,
                passages=len(target.dataset.corpus),
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
