"""Measures of the rows as a whole: lengths and what they give away, words in common, hardness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.evaluation.audit.pairs import Pairs, Vectors
from hardneg_plugin.evaluation.audit.table import AuditTable, Ints
from hardneg_plugin.evaluation.shortcut import FEWEST_TEXTS, Shortcut, auc, shortcut_auc

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
Values = NDArray[np.float64]
GENERATED = "generated"
"""How the names of sources begin whose passages a language model wrote."""


# Of fewer rows, positives that score lowest say nothing about the scores.
_ROWS_THAT_TELL, _NEARLY_ALL = 20, 0.95


class Measure(NamedTuple):
    """Values of some texts or pairs, by role.

    :param name: Such as ``length``.
    :param title: The same for people, with its unit.
    :param values: Role → values.
    :param logarithmic: Whether a chart should show it on a logarithmic scale.
    """

    name: str
    title: str
    values: Mapping[str, Values]
    logarithmic: bool = False


def lengths(table: AuditTable) -> Measure:
    """Return the lengths of queries, positives and negatives."""
    roles = {"queries": table.queries, "positives": table.positives.texts, "negatives": table.negatives.texts}
    values = {role: _lengths(table, codes) for role, codes in roles.items() if len(codes)}
    return Measure("length", "Length in characters", values, logarithmic=True)


def length_aucs(table: AuditTable) -> dict[str, float]:
    """Return how well length alone tells positives from negatives: of all negatives (the empty name) and per source.

    :returns: The probability that a positive is longer than a negative: 0.5 says nothing, 0 and 1 everything.
    """
    if not len(table.positives) or not len(table.negatives):
        return {}
    positive, negative = _lengths(table, table.positives.texts), _lengths(table, table.negatives.texts)
    masks = {"": np.ones(len(negative), dtype=bool)}
    masks.update({source: ranks != 0 for source, ranks in table.provenance.found.items() if source})
    return {source: _above(positive, negative[mask]) for source, mask in masks.items() if mask.any()}


def style_aucs(table: AuditTable, seed: int = 0) -> dict[str, Shortcut]:
    """Return how well a bag of words tells the negatives of each generator from the positives.

    :param table: The rows.
    :param seed: Seed of the sample and its folds.
    :returns: Source that generates → what was measured; sources with too few texts are left out.
    """
    positives, found = table.positives, {}
    for source, ranks in table.provenance.found.items():
        own = np.flatnonzero(ranks != 0)
        if not source.startswith(GENERATED) or min(len(own), len(positives)) < FEWEST_TEXTS:
            continue
        found[source] = shortcut_auc(
            table.texts.take(table.negatives.texts[own]),
            table.texts.take(positives.texts),
            generated_groups=table.asked[table.negatives.row[own]].astype(str).tolist(),
            corpus_groups=table.asked[positives.row].astype(str).tolist(),
            seed=seed,
        )
    return found


def overlaps(pairs: Pairs) -> Measure:
    """Return the share of the query's terms that positives and negatives have."""
    shares = pairs.lexical[:, 1].astype(np.float64)
    values = {"positives": shares[pairs.is_positive], "negatives": shares[~pairs.is_positive]}
    return Measure("overlap", "Share of the query's terms in the passage", _without_empty(values))


def hardness(pairs: Pairs, vectors: Vectors | None) -> tuple[Measure, str]:
    """Return each negative's score less that of its row's lowest positive, in standard deviations of all scores.

    :param pairs: The pairs.
    :param vectors: Vectors whose cosine is the score where the rows have no scores of their own; None takes BM25.
    :returns: The measure, and what gave the scores.
    """
    table = pairs.table
    own = np.concatenate([table.positives.scores[pairs.positive], table.negatives.scores[pairs.negative]])
    if not np.isnan(own[pairs.is_positive]).all() and not np.isnan(own[~pairs.is_positive]).all():
        scores, what = own.astype(np.float64), "the rows' own scores"
        if _are_distances(pairs, scores):
            scores, what = -scores, "the rows' own scores, turned around since they are distances"
    elif vectors is not None:
        scores, what = vectors.products().sum(axis=1).astype(np.float64), "the model"
    else:
        scores, what = pairs.lexical[:, 0].astype(np.float64), "BM25"
    lowest = np.full(len(table), np.inf)
    np.fmin.at(lowest, pairs.row[pairs.is_positive], np.where(np.isnan(scores), np.inf, scores)[pairs.is_positive])
    differences = (scores - lowest[pairs.row])[~pairs.is_positive]
    differences = differences[np.isfinite(differences)]
    spread = float(np.nanstd(scores)) or 1.0
    title = f"Score of a negative less its positive's, by {what}, in standard deviations"
    return Measure("hardness", title, _without_empty({"negatives": differences / spread})), what


def _are_distances(pairs: Pairs, scores: Values) -> bool:
    """Tell whether the positives score below the negatives of their row in nearly all rows."""
    rows = len(pairs.table)
    highest, lowest = np.full(rows, np.nan), np.full(rows, np.nan)
    np.fmax.at(highest, pairs.row[pairs.is_positive], scores[pairs.is_positive])
    np.fmin.at(lowest, pairs.row[~pairs.is_positive], scores[~pairs.is_positive])
    compared = np.isfinite(highest) & np.isfinite(lowest)
    below = (highest[compared] < lowest[compared]).sum()
    return bool(compared.sum() >= _ROWS_THAT_TELL and below >= _NEARLY_ALL * compared.sum())


def _lengths(table: AuditTable, codes: Ints) -> Values:
    return table.texts.lengths[codes].astype(np.float64)


def _above(positive: Values, negative: Values) -> float:
    values = np.concatenate([positive, negative])
    return auc(values, np.arange(len(values)) < len(positive))


def _without_empty(values: Mapping[str, Values]) -> dict[str, Values]:
    return {role: numbers for role, numbers in values.items() if len(numbers)}
