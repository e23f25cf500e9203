"""P(false negative) of every candidate from labels of some, each by a model that did not see its query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.rates import wilson

Floats = NDArray[np.float64]
FOLDS = 5
_TREES = 100
# Fewer of a kind say nothing to a model that is fitted on four fifths of them and calibrated inside these.
FEWEST = 10
_BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


class CrossFittedClassifier:
    """Models of P(false negative), one a fold of queries, each fitted on the labels of the other folds.

    Trees that are drawn at random (Geurts, Ernst and Wehenkel, Extremely randomized trees, 2006), boosted trees and a
    logistic regression, their probabilities averaged: the first two find the corners that a judge's answers cut, the
    last holds where labels are few. Calibrated by Platt's sigmoid on predictions for queries that were held out inside
    the fold, which also makes the folds comparable. Cross-fitting (Chernozhukov et al., 2018) is what lets labels be
    used twice: the error on a labelled query is that on a query without labels.

    :param features: Numbers on the labelled candidates, shape ``(n, f)``; NaN where there is none.
    :param labels: Whether each is a false negative, shape ``(n,)``.
    :param queries: Query id of each.
    :param seed: Seed of folds and models.
    :raises EvaluationError: If there are fewer than 10 labels of either kind, or fewer than 10 labelled queries.
    """

    def __init__(
        self, features: NDArray[Any], labels: NDArray[np.bool_], queries: Sequence[str], seed: int = 0
    ) -> None:
        self.seed = seed
        labels = np.asarray(labels, dtype=bool)
        ids = np.asarray(queries, dtype=object)
        _check(labels, ids)
        ordered = sorted(set(queries), key=self._hash)
        self._fold_of = {query: position % FOLDS for position, query in enumerate(ordered)}
        folds = self.folds(queries)
        self._models = [
            _fitted(features[folds != fold], labels[folds != fold], ids[folds != fold], seed) for fold in range(FOLDS)
        ]

    def _hash(self, query: str) -> int:
        return xxhash.xxh3_64_intdigest(f"{self.seed}:{query}".encode("utf-8", "surrogatepass"))

    def folds(self, queries: Sequence[str]) -> NDArray[np.int64]:
        """Return the fold of each query; one without labels has a fold by its hash, as if it had some."""
        return np.array([self._fold_of.get(query, self._hash(query) % FOLDS) for query in queries], dtype=np.int64)

    def probability(self, features: NDArray[Any], queries: Sequence[str]) -> Floats:
        """Return P(false negative) of candidates, each by the model that saw no label of its query.

        :param features: Shape ``(m, f)``.
        :param queries: Query id of each.
        :returns: Shape ``(m,)``.
        """
        folds, values = self.folds(queries), np.full(len(features), np.nan)
        for fold in range(FOLDS):
            rows = folds == fold
            if rows.any():
                values[rows] = self._models[fold].predict_proba(features[rows])[:, 1]
        return values


def _check(labels: NDArray[np.bool_], queries: NDArray[Any]) -> None:
    counts = {"false negatives": int(labels.sum()), "true negatives": int((~labels).sum())}
    counts["queries"] = len(set(queries))
    for what, count in counts.items():
        if count < FEWEST:
            msg = (
                f"{len(labels)} labelled candidates, {counts['false negatives']} of them false negatives, of "
                f"{counts['queries']} queries: a model needs at least {FEWEST} {what}"
            )
            raise EvaluationError(msg)


def _fitted(features: NDArray[Any], labels: NDArray[np.bool_], queries: NDArray[Any], seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    inside = list(folds.split(features, labels, groups=queries))
    if any(len(np.unique(labels[train])) < 2 for train, _ in inside) or len(np.unique(labels)) < 2:
        msg = "the labels of one kind are all of one or two queries: label candidates of more queries"
        raise EvaluationError(msg)
    return CalibratedClassifierCV(_model(seed), cv=inside, ensemble=False).fit(features, labels)


def _model(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, VotingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    trees = ExtraTreesClassifier(_TREES, min_samples_leaf=8, random_state=seed)
    boosted = HistGradientBoostingClassifier(
        max_iter=100,
        max_leaf_nodes=6,
        learning_rate=0.05,
        min_samples_leaf=30,
        l2_regularization=5.0,
        max_features=0.3,
        random_state=seed,
    )
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=2000))
    # A candidate that a source did not find is told from one in the middle of its list.
    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    voted = VotingClassifier([("trees", trees), ("boosted", boosted), ("linear", linear)], voting="soft")
    return make_pipeline(filled, voted)


@dataclass(frozen=True)
class Reliability:
    """Candidates that the model gives about the same probability, and what labels say of them.

    :param low: Lowest probability of the bin.
    :param high: Highest.
    :param count: Labelled candidates in it.
    :param predicted: Mean probability.
    :param observed: Share of false negatives among them.
    :param observed_low: Lower end of its 95 % interval (Wilson).
    :param observed_high: Upper end.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


def reliability(probability: Floats, labels: NDArray[np.bool_]) -> list[Reliability]:
    """Return predicted beside observed rates, bin by bin, without bins that nothing falls into.

    :param probability: Out-of-fold probabilities, shape ``(n,)``.
    :param labels: Whether each is a false negative.
    """
    number = np.clip(np.searchsorted(_BINS, probability, side="right") - 1, 0, len(_BINS) - 2)
    rows = []
    for position in range(len(_BINS) - 1):
        inside = number == position
        if inside.any():
            observed = float(labels[inside].mean())
            ends = wilson(observed, float(inside.sum()))
            mean = float(probability[inside].mean())
            rows.append(Reliability(_BINS[position], _BINS[position + 1], int(inside.sum()), mean, observed, *ends))
    return rows
