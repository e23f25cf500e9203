"""P(false negative) from a judge's criteria and retrieval scores, and what a threshold on it keeps.

All estimates are out of fold: queries are split, a model is fitted on the others, and so is the threshold, chosen so
that what it keeps of *their* candidates is contaminated as much as what the bare verdict keeps of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDS, REPEATS, BOOTSTRAPS = 5, 3, 1000
FEATURES = {
    "criteria": ["exactness", "topicality", "coverage", "fit", "sum"],
    "known positive": ["sum, less the positive's"],
    "query": ["sum, less the query's mean", "share of the query's candidates below"],
    "retrieval": ["similarity, less the positive's", "similarity, less the query's mean", "log rank"],
}
"""What the model may look at, group by group. Nothing in it tells one query from another: a model of 43 queries would
learn them by heart."""


class Candidates(NamedTuple):
    """Graded candidates with verdicts.

    :param query: Query id of each, shape ``(n,)``.
    :param passage: Passage id.
    :param false: Whether it is a false negative.
    :param rank: Its rank.
    :param relevance: The judge's aggregated relevance, 0 to 3.
    :param features: Shape ``(n, 11)``; see :data:`FEATURES`.
    """

    query: NDArray[Any]
    passage: NDArray[Any]
    false: NDArray[np.bool_]
    rank: NDArray[np.int64]
    relevance: NDArray[np.int64]
    features: Floats

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> Candidates:
        """Return them from rows in the order of the fields."""
        query, passage, false, rank, relevance, features = zip(*rows, strict=True)
        return cls(
            np.array(query),
            np.array(passage),
            np.array(false, dtype=bool),
            np.array(rank),
            np.array(relevance),
            np.array(features, dtype=np.float64),
        )


def features_of(
    criteria: Sequence[Sequence[int]],
    positive: Sequence[int],
    similarity: Sequence[float],
    own: float,
    ranks: Sequence[int],
) -> Floats:
    """Return what the model sees of the candidates of one query, shape ``(candidates, 11)``.

    :param criteria: The judge's answers on each candidate, shape ``(candidates, 4)``.
    :param positive: Its answers on the known positive.
    :param similarity: Similarity of each candidate to the query, by one model.
    :param own: That of the known positive.
    :param ranks: Rank of each candidate.
    """
    answers = np.array(criteria, dtype=np.float64)
    total, near = answers.sum(axis=1), np.array(similarity, dtype=np.float64)
    below = (total[:, None] > total[None, :]).mean(axis=1)
    columns = [total, total - sum(positive), total - total.mean(), below, near - own, near - near.mean(), np.log(ranks)]
    return np.column_stack([answers, *columns])


class Outcome(NamedTuple):
    """What a rule keeps.

    :param contamination: Share of false negatives among what is kept.
    :param dropped: Share of the true negatives that are dropped.
    :param found: Share of the false negatives that are dropped.
    """

    contamination: float
    dropped: float
    found: float


def outcome(kept: NDArray[np.bool_], false: NDArray[np.bool_], weights: Floats | None = None) -> Outcome:
    """Return what a mask keeps; ``weights`` count candidates more than once."""
    w = np.ones(len(kept)) if weights is None else weights
    return Outcome(
        float((w * (kept & false)).sum() / max((w * kept).sum(), 1e-9)),
        float((w * (~kept & ~false)).sum() / (w * ~false).sum()),
        float((w * (~kept & false)).sum() / (w * false).sum()),
    )


class Result(NamedTuple):
    """A rule, with a 95 % interval over queries of the share of true negatives that it drops less than the verdict."""

    name: str
    outcome: Outcome
    saved: float
    low: float
    high: float


def bare_verdict(draws: Sequence[Candidates]) -> Outcome:
    """Return what dropping everything that the judge calls relevant does."""
    return _mean([outcome(draw.relevance < 2, draw.false) for draw in draws])


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(*(float(np.mean(values)) for values in zip(*outcomes, strict=True)))


def threshold_of(probability: Floats, false: NDArray[np.bool_], wanted: float) -> float:
    """Return the highest threshold below which at most ``wanted`` of what is kept are false negatives."""
    order = np.argsort(probability, kind="stable")
    share = np.cumsum(false[order]) / np.arange(1, len(order) + 1)
    positions = np.flatnonzero(share <= wanted)
    return float(probability[order][positions[-1]]) if len(positions) else -1.0


def fold_masks(candidates: Candidates, columns: NDArray[np.int64], kind: str) -> NDArray[np.bool_]:
    """Return which candidates the rule keeps, out of fold, one row per repetition."""
    queries = np.unique(candidates.query)
    masks = np.zeros((REPEATS, len(candidates.query)), dtype=bool)
    for repeat in range(REPEATS):
        shuffled = np.random.default_rng(repeat).permutation(queries)
        for held in np.array_split(shuffled, FOLDS):
            test = np.isin(candidates.query, held)
            masks[repeat, test] = _kept(candidates, columns, kind, test)
    return masks


def _kept(candidates: Candidates, columns: NDArray[np.int64], kind: str, test: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from sklearn.model_selection import GroupKFold, cross_val_predict

    x, y, groups = candidates.features[:, columns], candidates.false, candidates.query
    train = ~test
    # The threshold needs probabilities of training queries that their own model has not seen either.
    inner = cross_val_predict(
        _model(kind), x[train], y[train], groups=groups[train], cv=GroupKFold(FOLDS), method="predict_proba"
    )[:, 1]
    wanted = outcome(candidates.relevance[train] < 2, y[train]).contamination
    threshold = threshold_of(inner, y[train], wanted)
    fitted = _model(kind).fit(x[train], y[train])
    return np.asarray(fitted.predict_proba(x[test])[:, 1] <= threshold)


def _model(kind: str) -> Any:
    """Return an untrained model; which false negatives are the likelier is known to rise with each criterion."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "trees":
        return HistGradientBoostingClassifier(max_iter=80, max_leaf_nodes=8, learning_rate=0.06, random_state=0)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def cross_validated(draws: Sequence[Candidates]) -> list[Result]:
    """Return what models do that see the criteria, everything, or everything but one group."""
    groups, start = {}, 0
    for name, columns in FEATURES.items():
        groups[name] = list(range(start, start + len(columns)))
        start += len(columns)
    every = [column for columns in groups.values() for column in columns]
    results = [
        _result(f"all but {name}", draws, np.array([c for c in every if c not in columns]), "linear")
        for name, columns in groups.items()
    ]
    results.insert(0, _result("criteria alone", draws, np.array(groups["criteria"]), "linear"))
    results.append(_result("all", draws, np.array(every), "linear"))
    return [*results, _result("all, boosted trees", draws, np.array(every), "trees")]


