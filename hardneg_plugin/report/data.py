"""Data of a report: a run fills it, the renderers read it, ``results.json`` stores it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.report.reading import read_dataclass


@dataclass(frozen=True)
class TrainingRun:
    """One training of one system: the budget it was given and what came out.

    :param seed: Seed of the run.
    :param steps: Optimiser steps.
    :param examples: Training examples (triplets), counted once however many epochs there were.
    :param seconds: Wall-clock time of the training.
    :param model: Folder of the trained model.
    :param model_fingerprint: Fingerprint of its weights.
    :param earlier_steps: Steps that the model it started from was trained before.
    :param refreshes: How the hard set moved each time the negatives were mined again; what is not known is left out.
    """

    seed: int
    steps: int
    examples: int
    seconds: float
    model: str
    model_fingerprint: str
    earlier_steps: int = 0
    refreshes: tuple[Mapping[str, float], ...] = ()

    @property
    def total_steps(self) -> int:
        """Steps since the base model."""
        return self.steps + self.earlier_steps


@dataclass(frozen=True)
class StageCounts:
    """Counts of candidates that one mining stage kept and dropped.

    :param stage: Name of the stage.
    :param candidates: Candidates after it, dropped ones included.
    :param kept: Those that no stage has dropped so far.
    :param dropped: Reason → candidates that this stage dropped.
    :param llm: What the stage asked of a language model: calls, cached answers, tokens, seconds; empty without one.
    """

    stage: str
    candidates: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    llm: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """One system of the comparison.

    :param name: Name as in the recipe; ``BM25`` retrieval and the untrained base are systems, too.
    :param base_model: Model that training starts from or that is evaluated untrained; empty for BM25 retrieval.
    :param base_fingerprint: Fingerprint of its weights.
    :param stages: Mining stages, in order.
    :param training: One entry per seed; empty for a system that is not trained.
    :param warnings: What a reader must know of its negatives, a sentence each.
    """

    name: str
    base_model: str = ""
    base_fingerprint: str = ""
    stages: tuple[StageCounts, ...] = ()
    training: tuple[TrainingRun, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeedMeans:
    """Means of one seed.

    :param seed: Seed of the training.
    :param means: Metric → mean over queries.
    """

    seed: int
    means: Mapping[str, float]


@dataclass(frozen=True)
class SystemResult:
    """One system on one split.

    :param system: Name of the system.
    :param means: Metric → mean over queries, and over seeds where there are several.
    :param deviations: Metric → sample standard deviation over seeds; empty with fewer than two seeds.
    :param by_language: Language → metric → mean over its queries, and over seeds.
    :param seeds: The means of each seed; empty for a system that is not trained.
    """

    system: str
    means: Mapping[str, float]
    deviations: Mapping[str, float] = field(default_factory=dict)
    by_language: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seeds: tuple[SeedMeans, ...] = ()


@dataclass(frozen=True)
class SystemComparison:
    """One system beside the baseline of its split, in one metric.

    :param system: Name of the system.
    :param metric: Name of the metric.
    :param difference: Mean over queries of system minus baseline.
    :param low: Lower end of its 95 % interval.
    :param high: Upper end.
    :param p: Two-sided p-value of a paired randomisation test over queries.
    :param p_holm: The same, Holm-corrected over the systems compared in this metric on this split.
    """

    system: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class SplitResults:
    """All systems on one split.

    :param split: Name of the split.
    :param dataset: Spec of its dataset.
    :param fingerprint: Fingerprint of that dataset.
    :param metrics: Metrics in the order of the columns, as ir_measures spells them.
    :param relevance: Lowest grade that counts as relevant in binary metrics.
    :param queries: Judged queries; every mean is over all of them.
    :param without_relevant: Those without any relevant passage, which count 0 in binary metrics.
    :param results: One entry per system, in the order of the rows.
    :param languages: Language → judged queries in it.
    :param baseline: System that the others are compared with; empty where nothing is compared.
    :param comparisons: One entry per system and metric that are compared; the same systems in each of these metrics.
    :param group: Group of splits it belongs to, such as ``zero-shot``; empty without one.
    :param leaked: How many ``queries`` and ``relevant passages`` there are, and, with ``exact`` and ``near`` before it,
        how many of each the training holds as they stand or nearly; empty where it was not counted.
    """

    split: str
    dataset: str
    fingerprint: str
    metrics: tuple[str, ...]
    relevance: int
    queries: int
    without_relevant: int
    results: tuple[SystemResult, ...]
    languages: Mapping[str, int] = field(default_factory=dict)
    baseline: str = ""
    comparisons: tuple[SystemComparison, ...] = ()
    group: str = ""
    leaked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """Everything a report says.

    :param recipe: Name of the recipe.
    :param date: ISO 8601 date or time of the run.
    :param dataset: Spec of the dataset that was mined and trained on.
    :param dataset_fingerprint: Its fingerprint.
    :param systems: Systems in the order of the rows.
    :param splits: One entry per split that was evaluated.
    :param skipped_rows: Reason → rows of the dataset that were skipped.
    :param versions: Package → version.
    :raises EvaluationError: When results or comparisons name unknown systems, or lack a metric or language of their
        split, or comparisons are not the same systems in each metric.
    """

    recipe: str
    date: str
    dataset: str
    dataset_fingerprint: str
    systems: tuple[System, ...]
    splits: tuple[SplitResults, ...]
    skipped_rows: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [system.name for system in self.systems]
        if len(set(names)) != len(names):
            msg = f"system names must differ, got {', '.join(names)}"
            raise EvaluationError(msg)
        for split in self.splits:
            _check_split(split, names)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able dicts and lists."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReportData:
        """Rebuild a report.

        :param data: What :meth:`to_dict` returned, or the parsed ``results.json``.
        :returns: A report equal to the one written.
        :raises EvaluationError: For missing or unknown keys and wrong types, with the path of the key.
        """
        return read_dataclass(cls, data, "results")


def _check_split(split: SplitResults, systems: list[str]) -> None:
    where = f"split {split.split!r}"
    found = [result.system for result in split.results]
    if len(set(found)) != len(found):
        msg = f"{where} has two results for one system: {', '.join(found)}"
        raise EvaluationError(msg)
    _require(systems, found, f"{where}: systems")
    for result in split.results:
        here = f"{where}, system {result.system!r}"
        _require(result.means, split.metrics, f"{here}: metrics")
        if split.languages:
            _require(result.by_language, split.languages, f"{here}: languages")
        for language, means in result.by_language.items():
            _require(means, split.metrics, f"{here}, language {language!r}: metrics")
    _check_comparisons(split, found, where)


def _check_comparisons(split: SplitResults, systems: list[str], where: str) -> None:
    if split.comparisons and not split.baseline:
        msg = f"{where} has comparisons, but names no baseline"
        raise EvaluationError(msg)
    named = [(comparison.system, comparison.metric) for comparison in split.comparisons]
    others = [system for system in systems if system != split.baseline]
    _require(systems, [split.baseline] if split.baseline else [], f"{where}, baseline: systems")
    _require(others, [system for system, _ in named], f"{where}, comparisons: systems other than the baseline")
    _require(split.metrics, [metric for _, metric in named], f"{where}, comparisons: metrics")
    # The correction of p-values counts the systems of a metric, so none may be missing in one and present in another.
    full = set(product({system for system, _ in named}, {metric for _, metric in named}))
    if len(named) != len(full) or set(named) != full:
        msg = f"{where}, comparisons: expected each system once in each metric, got {named}"
        raise EvaluationError(msg)


def _require(known: Iterable[str], wanted: Iterable[str], what: str) -> None:
    missing = [name for name in wanted if name not in set(known)]
    if missing:
        msg = f"{what} {', '.join(missing)} are missing"
        raise EvaluationError(msg)
