"""Putting passages that a language model wrote into the table of candidates, and saying what it did not write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hardneg_plugin.messages import tell
from hardneg_plugin.records import CandidateTable


def drop_invalid_passages(table: CandidateTable, source: str, faults: Sequence[str]) -> CandidateTable:
    """Return the table with the faulty ones among a source's candidates dropped, as ``generated: …``.

    :param table: Candidates with the source.
    :param source: Name of the source.
    :param faults: What is wrong with each of its candidates, by example and rank; empty where nothing is.
    """
    # A passage that an earlier source wrote too stands in that one's row, not in the order of the ranks.
    ranks = table.ranks[source]
    rows = table.ordered_by(ranks, np.flatnonzero(ranks))
    of_row = np.full(len(table.passages), "", dtype=object)
    of_row[rows] = faults
    for fault in sorted(set(faults) - {""}):
        table = table.drop(of_row == fault, f"generated: {fault}")
    return table


def report_unwritten(component: str, reasons: Sequence[str]) -> None:
    """Say how many examples got no passages and why: in the run, or else in the log.

    :param component: Name of the component.
    :param reasons: One for each example; empty where it got some.
    """
    counts = Counter(filter(None, reasons))
    if not counts:
        return
    shown = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    tell(component, f"{counts.total()} of {len(reasons)} examples got no passages: {shown}")
