"""What rules keep of graded candidates: the frontier of contamination and true negatives, by folds of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin import MiningExample
from hardneg_plugin.evaluation.candidate_features import CandidateFeatures
from hardneg_plugin.evaluation.false_negative_budget import choose_threshold
from hardneg_plugin.evaluation.false_negative_model import CrossFittedClassifier
from hardneg_plugin.records import table_of, with_table
from hardneg_plugin.search.dense.search import Encoder

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]
FOLDS, BOOTSTRAPS = 5, 500
CONTAMINATIONS = (0.05, 0.10)


class Graded(NamedTuple):
    """Graded candidates of some queries.

    :param query: Number of the query of each, shape ``(n,)``.
    :param false: Whether it is a false negative.
    :param rank: Source → its rank, 0 where that did not find it.
    :param rivals: Name of a single rule → its number; the higher, the sooner it drops.
    :param features: What the model sees, shape ``(n, f)``.
    """

    query: NDArray[np.int64]
    false: Masks
    rank: Mapping[str, NDArray[np.int32]]
    rivals: Mapping[str, Floats]
    features: NDArray[np.float32]


def graded(examples: Sequence[MiningExample], labels: Floats, rivals: Mapping[str, Floats], encoder: Encoder) -> Graded:
    """Return the candidates that have a label.

    :param examples: Examples with all that the model may see.
    :param labels: 1, 0 or NaN for every candidate.
    :param rivals: Number of every candidate by single rules.
    :param encoder: Model that says how near candidates are to the positive.
    """
    table = table_of(examples)
    known = table.kept & ~np.isnan(labels)
    examples = with_table(examples, table)
    features = CandidateFeatures(examples, table, encoder=encoder).of(examples, table, known)
    return Graded(
        table.example_index[known],
        labels[known] == 1,
        {name: ranks[known] for name, ranks in table.ranks.items()},
        {name: values[known] for name, values in rivals.items()},
        features,
    )


class Fold(NamedTuple):
    """What models of four fifths of the queries say of all candidates.

    :param test: Candidates of the queries that they did not see, shape ``(n,)``.
    :param probability: P(false negative), shape ``(n,)``; of the seen queries, too, each by a model without it.
    """

    test: Masks
    probability: Floats


class OutOfFold(NamedTuple):
    """What models of other queries say of each candidate, and what thresholds chosen on other queries keep.

    :param probability: P(false negative), shape ``(n,)``.
    :param kept: (rule, contamination) → mask; the rule ``bound`` is the budget's.
    """

    probability: Floats
    kept: Mapping[tuple[str, float], Masks]


def folds_of(data: Graded, seed: int) -> list[Fold]:
    """Fit on four fifths of the queries, five times."""
    queries, ids = np.random.default_rng(seed).permutation(np.unique(data.query)), data.query.astype(str)
    found = []
    for held in np.array_split(queries, FOLDS):
        test = np.isin(data.query, held)
        model = CrossFittedClassifier(data.features[~test], data.false[~test], ids[~test].tolist(), seed)
        found.append(Fold(test, model.probability(data.features, ids.tolist())))
    return found


def out_of_fold(data: Graded, folds: Sequence[Fold], source: str, top: int) -> OutOfFold:
    """Choose thresholds on the queries of each fold's models, and say what they keep of the first ``top`` elsewhere."""
    inside, ids = first(data, source, top), data.query.astype(str)
    probability = np.full(len(data.query), np.nan)
    names = [(name, level) for name in (*data.rivals, "model", "bound") for level in CONTAMINATIONS]
    kept = {name: np.zeros(len(data.query), dtype=bool) for name in names}
    for test, own in folds:
        probability[test] = own[test]
        fit = ~test & inside
        for level in CONTAMINATIONS:
            for name, values in {**data.rivals, "model": own}.items():
                kept[name, level] |= test & (values <= best_threshold(values[fit], data.false[fit], level))
            choice = choose_threshold(own[fit], data.false[fit], ids[fit].tolist(), level)
            if choice is not None:
                kept["bound", level] |= test & (own <= choice.threshold)
    return OutOfFold(probability, kept)


def best_threshold(values: Floats, false: Masks, level: float) -> float:
    """Return the threshold that keeps most true negatives with at most ``level`` false ones among what it keeps."""
    order, counts, wrong = _cumulated(values, false)
    fine = np.flatnonzero(wrong <= level * counts)
    return float(values[order][fine[np.argmax((counts - wrong)[fine])]]) if len(fine) else -np.inf


def frontier(values: Floats, false: Masks, level: float, weights: Floats | None = None) -> float:
    """Return how many true negatives the best threshold keeps, known in hindsight."""
    _, counts, wrong = _cumulated(values, false, weights)
    fine = wrong <= level * counts + 1e-9
    return float((counts - wrong)[fine].max(initial=0.0))


def _cumulated(values: Floats, false: Masks, weights: Floats | None = None) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the order, and how many candidates and false negatives each threshold keeps; no good where one is tied."""
    order = np.argsort(values, kind="stable")
    w = np.ones(len(values)) if weights is None else weights[order]
    ordered = values[order]
    tied = np.append(ordered[1:] == ordered[:-1], False)
    counts, wrong = np.cumsum(w), np.cumsum(w * false[order])
    return order, counts, np.where(tied | np.isnan(ordered), np.inf, wrong)


def first(data: Graded, source: str, top: int) -> Masks:
    """Return the candidates among the first of a source."""
    return (data.rank[source] > 0) & (data.rank[source] <= top)


def ratios(
    draws: Sequence[tuple[Graded, OutOfFold]], source: str, top: int, level: float, rivals: Sequence[str]
) -> tuple[float, float, float]:
    """Return true negatives kept by the model over those of the best rival, with a 95 % interval over queries.

    Each has its threshold where contamination is ``level``; the same resampled queries for all.
    """
    number = max(int(data.query.max()) for data, _ in draws) + 1

    def ratio(counts: Floats) -> float:
        model, best = 0.0, dict.fromkeys(rivals, 0.0)
        for data, fold in draws:
            rows = first(data, source, top)
            false, w = data.false[rows], counts[data.query[rows]]
            model += frontier(fold.probability[rows], false, level, w)
            for name in rivals:
                best[name] += frontier(data.rivals[name][rows], false, level, w)
        return model / max(max(best.values()), 1e-9)

    random = np.random.default_rng(0)
    drawn = [ratio(random.multinomial(number, np.full(number, 1 / number)).astype(float)) for _ in range(BOOTSTRAPS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return ratio(np.ones(number)), float(low), float(high)
