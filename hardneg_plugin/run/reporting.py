"""Build a report's data from the results of mining, training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.evaluation import Scores, SeedScores, aggregate_seeds, by_language, languages_over_seeds
from hardneg_plugin.evaluation.significance import compare
from hardneg_plugin.recipe.targets import Target
from hardneg_plugin.report import (
    QueryValues,
    ReportData,
    SeedMeans,
    SplitResults,
    StageCounts,
    System,
    SystemComparison,
    SystemResult,
    TrainingRun,
)
from hardneg_plugin.run.manifest import package_versions


@dataclass
class Row:
    """One row of the tables, as it is filled.

    :param system: What it is and what it was given.
    :param scores: Seed (None where nothing is trained) → split → scores.
    """

    system: System
    scores: dict[int | None, dict[str, Scores]] = field(default_factory=dict)


def stage_counts(counts: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[StageCounts, ...]:
    """Return what each stage took out, from counts of what was out by its end.

    Reasons of examples and of positives have a prefix; those of candidates stand as they are.

    :param counts: Name and counts of each stage, in order.
    """
    rows = []
    before: Mapping[str, Any] = {"dropped": {}, "positives": {}}
    for name, count in counts:
        examples = {f"example: {reason}": number for reason, number in count["rejected"].items()}
        positives = _new(count["positives"], before["positives"])
        here = {f"removed {reason}": number for reason, number in positives.items()}
        candidates = _new(count["dropped"], before["dropped"])
        dropped = {**examples, **here, **candidates}
        rows.append(StageCounts(name, count["candidates"], count["kept"], dropped, count.get("llm", {})))
        before = count
    return tuple(rows)


def _new(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {reason: number - before.get(reason, 0) for reason, number in now.items() if number > before.get(reason, 0)}


def training_run(seed: int, training: Mapping[str, Any], model: str, identity: str, earlier_steps: int) -> TrainingRun:
    """Return the report's view of a training."""
    seconds = round(training["seconds"], 1)
    refreshes = tuple(
        {name: value for name, value in one.items() if value is not None} for one in training.get("refreshes", ())
    )
    steps, examples = training["steps"], training["examples"]
    return TrainingRun(seed, steps, examples, seconds, model, identity, earlier_steps, refreshes)


def report_of_scores(
    name: str,
    dataset: RetrievalDataset,
    fingerprint: str,
    rows: Sequence[Row],
    targets: Sequence[Target],
    baseline: str | None = None,
    leaked: Mapping[str, Mapping[str, int]] | None = None,
) -> ReportData:
    """Return the report.

    :param name: Name of the recipe.
    :param dataset: The dataset, with all its queries and its rows left out.
    :param fingerprint: Fingerprint of the split that was trained on, or measured where nothing was trained.
    :param rows: Rows of the tables.
    :param targets: What was measured on.
    :param baseline: Row that the others are compared with; None takes the first that is trained, or the first.
    :param leaked: Label of a target → how much of it was trained on.
    """
    left_out = {f"{part}: {kind}": number for part, kinds in dataset.left_out.items() for kind, number in kinds.items()}
    return ReportData(
        recipe=name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=dataset.spec,
        dataset_fingerprint=fingerprint,
        systems=tuple(row.system for row in rows),
        splits=tuple(
            replace(_split(target, rows, baseline), leaked=(leaked or {}).get(target.label, {})) for target in targets
        ),
        skipped_rows=left_out,
        versions=package_versions(),
    )


def query_values(rows: Sequence[Row], targets: Sequence[Target]) -> list[QueryValues]:
    """Return the values behind all means."""
    return [
        QueryValues(row.system.name, seed, target.label, target.languages(), scores[target.label].per_query)
        for row in rows
        for seed, scores in row.scores.items()
        for target in targets
    ]


def _split(target: Target, rows: Sequence[Row], baseline: str | None) -> SplitResults:
    languages, label = target.languages(), target.label
    measured = [row for row in rows if row.scores]
    first = next(iter(measured[0].scores.values()))[label]
    counts = by_language(first, languages)
    baseline = baseline or _default_baseline(measured)
    return SplitResults(
        split=label,
        dataset=target.dataset.spec,
        fingerprint=target.dataset.fingerprint(target.split),
        metrics=tuple(first.metrics),
        relevance=first.relevance,
        queries=first.queries,
        without_relevant=first.without_relevant,
        results=tuple(_result(row, label, languages) for row in measured),
        languages={language: part.queries for language, part in counts.items()},
        baseline=baseline,
        comparisons=_comparisons(label, measured, baseline),
        group=target.group,
    )


def _default_baseline(rows: Sequence[Row]) -> str:
    """Name the first row that is trained: in-batch negatives in most recipes."""
    return next((row for row in rows if row.system.training), rows[0]).system.name


def _comparisons(split: str, rows: Sequence[Row], baseline: str) -> tuple[SystemComparison, ...]:
    compared = compare({row.system.name: _seed_scores(row, split).per_query for row in rows}, baseline)
    return tuple(
        SystemComparison(one.system, one.metric, one.difference, one.low, one.high, one.p, one.p_holm)
        for one in compared
    )


def _seed_scores(row: Row, split: str) -> SeedScores:
    # A line that is not trained is one measurement; seed 0 only stands for it inside these functions.
    return aggregate_seeds({seed or 0: splits[split] for seed, splits in row.scores.items()})


def _result(row: Row, split: str, languages: Mapping[str, str]) -> SystemResult:
    scores = {seed or 0: splits[split] for seed, splits in row.scores.items()}
    combined = _seed_scores(row, split)
    parts = languages_over_seeds({seed: by_language(part, languages) for seed, part in scores.items()})
    trained = None not in row.scores
    return SystemResult(
        system=row.system.name,
        means={metric: spread.mean for metric, spread in combined.spread.items()},
        deviations={
            metric: spread.deviation for metric, spread in combined.spread.items() if spread.deviation is not None
        },
        by_language={language: dict(part.means) for language, part in parts.items()},
        seeds=tuple(SeedMeans(seed, dict(part.means)) for seed, part in sorted(scores.items())) if trained else (),
    )
