"""Scores of candidates and positives by one scorer, checked to be complete."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.records.scores import score_steps

Reference = Literal["min", "mean", "max"]
Doubles = NDArray[np.float64]
# Of fewer examples or candidates, positives that score lowest say nothing about the scorer.
_EXAMPLES, _CANDIDATES = 20, 3
_LAST, _NEARLY_ALL = 0.8, 0.8


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


def check_larger_better(component: str, table: CandidateTable, source: str, remedy: str) -> None:
    """Check that the scores of a source fall down its lists.

    :param component: Name for messages.
    :param table: Candidates that the source ranked.
    :param source: Name of the source.
    :param remedy: What to do otherwise, for the message.
    :raises RecordError: If they rise, as distances do, or have no order.
    """
    steps = score_steps(table, source)
    if steps.falling + steps.rising == 0 or steps.higher_is_better:
        return
    what = "are distances" if steps.higher_is_better is False else "do not follow its ranks"
    msg = (
        f"{component}: the scores of source {source!r} {what}: they rise down its lists at {steps.rising:,} of "
        f"{steps.rising + steps.falling:,} places; {remedy}"
    )
    raise RecordError(msg)


def check_positives_score_high(
    component: str, table: CandidateTable, scorer: str, scores: Doubles, positive: Doubles
) -> None:
    """Check that a scorer does not put the positives below the candidates, as one whose scores are distances does.

    :param component: Name for messages.
    :param table: The candidates.
    :param scorer: Name of the scorer.
    :param scores: Scores of the candidates, shape ``(m,)``.
    :param positive: Score that stands for the positives of each example, shape ``(n,)``.
    :raises RecordError: If it does so in nearly all examples: a margin would drop nearly every candidate.
    """
    if scorer in table.ranks:
        check_larger_better(component, table, scorer, "use scores of which larger is better, such as their negative")
    rows = np.flatnonzero(table.kept)
    example = table.example_index[rows]
    kept = np.bincount(example, minlength=len(table))
    above = np.bincount(example[scores[rows] > positive[example]], minlength=len(table))
    compared = (kept >= _CANDIDATES) & np.isfinite(positive)
    last = int((above[compared] >= _LAST * kept[compared]).sum())
    if compared.sum() < _EXAMPLES or last < _NEARLY_ALL * compared.sum():
        return
    msg = (
        f"{component}: the scores by {scorer!r} put the positive below nearly all candidates in {last:,} of "
        f"{int(compared.sum()):,} examples: they are distances, or of a model that does not know these texts; "
        "use scores of which larger is better"
    )
    raise RecordError(msg)
