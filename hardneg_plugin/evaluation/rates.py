"""Rates of false negatives with intervals: from human labels, from a judge, and from a judge corrected by labels.

A *verdict* is what a judge says of a pair of query and negative, a *gold label* what a person (or qrels) says of it. A
judge alone gives the judge's rate: how often it says "false negative", which can be far from how often that is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.significance import CONFIDENCE

_Floats = NDArray[np.float64]
# Draws of the posterior: the ends of the interval are then exact to about a thousandth of the rate's spread.
_DRAWS = 20_000


@dataclass(frozen=True)
class RateEstimate:
    """A share, with its 95 % interval.

    :param rate: From 0 to 1.
    :param low: Lower end of the interval.
    :param high: Upper end.
    :param samples: Pairs it was estimated from.
    :param gold: How many of them have a gold label.
    :param method: What it is: ``gold`` (labels alone), ``corrected`` (verdicts corrected by labels), ``judge``
        (verdicts alone: the judge's rate), or a name that the caller gave.
    """

    rate: float
    low: float
    high: float
    samples: int
    gold: int
    method: str


def gold_rate(
    labels: NDArray[Any] | Sequence[bool],
    method: str = "gold",
    queries: Sequence[str] | None = None,
    weights: NDArray[np.float64] | Sequence[float] | None = None,
) -> RateEstimate:
    """Return the share of true labels in a random sample, with the score interval of Wilson (1927).

    Brown, Cai and DasGupta (Interval estimation for a binomial proportion, 2001) recommend it for small samples: unlike
    the mean plus and minus two standard errors it stays inside 0 and 1 and covers also where no label is true.

    :param labels: Whether each pair is a false negative, shape ``(n,)``.
    :param method: Name that the estimate carries.
    :param queries: Query of each pair, where the rate is that of *other* queries like these: pairs of one query are
        alike, which widens the interval (see :func:`design_effect`). Without it the rate is that of the list of pairs
        that the sample was drawn from at random.
    :param weights: How many pairs each stands for, in a stratified sample; unequal ones widen the interval (Kish,
        1965). None is one each.
    :raises EvaluationError: For no labels, something else than one true or false per pair, or weights that are not one
        number above 0 per pair.
    """
    values = _booleans(labels, "labels")
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != values.shape or not (w > 0).all():
        msg = f"weights must be one number above 0 for each of {len(values)} pairs"
        raise EvaluationError(msg)
    rate = float((w * values).sum() / w.sum())
    size = float(w.sum() ** 2 / (w * w).sum()) / design_effect(values.astype(np.float64), queries)
    low, high = wilson(rate, size)
    return RateEstimate(rate, low, high, len(values), len(values), method)


def judge_rate(verdicts: NDArray[Any] | Sequence[bool], queries: Sequence[str] | None = None) -> RateEstimate:
    """Return how often a judge says "false negative": the judge's rate, with no claim about how often that is so.

    :param verdicts: Whether the judge says so of each pair, shape ``(n,)``.
    :param queries: As in :func:`gold_rate`.
    :raises EvaluationError: For no verdicts, or something else than one true or false per pair.
    """
    estimate = gold_rate(_booleans(verdicts, "verdicts"), "judge", queries)
    return RateEstimate(estimate.rate, estimate.low, estimate.high, estimate.samples, 0, estimate.method)


def corrected_rate(
    verdicts: NDArray[Any] | Sequence[Any],
    gold: NDArray[np.float64] | Sequence[float],
    *,
    population: int | None = None,
    queries: Sequence[str] | None = None,
    seed: int = 0,
) -> RateEstimate:
    """Return the rate of false negatives from a judge's verdicts and gold labels of a random part of them.

    Double sampling for stratification (Neyman, 1938; Tenenbein, 1970, for misclassified binary data): the verdicts say
    how large each stratum is, the labels how many of a stratum are false negatives. It needs no assumption about the
    judge, unlike a correction by sensitivity and specificity measured elsewhere (Rogan and Gladen, 1978), and where the
    judge is no better than a coin it comes to what the labels alone say. The interval is that of the posterior under
    Jeffreys' priors, by simulation: shares of the strata by a Dirichlet, the rate of each by a Beta distribution. With
    few labels in a stratum it covers where a normal interval does not (Brown, Cai and DasGupta, 2001).

    :param verdicts: What the judge says of each pair, shape ``(n,)``: true for "false negative", or a code of any
        number of labels. The pairs are a random sample.
    :param gold: Same shape: 1 for a false negative, 0 for none, NaN for a pair without a label. Which pairs have one
        must not depend on what it is; it may depend on the verdict.
    :param population: Pairs that the sample was drawn from without replacement, where the rate is that of exactly
        these: the more of them are known, the narrower the interval. None is no such number.
    :param queries: As in :func:`gold_rate`.
    :param seed: Seed of the simulation.
    :returns: The rate is what the strata's shares and the labels in them add up to, without the priors; only a stratum
        without any label counts as a half, and the interval says how little that is. ``method`` is ``corrected``.
    :raises EvaluationError: For no verdicts, no label at all, other values than these, or shapes that do not fit.
    """
    strata, labels = _checked(verdicts, gold, population)
    known = ~np.isnan(labels)
    sizes = np.bincount(strata).astype(np.float64)
    labelled = np.bincount(strata[known], minlength=len(sizes)).astype(np.float64)
    true = np.bincount(strata[known], weights=labels[known], minlength=len(sizes))
    rates = np.divide(true, labelled, out=np.full(len(sizes), 0.5), where=labelled > 0)
    # The label where there is one, what its stratum says where there is none: what the estimate adds up.
    effect = design_effect(np.where(known, labels, rates[strata]), queries)
    random = np.random.default_rng(seed)
    shares = random.dirichlet(sizes / effect + 0.5, _DRAWS)
    drawn = random.beta(true / effect + 0.5, (labelled - true) / effect + 0.5, (_DRAWS, len(sizes)))
    if population is None:
        values = (shares * drawn).sum(axis=1)
    else:
        rest = random.multinomial(population - len(strata), shares) + (sizes - labelled).astype(np.int64)
        values = (true.sum() + random.binomial(rest, drawn).sum(axis=1)) / population
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    rate = float((sizes * rates).sum() / sizes.sum())
    # The priors keep the ends off 0 and 1, where the labels alone may be.
    return RateEstimate(rate, min(float(low), rate), max(float(high), rate), len(strata), int(known.sum()), "corrected")


def wilson(rate: float, size: float) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson, 1927).

    :param rate: Observed share.
    :param size: Observations; a number that is not whole is an effective sample size.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = (rate + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * float(np.sqrt(rate * (1 - rate) / size + z * z / (4 * size * size)))
    # At 0 and 1 the ends are exactly that; rounding would leave 1e-18.
    return (0.0 if rate == 0 else max(0.0, centre - half)), (1.0 if rate == 1 else min(1.0, centre + half))


def design_effect(values: _Floats, queries: Sequence[str] | None) -> float:
    """Return by how much the variance of a mean grows because values of one query are alike (Kish, 1965).

    The variance of the mean between queries, by linearisation, over that of a random sample of as many values. The
    sample size over it is the effective sample size (Korn and Graubard, 1998, use it with intervals of proportions).

    :param values: Shape ``(n,)``.
    :param queries: Query of each; None, or one query per value, is no such effect.
    :returns: At least 1.
    :raises EvaluationError: If there are other queries than values, or only one query to tell the spread from.
    """
    if queries is None:
        return 1.0
    if len(queries) != len(values):
        msg = f"{len(values)} pairs, but queries of {len(queries)}"
        raise EvaluationError(msg)
    number = np.unique(np.asarray(queries), return_inverse=True)[1]
    groups = int(number.max()) + 1
    if groups == 1 and len(values) > 1:
        msg = "all pairs are of one query: they cannot say how queries differ; leave `queries` out"
        raise EvaluationError(msg)
    off = values - values.mean()
    within = float((off**2).sum())
    if within == 0:
        return 1.0
    between = float((np.bincount(number, weights=off) ** 2).sum()) * groups / (groups - 1)
    return max(1.0, between * (len(values) - 1) / len(values) / within)


def _booleans(values: NDArray[Any] | Sequence[Any], what: str) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        msg = f"{what} must be one true or false per pair, at least one, got shape {array.shape}"
        raise EvaluationError(msg)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        msg = f"{what} must be true or false, got {array[~np.isin(array, (0, 1))][0]}"
        raise EvaluationError(msg)
    return array.astype(bool)


def _checked(
    verdicts: NDArray[Any] | Sequence[Any], gold: NDArray[np.float64] | Sequence[float], population: int | None
) -> tuple[NDArray[np.int64], _Floats]:
    """Return the number of each pair's stratum, and its label or NaN."""
    said, labels = np.asarray(verdicts), np.asarray(gold, dtype=np.float64)
    if said.ndim != 1 or not len(said) or said.shape != labels.shape:
        msg = f"verdicts and gold labels must be of one length, at least 1, got shapes {said.shape} and {labels.shape}"
        raise EvaluationError(msg)
    known = labels[~np.isnan(labels)]
    if not len(known):
        msg = f"none of {len(said)} verdicts has a gold label: use judge_rate, which says the judge's rate"
        raise EvaluationError(msg)
    if not np.isin(known, (0, 1)).all():
        msg = f"gold labels must be 0, 1 or NaN, got {known[~np.isin(known, (0, 1))][0]}"
        raise EvaluationError(msg)
    if population is not None and population < len(said):
        msg = f"a sample of {len(said)} pairs cannot come from a population of {population}"
        raise EvaluationError(msg)
    return np.unique(said, return_inverse=True)[1].astype(np.int64), labels
