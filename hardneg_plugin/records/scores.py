"""Scores by one scorer, for candidates and positives alike, so that a margin can be applied to them later."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.table import CandidateTable


def with_scores(
    table: CandidateTable, scorer: str, scores: NDArray[np.float32], positive_scores: NDArray[np.float32]
) -> CandidateTable:
    """Return a table with one more scorer.

    :param table: ``m`` candidates of examples with ``p`` positives in all.
    :param scorer: Name of the scorer, such as ``dense:minishlab/potion-base-4M``.
    :param scores: Scores of the candidates, larger is better, NaN where there is none; shape ``(m,)``.
    :param positive_scores: Scores of the positives, in the order of the examples; shape ``(p,)``.
    :raises RecordError: If the scorer is there already, or a shape does not fit.
    """
    if scorer in table.scores or scorer in table.positive_scores:
        msg = f"the candidates already have scores of {scorer!r}; give the second scorer another name"
        raise RecordError(msg)
    return replace(
        table,
        scores={**table.scores, scorer: scores.astype(np.float32)},
        positive_scores={**table.positive_scores, scorer: positive_scores.astype(np.float32)},
    )


class ScoreSteps(NamedTuple):
    """Changes of a source's scores down its lists.

    :param falling: Neighbouring places whose score falls.
    :param rising: Those whose score rises.
    """

    falling: int
    rising: int

    @property
    def higher_is_better(self) -> bool | None:
        """True where scores fall down the lists, False where they rise, as distances do; None where neither is plain.

        One place in ten may be out of order: approximate indexes and documents of equal relevance are.
        """
        most = 0.9 * (self.falling + self.rising)
        if self.falling + self.rising == 0 or max(self.falling, self.rising) < most:
            return None
        return self.falling > self.rising


def score_steps(table: CandidateTable, source: str) -> ScoreSteps:
    """Compare the scores of a source with its ranks.

    :param table: Candidates that the source found, dropped ones too.
    :param source: Name of the source.
    """
    found = np.flatnonzero(table.ranks[source] > 0)
    rows = table.ordered_by(table.ranks[source], found)
    steps = np.diff(table.source_scores[source][rows])
    within = steps[np.diff(table.example_index[rows]) == 0]
    return ScoreSteps(int((within < 0).sum()), int((within > 0).sum()))
