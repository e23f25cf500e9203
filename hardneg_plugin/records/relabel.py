"""Promote candidates judged relevant to positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.records.candidates import Candidate
from hardneg_plugin.records.example import MiningExample, with_table
from hardneg_plugin.records.table import CandidateTable, lengths_to_offsets

JUDGED_BY = "judged_by"
"""Key of a positive's meta: the judge that made it one."""


def as_positives(
    examples: Sequence[MiningExample], table: CandidateTable, rows: NDArray[np.bool_], reason: str
) -> list[MiningExample]:
    """Return examples some of whose candidates became positives, behind those that they had.

    The candidates stay, dropped, with all their scores; the scores become those of the positives, too.

    :param examples: ``n`` examples.
    :param table: Their ``m`` candidates.
    :param rows: Which candidates, shape ``(m,)``; dropped ones are left alone.
    :param reason: Why they are dropped.
    """
    chosen = np.flatnonzero(rows & table.kept)
    of_example = table.example_index[chosen]
    grown = [_grown(example, table, chosen[of_example == number]) for number, example in enumerate(examples)]
    before = table.positive_offsets
    # Each new positive goes in behind the last of its example; equal places keep their order.
    positions = before[of_example + 1]
    scores = {
        name: np.insert(column, positions, table.scores[name][chosen] if name in table.scores else np.float32(np.nan))
        for name, column in table.positive_scores.items()
    }
    lengths = np.diff(before) + np.bincount(of_example, minlength=len(table))
    table = replace(table.drop(rows, reason), positive_offsets=lengths_to_offsets(lengths), positive_scores=scores)
    return with_table(grown, table)


def _grown(example: MiningExample, table: CandidateTable, rows: NDArray[np.int64]) -> MiningExample:
    if not len(rows):
        return example
    new = []
    for row in rows.tolist():
        document = Candidate(table, row).document
        judge = table.judge.values[table.judge.codes[row]]
        new.append(replace(document, meta={**document.meta, JUDGED_BY: judge}))
    return replace(example, positives=(*example.positives, *new))
