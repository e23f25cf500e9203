"""Choose the candidates to keep so that the rate of false negatives stays under a budget, with 95 % confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.evaluation.rates import design_effect
from hardneg_plugin.evaluation.significance import CONFIDENCE

Floats = NDArray[np.float64]
# Labels that are kept at the next threshold of a chain, over those at the one before.
_STEP = 1.03


@dataclass(frozen=True)
class BudgetChoice:
    """The candidates kept under a budget.

    :param budget: The highest rate that is wanted.
    :param threshold: Candidates with at most this P(false negative) are kept.
    :param labelled: Labelled candidates that are kept.
    :param rate: Share of false negatives among them.
    :param upper: Upper bound of the rate, 95 %, for all thresholds that were tried together.
    :param lost: Share of the labelled true negatives that are dropped: the cost.
    """

    budget: float
    threshold: float
    labelled: int
    rate: float
    upper: float
    lost: float


def upper_bound(
    labels: NDArray[np.bool_], queries: Sequence[str], weights: Floats | None = None, error: float = 1 - CONFIDENCE
) -> float:
    """Return the one-sided upper bound of a rate (Clopper and Pearson, 1934) from labels of some queries.

    Labels of one query are alike, and labels of a stratified sample stand for different numbers of pairs; both make
    them worth fewer: the exact bound is taken at the effective sample size (Korn and Graubard, 1998).

    :param labels: Whether each is a false negative, shape ``(n,)``.
    :param queries: Query id of each.
    :param weights: Pairs that each stands for; None is one each.
    :param error: How often the rate may lie above the bound.
    :returns: From 0 to 1; 1 for no labels, or labels of a single query.
    """
    from scipy.stats import beta

    if len(set(queries)) < 2:
        return 1.0
    w = np.ones(len(labels)) if weights is None else weights
    rate = float((w * labels).sum() / w.sum())
    size = float(w.sum() ** 2 / (w * w).sum()) / design_effect(labels.astype(np.float64), queries)
    true = rate * size
    return 1.0 if true >= size else float(beta.ppf(1 - error, true + 1, size - true))


def fewest_labels(budget: float, error: float = 1 - CONFIDENCE) -> int:
    """Return how many kept labels without a single false negative it takes to show that a budget is kept."""
    return math.ceil(math.log(error) / math.log(1 - budget))


def choose_threshold(
    probability: Floats,
    labels: NDArray[np.bool_],
    queries: Sequence[str],
    budget: float,
    weights: Floats | None = None,
) -> BudgetChoice | None:
    """Return the loosest threshold whose kept candidates have an upper bound within the budget; None where none has.

    Learn then test (Angelopoulos et al., 2021): thresholds are tested from strict to loose in chains, each chain until
    the first that fails. The chains start where 2, 4, 8, … times the labels are kept that a budget takes without any
    false negative, and share the 5 % error between them, so that the bound holds for the threshold that is chosen, not
    for one that was named in advance.

    :param probability: P(false negative) of labelled candidates by models that did not see their query, shape ``(n,)``.
    :param labels: Whether each is a false negative.
    :param queries: Query id of each.
    :param budget: The highest rate, above 0 and below 1.
    :param weights: Pairs that each stands for; None is one each.
    """
    order = np.argsort(probability, kind="stable")
    sizes = _ends(probability[order])
    starts = _starts(sizes, budget)
    ids = np.asarray(queries, dtype=object)[order]
    w = np.ones(len(labels)) if weights is None else weights[order]
    best: tuple[int, float] | None = None
    for start in starts:
        for size in _chain(sizes, start):
            upper = upper_bound(labels[order][:size], ids[:size].tolist(), w[:size], (1 - CONFIDENCE) / len(starts))
            if upper > budget:
                break
            if best is None or size > best[0]:
                best = size, upper
    if best is None:
        return None
    size, upper = best
    kept, true = labels[order][:size], w * ~labels[order]
    rate = float((w[:size] * kept).sum() / w[:size].sum())
    lost = float(true[size:].sum() / true.sum()) if true.any() else 0.0
    return BudgetChoice(budget, float(probability[order][size - 1]), size, rate, upper, lost)


def _ends(ordered: Floats) -> NDArray[np.int64]:
    """Return how many are kept at each threshold that differs from the next."""
    last = np.append(ordered[1:] != ordered[:-1], [True] * bool(len(ordered)))
    return np.flatnonzero(last) + 1


def _starts(sizes: NDArray[np.int64], budget: float) -> list[int]:
    """Return numbers of kept labels at which chains start: they depend on the probabilities, never on the labels."""
    wanted, starts = 2 * fewest_labels(budget), []
    while len(sizes) and wanted <= sizes[-1]:
        starts.append(int(sizes[np.searchsorted(sizes, wanted)]))
        wanted *= 2
    return sorted(set(starts))


def _chain(sizes: NDArray[np.int64], start: int) -> list[int]:
    """Return growing numbers of kept labels, from one up to all."""
    steps = int(math.log(sizes[-1] / start) / math.log(_STEP)) + 1
    wanted = np.minimum(start * _STEP ** np.arange(steps), sizes[-1])
    return list(dict.fromkeys([*sizes[np.searchsorted(sizes, wanted)].tolist(), int(sizes[-1])]))


def budget_choices(
    probability: Floats,
    labels: NDArray[np.bool_],
    queries: Sequence[str],
    budgets: Sequence[float],
    weights: Floats | None = None,
) -> dict[float, BudgetChoice | None]:
    """Return budget → what it keeps; None where the labels cannot show that any threshold keeps it."""
    return {budget: choose_threshold(probability, labels, queries, budget, weights) for budget in budgets}


def kappa(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Cohen's kappa (1960) of two raters: agreement beyond what their shares would give by chance.

    :param first: Whether the first says yes, shape ``(n,)``.
    :param second: The same of the second.
    :returns: From -1 to 1; 1 where both always say the same, also where they only ever say one thing.
    """
    one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    agree = float((one == two).mean())
    chance = float(one.mean() * two.mean() + (1 - one.mean()) * (1 - two.mean()))
    return 1.0 if agree == 1 else (agree - chance) / (1 - chance)
