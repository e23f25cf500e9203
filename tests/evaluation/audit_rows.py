"""Rows to audit, made by hand."""

from __future__ import annotations

from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.evaluation.audit.table import AuditTable, Provenance


def table(*rows: tuple, provenance: Provenance | None = None, **columns: list) -> AuditTable:
    """A table of (query, positives, negatives), numbered from 1; further columns by name, a value per row."""
    made = []
    for number, (query, positives, negatives) in enumerate(rows, start=1):
        further = {name: values[number - 1] for name, values in columns.items()}
        made.append(TrainingRow(number, query, tuple(positives), tuple(negatives), **further))
    return AuditTable.of(TrainingRows.of(made, "hand-made", "rows"), provenance)


def by_name(findings):
    return {finding.name: finding for finding in findings}