def _result(name: str, draws: Sequence[Candidates], columns: NDArray[np.int64], kind: str) -> Result:
    masks = [fold_masks(draw, columns, kind) for draw in draws]
    outcomes = [outcome(mask, draw.false) for draw, of_draw in zip(draws, masks, strict=True) for mask in of_draw]
    saved = bare_verdict(draws).dropped - _mean(outcomes).dropped
    resampled = [_saved(draws, masks, np.random.default_rng(seed)) for seed in range(BOOTSTRAPS)]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Result(name, _mean(outcomes), saved, float(low), float(high))


def _saved(draws: Sequence[Candidates], masks: Sequence[NDArray[np.bool_]], random: np.random.Generator) -> float:
    """Return the difference in dropped true negatives on queries drawn with replacement."""
    values = []
    for draw, of_draw in zip(draws, masks, strict=True):
        queries, number = np.unique(draw.query, return_inverse=True)
        counts = np.bincount(random.integers(len(queries), size=len(queries)), minlength=len(queries))
        weights = counts[number].astype(np.float64)
        bare = outcome(draw.relevance < 2, draw.false, weights).dropped
        values.append(bare - np.mean([outcome(mask, draw.false, weights).dropped for mask in of_draw]))
    return float(np.mean(values))


def markdown_of_model(results: Sequence[Result], bare: Outcome, draws: int) -> str:
    """Return the table of models beside the bare verdict."""
    rows = [f"| bare verdict | {bare.contamination:.3f} | {bare.dropped:.3f} | {bare.found:.3f} | |"]
    rows += [
        f"| {name} | {o.contamination:.3f} | {o.dropped:.3f} | {o.found:.3f} | {saved:+.3f} [{low:+.3f}, {high:+.3f}] |"
        for name, o, saved, low, high in results
    ]
    return (
        "## Fewer true negatives lost at the same contamination\n\n"
        "P(false negative) by logistic regression (the last line: boosted trees) on the graded candidates of both"
        f" miners, means over {draws} draws of the known passage, {REPEATS} times {FOLDS} folds by query; the threshold"
        " is chosen on the other queries so that their contamination equals the bare verdict's. Contamination here is"
        " that of all that is kept, not of the first ten; the last column is how much less of the true negatives is"
        " dropped, with a 95 % interval over queries.\n\n"
        "| what the model sees | contamination | true negatives dropped | false negatives found | saved |\n"
        "|---|--:|--:|--:|--:|\n" + "\n".join(rows) + "\n"
    )
