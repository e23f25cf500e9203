"""Verdicts on the rows of a candidate table: collected as they come, then written into its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.llm.session import current_session
from hardneg_plugin.llm.verdicts import LABELS, UNDECIDED, Judgement
from hardneg_plugin.messages import tell
from hardneg_plugin.records import CandidateTable
from hardneg_plugin.records.dictionary_column import DictionaryColumn

_NONE = -1


class Verdicts:
    """One verdict per row, or none yet.

    :param rows: Number of rows.
    """

    def __init__(self, rows: int) -> None:
        self._labels = np.full(rows, _NONE, dtype=np.int8)
        self.hardness = np.full(rows, np.nan, dtype=np.float32)
        self.probability = np.full(rows, np.nan, dtype=np.float32)
        self._judges = np.zeros(rows, dtype=np.int16)
        self._reasons: dict[int, str] = {}

    def put(self, row: int, judgement: Judgement, judge: int = 0) -> None:
        """Set the verdict on a row, in place of an earlier one.

        :param judge: Number of the judge.
        """
        self._labels[row] = LABELS.index(judgement.label)
        self.hardness[row] = np.nan if judgement.hardness is None else judgement.hardness
        self.probability[row] = np.nan if judgement.probability is None else judgement.probability
        self._judges[row] = judge
        self._reasons.pop(row, None)
        if judgement.reason:
            self._reasons[row] = judgement.reason

    def having(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask of the rows with one of some labels."""
        return np.isin(self._labels, [LABELS.index(label) for label in labels])

    def reason(self, row: int) -> str:
        """Return why a row is undecided."""
        return self._reasons.get(row, "")

    def reasons(self) -> Counter[str]:
        """Return reason → undecided rows."""
        return Counter(self._reasons.values())

    def written(self, table: CandidateTable, judges: Sequence[str], prompt: str) -> CandidateTable:
        """Return the table with the verdicts in its columns; rows without a new one keep what they have.

        :param table: The candidates.
        :param judges: Names of the judges, by number.
        :param prompt: Fingerprint of the prompt.
        """
        new = self._labels != _NONE
        label, judge = table.label, table.judge
        for number, name in enumerate(LABELS):
            label = _where(label, self._labels == number, name)
        for number, name in enumerate(judges):
            judge = _where(judge, new & (self._judges == number), name)
        return replace(
            table,
            label=label,
            judge=judge,
            prompt=_where(table.prompt, new, prompt),
            label_score=np.where(new, self.hardness, table.label_score).astype(np.float32),
            scores=self._with_probability(table, judges),
        )

    def _with_probability(self, table: CandidateTable, judges: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Return the scores with those of ``false_negative:<judge>``, where the judge's server gave any."""
        scores = dict(table.scores)
        for number, name in enumerate(judges):
            own = ~np.isnan(self.probability) & (self._judges == number)
            if own.any():
                scorer = f"false_negative:{name}"
                before = scores.get(scorer, np.full(len(own), np.nan, dtype=np.float32))
                scores[scorer] = np.where(own, self.probability, before).astype(np.float32)
        return scores


def _where(column: DictionaryColumn, mask: NDArray[np.bool_], string: str) -> DictionaryColumn:
    return column.where(mask, string) if mask.any() else column


def report_undecided(component: str, task: str, verdicts: Verdicts, asked: int) -> None:
    """Count verdicts, and say how many candidates have none and why: in the run, or else in the log.

    :param component: Name of the component.
    :param task: Name under which its questions are counted.
    :param verdicts: The verdicts.
    :param asked: Candidates that were to be judged.
    """
    reasons = verdicts.reasons()
    current_session().usage.judged(task, asked, reasons)
    if not reasons:
        return
    shown = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    share = reasons.total() / asked
    tell(component, f"{reasons.total():,} of {asked:,} candidates {UNDECIDED} ({share:.1%}): {shown}")
