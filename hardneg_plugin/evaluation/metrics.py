"""Metrics, their values per query, and their means; every metric is computed by ir_measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.runs import Qrels, Run, ranking

if TYPE_CHECKING:
    from ir_measures import Measure

METRICS = ("RR@10", "R@1", "R@5", "R@10", "R@100", "nDCG@10")


@dataclass(frozen=True)
class Scores:
    """Values of one run on one set of judgements.

    :param per_query: Metric → query id → value. Every judged query is there, in the order of the judgements.
    :param relevance: Lowest grade that counts as relevant in binary metrics.
    :param queries: Number of judged queries; every mean is over all of them.
    :param unanswered: Judged queries for which the run has no result; they count 0.
    :param without_relevant: Judged queries without any passage of grade ``relevance`` or more. As in trec_eval they
        count (with value 0 in binary metrics), so no system can reach a mean of 1 when there are any.
    :param unjudged: Queries of the run without judgements, which were ignored.
    """

    per_query: Mapping[str, Mapping[str, float]]
    relevance: int
    queries: int
    unanswered: int
    without_relevant: int
    unjudged: int

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, in the order asked for."""
        return tuple(self.per_query)

    @cached_property
    def means(self) -> dict[str, float]:
        """Metric → mean over all judged queries."""
        return {metric: _mean(values.values()) for metric, values in self.per_query.items()}


@dataclass(frozen=True)
class LanguageScores:
    """Means over the queries of one language.

    :param queries: Number of judged queries in this language.
    :param means: Metric → mean over them.
    """

    queries: int
    means: Mapping[str, float]


def parse_metrics(names: Sequence[str], relevance: int = 1) -> tuple[Measure, ...]:
    """Turn metric names into the measures of ir_measures.

    :param names: Names as ir_measures spells them, such as ``RR@10``; its aliases (``MRR@10``) are accepted, and a
        metric that is named twice is computed once.
    :param relevance: Lowest grade that counts as relevant. Above 1 a binary metric becomes, for example,
        ``RR(rel=2)@10``, unless its name sets ``rel`` itself; graded metrics such as ``nDCG@10`` stay as they are.
    :returns: One measure per metric; ``str()`` of it is the name used everywhere.
    :raises EvaluationError: For a threshold below 1, for no names at all, and for names that are unknown, incomplete,
        not a mean over queries, or not computable with what is installed: all of them in one message.
    """
    if relevance < 1:
        msg = f"the relevance threshold must be a grade of at least 1, got {relevance}"
        raise EvaluationError(msg)
    measures: dict[str, Measure] = {}
    problems = []
    for name in names:
        try:
            measure = _parse(name, relevance)
        except EvaluationError as error:
            problems.append(f"{name!r} ({error})")
        else:
            measures[str(measure)] = measure
    if problems or not measures:
        found = "cannot compute " + ", ".join(problems) if problems else "no metrics were named"
        msg = f"{found}; expected names as ir_measures spells them, for example {', '.join(METRICS)}"
        raise EvaluationError(msg)
    return tuple(measures.values())


