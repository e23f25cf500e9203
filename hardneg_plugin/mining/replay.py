"""Scores and verdicts that an earlier run of a component left, given to the same candidates again without its model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.scores import with_scores

_PROBABILITY = "false_negative:"


def stored_scores(component: str, table: CandidateTable, stored: CandidateTable, scorer: str) -> CandidateTable:
    """Return the table with a scorer's stored scores, for the candidates that are kept and for all positives.

    :param component: Name for messages.
    :param table: ``m`` candidates.
    :param stored: The same candidates behind the earlier run.
    :param scorer: Name of the scorer.
    :raises RecordError: If candidates or positives are not the same ones, or a kept candidate has no such score.
    """
    _same_rows(component, table, stored)
    if scorer not in stored.scores:
        known = ", ".join(stored.scores) or "none"
        msg = f"{component}: no stored scores by {scorer!r}; stored scorers: {known}; mine again"
        raise RecordError(msg)
    column = np.where(table.kept, stored.scores[scorer], np.float32(np.nan))
    _complete(component, table, ~np.isnan(column), table.kept, f"scored by {scorer!r}")
    # Scores that no positive has are not stored.
    none = np.full(int(table.positive_offsets[-1]), np.nan, dtype=np.float32)
    return with_scores(table, scorer, column, stored.positive_scores.get(scorer, none))


def stored_verdicts(
    component: str, table: CandidateTable, stored: CandidateTable, rows: NDArray[np.int64], prompt: str
) -> CandidateTable:
    """Return the table with the stored verdicts on some rows.

    :param component: Name for messages.
    :param table: ``m`` candidates.
    :param stored: The same candidates behind the earlier run.
    :param rows: Which of them were to be judged.
    :param prompt: Fingerprint of the prompt that they were judged by.
    :raises RecordError: If the candidates are not the same ones, or one of the rows was not judged by that prompt.
    """
    _same_rows(component, table, stored)
    mask = np.zeros(len(table.passages), dtype=bool)
    mask[rows] = True
    by_prompt = np.array([known == prompt for known in stored.prompt.values])[stored.prompt.codes]
    _complete(component, table, by_prompt & (stored.label.codes > 0), mask, "judged by this prompt")
    scores = dict(table.scores)
    for name, column in stored.scores.items():
        if name.startswith(_PROBABILITY) and not np.isnan(column[mask]).all():
            before = scores.get(name, np.full(len(mask), np.nan, dtype=np.float32))
            scores[name] = np.where(mask, column, before).astype(np.float32)
    return replace(
        table,
        label=_merged(table.label, stored.label, mask),
        judge=_merged(table.judge, stored.judge, mask),
        prompt=_merged(table.prompt, stored.prompt, mask),
        label_score=np.where(mask, stored.label_score, table.label_score).astype(np.float32),
        scores=scores,
    )


def _same_rows(component: str, table: CandidateTable, stored: CandidateTable) -> None:
    for column, what in (("offsets", "candidates"), ("passages", "candidates"), ("positive_offsets", "positives")):
        if not np.array_equal(getattr(table, column), getattr(stored, column)):
            msg = f"{component}: the {what} are not those of the earlier run, whose results do not fit them; mine again"
            raise RecordError(msg)


def _complete(
    component: str, table: CandidateTable, there: NDArray[np.bool_], wanted: NDArray[np.bool_], what: str
) -> None:
    missing = np.flatnonzero(wanted & ~there)
    if len(missing):
        example = int(table.example_index[missing[0]])
        msg = (
            f"{component}: {len(missing):,} of {int(wanted.sum()):,} candidates were not {what} in the earlier run, "
            f"the first is of example {example + 1}: an earlier stage lets more through now; mine again"
        )
        raise RecordError(msg)


def _merged(column: DictionaryColumn, stored: DictionaryColumn, mask: NDArray[np.bool_]) -> DictionaryColumn:
    for code in np.unique(stored.codes[mask]).tolist():
        column = column.where(mask & (stored.codes == code), stored.values[code])
    return column
