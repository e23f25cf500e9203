"""Rows for a person to read: half of them with findings, the others drawn at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

import numpy as np

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.pairs import drawn_rows
from hardneg_plugin.evaluation.audit.table import AuditTable


def sample_examples(
    table: AuditTable, findings: Sequence[Finding], count: int, seed: int
) -> Mapping[int, tuple[str, ...]]:
    """Draw rows, the same for the same rows, findings and seed.

    :param table: The rows.
    :param findings: What was found; each kind that is more than a note gets a turn.
    :param count: How many rows.
    :param seed: Seed of the draw.
    :returns: Row from 0 → names of what was found in it; suspicious rows first.
    """
    position = {int(number): row for row, number in enumerate(table.numbers)}
    told = [finding for finding in findings if finding.severity != "note" and len(finding.rows) < len(table) / 2]
    kinds = []
    for finding in told:
        rows = np.array([position[number] for number in finding.rows if number in position], dtype=np.int64)
        kinds.append(drawn_rows(table, rows, count, seed).tolist())
    turns = (row for turn in zip_longest(*kinds) for row in turn if row is not None)
    suspicious = list(dict.fromkeys(turns))[: count // 2]
    others = np.setdiff1d(np.arange(len(table), dtype=np.int64), suspicious)
    drawn = drawn_rows(table, others, count - len(suspicious), seed).tolist()
    holders = {finding.name: frozenset(finding.rows) for finding in told}
    return {
        row: tuple(name for name, rows in holders.items() if int(table.numbers[row]) in rows)
        for row in chain(suspicious, drawn)
    }
