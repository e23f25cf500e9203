"""Teacher scores of the passages of each training row: the targets of distillation.

Two columns are understood, of which the table has one:

- ``scores``: the teacher's scores of the positive and of every negative of the row, in the order of the texts (what
  ``mine_hard_negatives`` of sentence-transformers writes with ``output_scores``). Where a negative is ``None``, its
  place may hold anything, or be left out.
- ``score``: the score of the positive less that of the negative, for rows of exactly one negative (what public
  MarginMSE sets hold).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from hardneg_plugin.errors import RecordError
from hardneg_plugin.training.columns import TrainingColumns

if TYPE_CHECKING:
    import datasets

SCORES, MARGIN = "scores", "score"
_ROWS_PER_READ = 4096


@dataclass(frozen=True)
class TeacherScores:
    """Locations of the teacher's scores.

    :param column: ``scores`` or ``score``.
    :param columns: Where the texts are.
    """

    column: str
    columns: TrainingColumns

    def margins_of(self, row: Mapping[str, Any]) -> list[float]:
        """Return how far the positive is above each negative that a row has, in the teacher's eyes.

        :raises RecordError: If the row has another number of scores than texts, or one of them is no finite number.
        """
        value = row[self.column]
        count = len(self.columns.negatives_of(row))
        if self.column == MARGIN:
            if count != 1:
                msg = f"column {MARGIN!r} is the margin over one negative, but there are {count}; give {SCORES!r}"
                raise RecordError(msg)
            return [_number(value, MARGIN)]
        scores = self._scores_of(row, list(value or ()))
        if len(scores) != 1 + count:
            msg = (
                f"column {SCORES!r} must hold the scores of the positive and of {count} negatives, got {len(scores)} "
                f"scores"
            )
            raise RecordError(msg)
        positive, *negatives = (_number(score, SCORES) for score in scores)
        return [positive - negative for negative in negatives]

    def _scores_of(self, row: Mapping[str, Any], scores: list[Any]) -> list[Any]:
        """Leave out the places of missing negatives, where the scores have such places."""
        texts = [] if self.columns.listed else [row[name] for name in self.columns.negatives]
        if not texts or len(scores) != 1 + len(texts):
            return scores
        kept = [score for score, text in zip(scores[1:], texts, strict=True) if text is not None]
        return [scores[0], *kept]


def find_scores(dataset: datasets.Dataset, columns: TrainingColumns, loss: str) -> TeacherScores:
    """Tell which column holds the teacher's scores.

    :param dataset: The training table.
    :param columns: Where its texts are.
    :param loss: Name of the loss that needs them, for the message.
    :raises RecordError: If there is none, or there are two.
    """
    found = [name for name in (SCORES, MARGIN) if name in dataset.column_names]
    if len(found) != 1:
        came = "has both" if found else f"has the columns {list(dataset.column_names)}"
        msg = (
            f"the loss {loss!r} learns a teacher's scores: the training table needs either a column {SCORES!r} "
            f"(of the positive and each negative) or a column {MARGIN!r} (positive less negative), but it {came}"
        )
        raise RecordError(msg)
    return TeacherScores(found[0], columns)


def scores_digest(dataset: datasets.Dataset, scores: TeacherScores) -> str:
    """Check the scores of every row and return their identity: 32 hex digits.

    :raises RecordError: If a row's scores do not fit its texts; names the row (from 0).
    """
    state = xxhash.xxh3_128()
    for number, row in enumerate(_rows(dataset, scores)):
        try:
            margins = scores.margins_of(row)
        except RecordError as error:
            msg = f"row {number} of the training table: {error}"
            raise RecordError(msg) from error
        state.update(np.array([len(margins), *margins], np.float64).tobytes())
    return state.hexdigest()


def _rows(dataset: datasets.Dataset, scores: TeacherScores) -> Iterator[dict[str, Any]]:
    names = [scores.column, *scores.columns.negatives]
    for table in dataset.select_columns(names).with_format("arrow").iter(_ROWS_PER_READ):
        yield from table.to_pylist()


def _number(value: object, column: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"column {column!r} must hold finite numbers, got {value!r}"
        raise RecordError(msg)
    return float(value)
