"""Merging what parallel branches found for the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.merge import with_corpus
from hardneg_plugin.records.table import ABSENT_RANK, CandidateTable, Floats, Ints, lengths_to_offsets


@dataclass(frozen=True)
class PositivePlaces:
    """Positions of the branches' positives in the joined examples.

    :param positions: Shape ``(p,)``: for each positive of the branches its number among all joined positives.
    :param counts: Shape ``(g,)``: positives of each joined example.
    """

    positions: Ints
    counts: Ints


def join_candidates(
    table: CandidateTable, branches: Sequence[int], ids: Sequence[str], positives: PositivePlaces
) -> CandidateTable:
    """Return one example for each group of consecutive ones, with the union of their candidates.

    A passage that several branches found becomes one row with the ranks and scores of all; an own document with the id
    of a corpus passage is that passage, or stands for it where it has further meta. A row is dropped if any branch
    dropped it, for the reason of the first that did. Rows stand in the order in which the branches found them.

    :param table: Candidates of all branches, those of one example one after the other.
    :param branches: Shape ``(g,)``: how many consecutive examples of the table are one joined example.
    :param ids: Ids of the joined examples, for messages.
    :param positives: Where the scores of positives go.
    :raises RecordError: If branches give one passage or positive different ranks, scores or verdicts of one name.
    """
    table = _identified(table)
    group = np.repeat(np.arange(len(branches), dtype=np.int64), branches)[table.example_index]
    shift = len(table.own)
    span = shift + (len(table.corpus) if table.corpus is not None else 0)
    _, first, position = np.unique(group * span + table.passages + shift, return_index=True, return_inverse=True)
    rows = np.sort(first).astype(np.int64)
    at: Ints = np.asarray(np.searchsorted(rows, first))[position]
    offsets = lengths_to_offsets(np.bincount(group[rows], minlength=len(branches)))
    names = [str(ids[number]) for number in group[rows]]
    merge = _Merge(at, len(rows), "candidate", names)
    joined = replace(
        table.take(rows, offsets, lengths_to_offsets(positives.counts), _first_places(positives)),
        ranks={name: merge.numbers(column, ABSENT_RANK, name) for name, column in table.ranks.items()},
        source_scores={name: merge.numbers(column, np.nan, name) for name, column in table.source_scores.items()},
        scores={name: merge.numbers(column, np.nan, name) for name, column in table.scores.items()},
        label=merge.strings(table.label, "a verdict"),
        label_score=merge.numbers(table.label_score, np.nan, "a verdict"),
        judge=merge.strings(table.judge, "a verdict"),
        prompt=merge.strings(table.prompt, "a verdict"),
        dropped=merge.first(table.dropped),
    )
    return replace(joined, positive_scores=_positive_scores(table, ids, positives))


class _Merge:
    """Brings values of several rows to one.

    :param at: Shape ``(m,)``: the new row of each old one.
    :param size: Number of new rows.
    :param what: ``candidate`` or ``positive``, for messages.
    :param names: Id of the example of each new row, for messages.
    """

    def __init__(self, at: Ints, size: int, what: str, names: Sequence[str]) -> None:
        self._at, self._size, self._what, self._names = at, size, what, names

    def numbers(self, column: NDArray[Any], absent: float, source: str) -> NDArray[Any]:
        """Return the value of each new row; rows that have one must agree."""
        present = ~np.isnan(column) if np.isnan(absent) else column != absent
        merged = np.full(self._size, absent, dtype=column.dtype)
        merged[self._at[present]] = column[present]
        self._check(present & (merged[self._at] != column), source)
        return merged

    def strings(self, column: DictionaryColumn, source: str) -> DictionaryColumn:
        """Return the string of each new row; rows that have one must agree."""
        return DictionaryColumn(self.numbers(column.codes, 0, source), column.values)

    def first(self, column: DictionaryColumn) -> DictionaryColumn:
        """Return the first string of each new row that is not empty."""
        merged = np.zeros(self._size, dtype=np.int16)
        # Written backwards, the first one stays.
        backwards = np.flatnonzero(column.codes)[::-1]
        merged[self._at[backwards]] = column.codes[backwards]
        return DictionaryColumn(merged, column.values)

    def _check(self, conflict: NDArray[np.bool_], source: str) -> None:
        rows = np.flatnonzero(conflict)
        if len(rows):
            name = self._names[int(self._at[rows[0]])]
            msg = (
                f"example {name!r}: a {self._what} has two different values of {source!r}; "
                "give parallel miners, models and judges different names"
            )
            raise RecordError(msg)


def _identified(table: CandidateTable) -> CandidateTable:
    """Return a table with each passage under one number, also if a branch holds it as an inline document."""
    if table.corpus is not None:
        return with_corpus(table, table.corpus)[0]
    first: dict[str, int] = {}
    numbers = [-1 - first.setdefault(document.id, number) for number, document in enumerate(table.own)]
    return replace(table, passages=np.array(numbers, dtype=np.int64)[-1 - table.passages]) if numbers else table


def _first_places(positives: PositivePlaces) -> Ints:
    """Return for each joined positive the first one of the branches that it stands for."""
    rows = np.zeros(int(positives.counts.sum()), dtype=np.int64)
    rows[positives.positions[::-1]] = np.arange(len(positives.positions), dtype=np.int64)[::-1]
    return rows


def _positive_scores(table: CandidateTable, ids: Sequence[str], positives: PositivePlaces) -> dict[str, Floats]:
    names = [str(name) for name, count in zip(ids, positives.counts, strict=True) for _ in range(count)]
    merge = _Merge(positives.positions, int(positives.counts.sum()), "positive", names)
    return {name: merge.numbers(column, np.nan, name) for name, column in table.positive_scores.items()}
