"""Scores by one scorer, for candidates and positives alike, so that a margin can be applied to them later."""

from __future__ import annotations

from dataclasses import replace

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