def score(run: Run, qrels: Qrels, metrics: Sequence[str] = METRICS, relevance: int = 1) -> Scores:
    """Score a run.

    The order of the run's results decides (see :func:`~hardneg_plugin.evaluation.runs.ranking`). ir_measures is given
    strictly decreasing scores, because the tools behind it break ties differently: trec_eval by descending and the
    MS MARCO script by ascending passage id, so one table could mix two rankings.

    :param run: Query id → passage id → score.
    :param qrels: Query id → passage id → grade. A query here without results in the run counts 0.
    :param metrics: Names of metrics, see :func:`parse_metrics`.
    :param relevance: Lowest grade that counts as relevant in binary metrics.
    :returns: Values per query and what was counted on the way.
    :raises EvaluationError: For unknown metrics, for no judgements at all, and for scores that are not numbers.
    """
    import ir_measures

    measures = parse_metrics(metrics, relevance)
    if not qrels:
        msg = "there are no judgements to score against"
        raise EvaluationError(msg)
    judged = {query: _strictly_decreasing(ranking(run[query], query)) for query in qrels if run.get(query)}
    values: dict[str, dict[str, float]] = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    # Real dicts, because ir_measures tells its input formats apart by type.
    grades_of = {query: dict(grades) for query, grades in qrels.items()}
    try:
        for metric in ir_measures.iter_calc(measures, grades_of, judged):
            values[str(metric.measure)][metric.query_id] = float(metric.value)
    except CalledProcessError as error:
        msg = f"a program that ir_measures starts for one of {', '.join(values)} failed: {error}"
        raise EvaluationError(msg) from error
    return Scores(
        per_query=values,
        relevance=relevance,
        queries=len(qrels),
        unanswered=len(qrels) - len(judged),
        without_relevant=sum(max(grades.values(), default=0) < relevance for grades in qrels.values()),
        unjudged=sum(query not in qrels for query in run),
    )


def by_language(scores: Scores, languages: Mapping[str, str]) -> dict[str, LanguageScores]:
    """Average per language.

    :param scores: Values per query.
    :param languages: Query id → ISO 639-1 code, or an empty string where it is not known; further queries are ignored.
    :returns: Language → means, sorted by language.
    :raises EvaluationError: When a judged query is missing in ``languages``.
    """
    queries = next(iter(scores.per_query.values()))
    missing = [query for query in queries if query not in languages]
    if missing:
        msg = f"no language is given for {len(missing)} judged queries, the first is {missing[0]!r}"
        raise EvaluationError(msg)
    groups: dict[str, list[str]] = {}
    for query in queries:
        groups.setdefault(languages[query], []).append(query)
    return {
        language: LanguageScores(
            queries=len(group),
            means={metric: _mean(values[query] for query in group) for metric, values in scores.per_query.items()},
        )
        for language, group in sorted(groups.items())
    }


def cutoff_of(measure: Measure) -> int:
    """Return the rank down to which a measure looks, 0 where its name sets none."""
    cutoff = measure.params.get("cutoff", 0)
    return int(cutoff)


def _parse(name: str, relevance: int) -> Measure:
    import ir_measures
    from ir_measures.measures import MeanAgg

    try:
        measure = ir_measures.parse_measure(name)
        if relevance > 1 and "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
            measure = measure(rel=relevance)
        _check_cutoff(measure)
        # ir_measures checks parameters with assertions, and looks them up only when it computes.
        supported = ir_measures.DefaultPipeline.supports(measure)  # type: ignore[no-untyped-call]
    except (ValueError, NameError, TypeError, KeyError, AssertionError) as error:
        raise EvaluationError(str(error)) from error
    if not supported:
        msg = "nothing that is installed computes it"
        raise EvaluationError(msg)
    if not isinstance(measure.aggregator(), MeanAgg):
        msg = "its aggregate is not a mean over queries"
        raise EvaluationError(msg)
    return measure


def _check_cutoff(measure: Measure) -> None:
    """Refuse what ir_measures words badly (no cutoff), and a cutoff of 0, which ends the process inside trec_eval."""
    parameter = measure.SUPPORTED_PARAMS.get("cutoff")
    if parameter is None or ("cutoff" not in measure.params and not parameter.required):
        return
    cutoff = measure.params.get("cutoff")
    if not isinstance(cutoff, int) or cutoff < 1:
        msg = f"it needs a cutoff of at least 1, such as {measure.NAME}@10"
        raise EvaluationError(msg)


def _strictly_decreasing(passages: Sequence[str]) -> dict[str, float]:
    return {passage: float(-rank) for rank, passage in enumerate(passages, start=1)}


def _mean(values: Iterable[float]) -> float:
    """Average with exact summation, so that no order of the queries changes the last digit."""
    listed = list(values)
    return fsum(listed) / len(listed)
