"""Scores of candidates and positives by one scorer, checked to be complete."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable, MiningExample

Reference = Literal["min", "mean", "max"]
Doubles = NDArray[np.float64]


def candidate_scores(
    component: str, examples: list[MiningExample], table: CandidateTable, scorer: str, remedy: str
) -> Doubles:
    """Return the scores of all rows; every row that is kept has one.

    :param component: Name for messages.
    :param examples: Examples of the table.
    :param table: Their candidates, ``m`` rows.
    :param scorer: Name of the score column.
    :param remedy: What to do about a missing score, for the message.
    :returns: Shape ``(m,)``; NaN for rows that were dropped without a score.
    :raises RecordError: If a kept row has none; names the sources that found it.
    """
    if scorer not in table.scores:
        if not table.kept.any():
            return np.full(len(table.passages), np.nan)
        known = ", ".join(table.scores) or "none"
        msg = f"{component}: no scores by {scorer!r} among the candidates; known scorers: {known}; {remedy}"
        raise RecordError(msg)
    scores = table.scores[scorer].astype(np.float64)
    missing = np.flatnonzero(table.kept & np.isnan(scores))
    if len(missing):
        row = int(missing[0])
        example = examples[int(np.searchsorted(table.offsets, row, side="right")) - 1]
        sources = ", ".join(name for name, ranks in table.ranks.items() if ranks[row]) or "no source"
        msg = (
            f"{component}: {len(missing):,} kept candidates have no score by {scorer!r}; the first is of example "
            f"{example.id!r}, found by {sources}; {remedy}"
        )
        raise RecordError(msg)
    return scores


def reference_scores(
    component: str, examples: list[MiningExample], table: CandidateTable, scorer: str, how: Reference
) -> Doubles:
    """Return the score of each example's positives that candidates are compared with.

    :param component: Name for messages.
    :param examples: Examples of the table.
    :param table: Their candidates and the scores of their positives.
    :param scorer: Name of the score column.
    :param how: The lowest, the mean or the highest of an example's positives.
    :returns: Shape ``(n,)``; NaN for an example without positives.
    :raises RecordError: If a positive has no score.
    """
    counts = np.diff(table.positive_offsets)
    positives = int(table.positive_offsets[-1])
    scores = table.positive_scores.get(scorer, np.full(positives, np.nan, dtype=np.float32)).astype(np.float64)
    example = np.repeat(np.arange(len(table)), counts)
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing):
        msg = f"{component}: example {examples[int(example[missing[0]])].id!r}: a positive has no score by {scorer!r}"
        raise RecordError(msg)
    if how == "mean":
        sums = np.bincount(example, weights=scores, minlength=len(table))
        return np.asarray(np.divide(sums, counts, out=np.full(len(table), np.nan), where=counts > 0))
    reference = np.full(len(table), np.nan)
    extreme = np.fmin if how == "min" else np.fmax
    extreme.at(reference, example, scores)
    return reference
