"""Bad positives: those that a scorer, which never saw their query, puts below all their own negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.evaluation.audit.copies import DETAILS, shortened
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.pairs import Matrix, Pairs, Vectors
from hardneg_plugin.evaluation.audit.table import Ints
from hardneg_plugin.records.table import concat_ranges, lengths_to_offsets

FOLDS = 5
_REGULARISATION = 1e-3
_BLOCK = 50_000
Features = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scored:
    """Out-of-fold scores.

    :param scores: Score of each pair; larger is more relevant.
    :param scorer: What gave them, in words.
    """

    scores: NDArray[np.float64]
    scorer: str


def out_of_fold(pairs: Pairs, vectors: Vectors | None = None, folds: int = FOLDS, seed: int = 0) -> Scored:
    """Score pairs by a ridge regression that was fitted on other queries.

    It is fitted on the differences between a positive's features and those of each negative of its row. The features
    are the BM25 score, the share of the query's terms and, with a model, the cosine and the products of the two
    vectors' dimensions (a learned diagonal metric). Folds are by query: no pair is scored by a regression that saw its
    query.

    :param pairs: The pairs.
    :param vectors: What :meth:`Pairs.vectors` returned; None uses the lexical features alone.
    :param folds: Number of folds.
    :param seed: Seed of the folds.
    """
    features: Features = pairs.lexical
    what = "BM25 and words in common"
    if vectors is not None:
        features, what = _with_vectors(pairs, vectors), "BM25, words in common and the model's vectors"
    deviation = features.std(axis=0)
    features = features / np.where(deviation > 0, deviation, 1)
    queries = pairs.table.asked[pairs.row]
    fold = np.random.default_rng(seed).permutation(int(queries.max(initial=-1)) + 1)[queries] % folds
    first, second = _differences(pairs)
    grams, sums = zip(
        *(_moments(features, first[own], second[own]) for own in (fold[first] == number for number in range(folds))),
        strict=True,
    )
    scores = np.zeros(len(features))
    for number in range(folds):
        gram, total = sum(grams) - grams[number], sum(sums) - sums[number]
        penalty = _REGULARISATION * max(float(np.trace(gram)), 1.0) * np.eye(len(total))
        held_out = fold == number
        scores[held_out] = features[held_out] @ np.linalg.solve(gram + penalty, total)
    return Scored(scores, f"a ridge regression over {what}, fitted on other queries ({folds} folds)")


def _with_vectors(pairs: Pairs, vectors: Vectors) -> Matrix:
    products = vectors.products()
    return np.concatenate([pairs.lexical, products.sum(axis=1, keepdims=True), products], axis=1)


def _differences(pairs: Pairs) -> tuple[Ints, Ints]:
    """Return pair numbers of a positive and of a negative of the same row, each with each."""
    size = len(pairs.table)
    counts = np.bincount(pairs.row[~pairs.is_positive], minlength=size)
    starts = lengths_to_offsets(counts)[:-1] + int(pairs.is_positive.sum())
    positives = np.flatnonzero(pairs.is_positive)
    of_row = pairs.row[positives]
    return np.repeat(positives, counts[of_row]), concat_ranges(starts[of_row], counts[of_row])


def _moments(features: Features, first: Ints, second: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gram, total = np.zeros((features.shape[1],) * 2), np.zeros(features.shape[1])
    for start in range(0, len(first), _BLOCK):
        block = (features[first[start : start + _BLOCK]] - features[second[start : start + _BLOCK]]).astype(np.float64)
        gram += block.T @ block
        total += block.sum(axis=0)
    return gram, total


def positive_finding(pairs: Pairs, scored: Scored) -> Finding:
    """Return the finding about positives below all negatives of their row.

    :param pairs: The pairs.
    :param scored: Their scores.
    """
    table = pairs.table
    positives = np.flatnonzero(pairs.is_positive)
    best = np.full(len(table), -np.inf)
    np.maximum.at(best, pairs.row[~pairs.is_positive], scored.scores[~pairs.is_positive])
    lowest = np.full(len(table), np.inf)
    np.minimum.at(lowest, pairs.row[~pairs.is_positive], scored.scores[~pairs.is_positive])
    rows = pairs.row[positives]
    compared = best[rows] > -np.inf
    gap = np.where(compared, lowest[rows] - scored.scores[positives], 0)
    below = compared & (gap > 0)
    worst = np.flatnonzero(below)[np.argsort(-gap[below], kind="stable")][:DETAILS]
    details = tuple(
        f"row {table.numbers[rows[position]]}: "
        f"query {shortened(table.texts.one(table.queries[rows[position]]), 60)!r}, "
        f"positive {shortened(table.texts.one(pairs.passages[positives[position]]), 100)!r}"
        for position in worst.tolist()
    )
    return Finding(
        "positives_below_negatives",
        "Positives that score below all negatives of their row",
        f"Scored by {scored.scorer}. Mined negatives were chosen for their scores, so some of these are sound: read "
        "the worst, which come first here.",
        "note",
        int(below.sum()),
        int(compared.sum()),
        "positives",
        table.numbers_of(rows[below]),
        details,
    )
