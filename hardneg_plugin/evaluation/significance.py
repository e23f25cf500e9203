"""Compare systems with a named baseline: paired randomisation test, Holm correction, effect size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import EvaluationError, ParameterError

CONFIDENCE = 0.95
"""Level of every interval."""

_Floats = NDArray[np.float64]

# Sign flips are enumerated up to this number of queries that differ: 65,536 sums.
_EXACT = 16
# Sums that differ by less than this share of their largest size are equal: real ties (thirds, tenths) must count.
_TIE = 1e-10
# Numbers that are drawn at once (16 MB as float64).
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Comparison:
    """One system and the baseline, in one metric.

    :param system: Name of the system.
    :param baseline: Name of the baseline.
    :param metric: Name of the metric.
    :param difference: Mean over queries of system minus baseline, in units of the metric: the effect.
    :param low: Lower end of its 95 % interval.
    :param high: Upper end. Both equal ``difference`` where no query differs from another (or there is only one).
    :param p: Two-sided p-value of the paired randomisation test.
    :param p_holm: The same, Holm-corrected over the systems compared in this metric.
    :param queries: Number of paired queries.
    """

    system: str
    baseline: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    queries: int


def compare(
    scores: Mapping[str, Mapping[str, Mapping[str, float]]], baseline: str, *, seed: int = 0, draws: int = 10_000
) -> list[Comparison]:
    """Compare every system with a baseline, query by query.

    The queries are the sample: with several seeds, give the values averaged over them
    (:attr:`~hardneg_plugin.evaluation.seeds.SeedScores.per_query`); the statement is then about the average of these
    trainings on other queries. The family of the correction is all systems in one call and one metric; metrics, which
    look at the same rankings, and splits are not corrected for each other.

    :param scores: System → metric → query id → value; larger is better. The same metrics and queries for all.
    :param baseline: Name of the system to compare with.
    :param seed: Seed of flips and resamples. A system's ``p`` depends neither on the other systems nor on the order
        of the queries.
    :param draws: Random sign flips of the test, and resamples of the interval.
    :returns: Metric by metric, the systems in their order without the baseline; empty when there is no other system.
    :raises EvaluationError: For an unknown baseline, for systems that differ in metrics or queries, for no queries, and
        for values that are not finite.
    :raises ParameterError: For less than one draw or a negative seed.
    """
    if baseline not in scores:
        msg = f"the baseline {baseline!r} is not among the systems {', '.join(scores)}"
        raise EvaluationError(msg)
    metrics = list(scores[baseline])
    systems = [system for system in scores if system != baseline]
    if not systems or not metrics:
        return []
    queries = sorted(scores[baseline][metrics[0]])
    for system in scores:
        _check_paired(scores[system], metrics, queries, f"system {system!r} and the baseline {baseline!r}")
    pairs = [(metric, system) for metric in metrics for system in systems]
    differences = np.stack(
        [_differences(scores[system][metric], scores[baseline][metric], queries) for metric, system in pairs], axis=1
    )
    p = randomisation_test(differences, seed=seed, draws=draws)
    p_holm = np.concatenate([holm(family) for family in p.reshape(len(metrics), len(systems))])
    low, high = bootstrap_interval(differences, seed=seed, draws=draws)
    columns = zip(pairs, differences.mean(axis=0), low, high, p, p_holm, strict=True)
    return [
        Comparison(
            system, baseline, metric, float(mean), float(start), float(end), float(raw), float(holmed), len(queries)
        )
        for (metric, system), mean, start, end, raw, holmed in columns
    ]


def randomisation_test(differences: _Floats, *, seed: int = 0, draws: int = 10_000) -> _Floats:
    """Test paired differences against zero by flipping their signs (Smucker, Allan and Carterette, CIKM 2007).

    If two systems are equal, either could have given either value of a query. The two-sided p-value is the share of
    flips whose mean is at least as far from zero as the observed one: of all flips where at most 16 differences are
    not zero, otherwise of random ones, with the observed one counted in, ``(b + 1) / (draws + 1)``, so that no level
    is exceeded and none is 0 (Phipson and Smyth, 2010).

    :param differences: Finite differences, shape ``(queries, tests)``; all tests see the same random flips.
    :param seed: Seed of the flips.
    :param draws: Random flips.
    :returns: p-values, shape ``(tests,)``.
    :raises EvaluationError: For another shape, no queries, or differences that are not finite.
    :raises ParameterError: For less than one draw or a negative seed.
    """
    _check_differences(differences, seed, draws)
    # Rounding must not part a flipped sum from the observed one that it equals.
    thresholds = np.abs(differences.sum(axis=0)) - _TIE * np.abs(differences).sum(axis=0)
    sampled = np.count_nonzero(differences, axis=0) > _EXACT
    p = np.empty(differences.shape[1])
    for test in np.flatnonzero(~sampled):
        values = differences[:, test]
        p[test] = np.mean(np.abs(_all_flips(values[values != 0])) >= thresholds[test])
    if sampled.any():
        extreme = _extreme_flips(differences[:, sampled], thresholds[sampled], np.random.default_rng([seed, 0]), draws)
        p[sampled] = (extreme + 1) / (draws + 1)
    return p


def holm(p: Sequence[float] | _Floats) -> _Floats:
    """Correct p-values for their number, in steps (Holm, 1979); holds under any dependence of the tests.

    :param p: The p-values of one family, in any order.
    :returns: Corrected values in the same order, at most 1: each may be held against the level of the whole family.
    """
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def bootstrap_interval(differences: _Floats, *, seed: int = 0, draws: int = 10_000) -> tuple[_Floats, _Floats]:
    """Give the 95 % interval of a mean difference over queries: bootstrap, bias-corrected and accelerated.

    BCa (Efron, 1987) rather than percentiles, because the differences of ranking metrics are mostly zero with a few
    large ones to one side. The interval of one test is not corrected for the number of tests.

    :param differences: Finite differences, shape ``(queries, tests)``; all tests see the same resamples.
    :param seed: Seed of the resamples.
    :param draws: Resamples.
    :returns: Lower and upper ends, shape ``(tests,)`` each; both are the mean where all differences are equal.
    :raises EvaluationError: For another shape, no queries, or differences that are not finite.
    :raises ParameterError: For less than one draw or a negative seed.
    """
    _check_differences(differences, seed, draws)
    queries, tests = differences.shape
    rng = np.random.default_rng([seed, 1])
    means = np.empty((draws, tests))
    for start, size in _blocks(draws, queries):
        # Counting picks as one product is many times faster than gathering the differences of each resample.
        picks = rng.integers(queries, size=(size, queries)) + np.arange(size)[:, None] * queries
        counts = np.bincount(picks.ravel(), minlength=size * queries).reshape(size, queries)
        means[start : start + size] = counts.astype(np.float64) @ differences / queries
    ends = np.array([_bca(means[:, test], differences[:, test]) for test in range(tests)]).reshape(tests, 2)
    return ends[:, 0], ends[:, 1]


def _bca(means: _Floats, differences: _Floats) -> tuple[float, float]:
    centre, tie = differences.mean(), _TIE * np.abs(differences).max()
    if np.ptp(differences) <= tie:
        return centre, centre
    normal, draws = NormalDist(), len(means)
    below = np.mean(means < centre - tie) / 2 + np.mean(means <= centre + tie) / 2
    # Very few draws may all lie on one side, where the normal quantile has no value.
    bias = normal.inv_cdf(float(np.clip(below, 1 / (draws + 1), draws / (draws + 1))))
    spread = differences - centre
    # The jackknife's acceleration, which for a mean has this closed form.
    acceleration = np.sum(spread**3) / (6 * np.sum(spread**2) ** 1.5)
    levels = []
    for level in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        shifted = bias + normal.inv_cdf(level)
        levels.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    low, high = np.quantile(means, levels)
    return float(low), float(high)


def _all_flips(values: _Floats) -> _Floats:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate((sums + value, sums - value))
    return sums


def _extreme_flips(
    differences: _Floats, thresholds: _Floats, rng: np.random.Generator, draws: int
) -> NDArray[np.int64]:
    """Count the random flips whose sum is as far from zero as the threshold, per test."""
    queries, tests = differences.shape
    total = differences.sum(axis=0)
    extreme = np.zeros(tests, dtype=np.int64)
    for _, size in _blocks(draws, queries):
        flipped = rng.integers(2, size=(size, queries), dtype=np.uint8).astype(np.float64)
        extreme += np.count_nonzero(np.abs(total - 2 * (flipped @ differences)) >= thresholds, axis=0)
    return extreme


def _blocks(draws: int, queries: int) -> Iterator[tuple[int, int]]:
    """Yield first draw and number of draws, so that memory is bounded."""
    size = max(1, _BLOCK // queries)
    for start in range(0, draws, size):
        yield start, min(size, draws - start)


def _differences(system: Mapping[str, float], baseline: Mapping[str, float], queries: Sequence[str]) -> _Floats:
    ours = np.array([system[query] for query in queries], dtype=np.float64)
    theirs = np.array([baseline[query] for query in queries], dtype=np.float64)
    # Equal values that were averaged over different seeds may part in the last digit.
    same = np.isclose(ours, theirs, rtol=_TIE, atol=1e-12)
    return np.where(same, 0.0, ours - theirs)


def _check_paired(
    scores: Mapping[str, Mapping[str, float]], metrics: Sequence[str], queries: Sequence[str], which: str
) -> None:
    if set(scores) != set(metrics):
        msg = f"{which} were scored differently: {', '.join(scores)}, and {', '.join(metrics)}"
        raise EvaluationError(msg)
    for metric in metrics:
        unpaired = scores[metric].keys() ^ set(queries)
        if unpaired:
            msg = (
                f"{which} were scored on different queries in {metric}: "
                f"{len(unpaired)} differ, the first is {min(unpaired)!r}"
            )
            raise EvaluationError(msg)
        broken = [query for query in queries if not isfinite(scores[metric][query])]
        if broken:
            msg = f"{which}: the value of query {broken[0]!r} in {metric} is {scores[metric][broken[0]]}, not a number"
            raise EvaluationError(msg)


def _check_differences(differences: _Floats, seed: int, draws: int) -> None:
    if draws < 1 or seed < 0:
        msg = f"draws must be at least 1 and seed at least 0, got draws={draws} and seed={seed}"
        raise ParameterError(msg)
    if differences.ndim != 2 or not len(differences):
        msg = f"expected differences of shape (queries, tests) with at least one query, got {differences.shape}"
        raise EvaluationError(msg)
    if not np.isfinite(differences).all():
        row, column = np.argwhere(~np.isfinite(differences))[0].tolist()
        msg = f"the difference of query {row} in test {column} is not a finite number: {differences[row, column]}"
        raise EvaluationError(msg)
