"""Keeping the best share of the candidates by a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.records.candidates import Candidate

Scope = Literal["query", "all"]
_REASON = "rag: lower half"


def keep_top_fraction(
    examples: Sequence[MiningExample], table: CandidateTable, scores: NDArray[np.float32], keep: float, scope: Scope
) -> CandidateTable:
    """Return the table without the candidates below the best share, dropped as ``rag: lower half``.

    Equal scores stand in the order of example ids, then of passage ids, so that the order of the input decides nothing.

    :param examples: The examples.
    :param table: Their ``m`` candidates.
    :param scores: Shape ``(m,)``, larger is better.
    :param keep: Share of the kept candidates that stays, rounded up.
    :param scope: Whether the share is that of each ``query``, or of ``all`` candidates together.
    """
    rows = np.flatnonzero(table.kept)
    of_example = table.example_index[rows]
    names = [
        (examples[number].id, Candidate(table, row).id)
        for number, row in zip(of_example.tolist(), rows.tolist(), strict=True)
    ]
    order = sorted(range(len(rows)), key=lambda position: (-scores[rows[position]], names[position]))
    # All candidates together are one group.
    group = of_example if scope == "query" else np.zeros_like(of_example)
    left = [_share(keep, count) for count in np.bincount(group, minlength=len(table)).tolist()]
    lower = np.zeros(len(table.passages), dtype=bool)
    for position in order:
        left[group[position]] -= 1
        lower[rows[position]] = left[group[position]] < 0
    return table.drop(lower, _REASON)


def _share(keep: float, count: int) -> int:
    # A tenth of ten is one, whatever the last bit of the product says.
    return math.ceil(round(keep * count, 9))
