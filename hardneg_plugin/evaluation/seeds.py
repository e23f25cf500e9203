"""Several seeds of one system as one result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from statistics import stdev

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.metrics import LanguageScores, Scores


@dataclass(frozen=True)
class Spread:
    """One metric over seeds.

    :param mean: Mean of the seeds' means.
    :param minimum: Lowest seed.
    :param maximum: Highest seed.
    :param deviation: Sample standard deviation (n - 1), or ``None`` for a single seed, which has none.
    """

    mean: float
    minimum: float
    maximum: float
    deviation: float | None


@dataclass(frozen=True)
class SeedScores:
    """One system over several seeds, on the same queries.

    :param seeds: The seeds, ascending.
    :param per_query: Metric → query id → mean of the value over seeds; for comparing systems query by query.
    :param spread: Metric → mean and spread of the seeds.
    """

    seeds: tuple[int, ...]
    per_query: Mapping[str, Mapping[str, float]]
    spread: Mapping[str, Spread]


def aggregate_seeds(scores: Mapping[int, Scores]) -> SeedScores:
    """Combine the seeds of one system.

    :param scores: Seed → scores.
    :returns: Means per query and spread per metric.
    :raises EvaluationError: Without seeds, or when two seeds differ in metrics, threshold or judged queries.
    """
    if not scores:
        msg = "there are no seeds to combine"
        raise EvaluationError(msg)
    seeds = tuple(sorted(scores))
    first = scores[seeds[0]]
    for seed in seeds[1:]:
        _check_comparable(first, scores[seed], f"seeds {seeds[0]} and {seed}")
    per_query = {
        metric: {query: _mean([scores[seed].per_query[metric][query] for seed in seeds]) for query in values}
        for metric, values in first.per_query.items()
    }
    spread = {metric: _spread([scores[seed].means[metric] for seed in seeds]) for metric in first.metrics}
    return SeedScores(seeds=seeds, per_query=per_query, spread=spread)


def languages_over_seeds(languages: Mapping[int, Mapping[str, LanguageScores]]) -> dict[str, LanguageScores]:
    """Average the means per language over seeds.

    :param languages: Seed → language → means.
    :returns: Language → means over seeds, sorted by language.
    :raises EvaluationError: Without seeds, or when two seeds differ in languages, their queries or metrics.
    """
    if not languages:
        msg = "there are no seeds to combine"
        raise EvaluationError(msg)
    shapes = {
        seed: {language: (part.queries, tuple(part.means)) for language, part in parts.items()}
        for seed, parts in languages.items()
    }
    seed, first = next(iter(shapes.items()))
    for other, shape in shapes.items():
        if shape != first:
            msg = f"seeds {seed} and {other} differ in their languages, queries or metrics: {first} and {shape}"
            raise EvaluationError(msg)
    return {
        language: LanguageScores(
            queries=queries,
            means={
                metric: _mean([parts[language].means[metric] for parts in languages.values()]) for metric in metrics
            },
        )
        for language, (queries, metrics) in sorted(first.items())
    }


def _check_comparable(first: Scores, second: Scores, which: str) -> None:
    if first.metrics != second.metrics or first.relevance != second.relevance:
        msg = (
            f"{which} were scored differently: {', '.join(first.metrics)} at grade {first.relevance}, "
            f"and {', '.join(second.metrics)} at grade {second.relevance}"
        )
        raise EvaluationError(msg)
    differing = {
        query for metric in first.metrics for query in first.per_query[metric].keys() ^ second.per_query[metric]
    }
    if differing:
        msg = f"{which} were scored on different queries: {len(differing)} differ, the first is {min(differing)!r}"
        raise EvaluationError(msg)


def _spread(values: list[float]) -> Spread:
    deviation = stdev(values) if len(values) > 1 else None
    return Spread(mean=_mean(values), minimum=min(values), maximum=max(values), deviation=deviation)


def _mean(values: list[float]) -> float:
    return fsum(values) / len(values)
