"""Queries that are left with few negatives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Ints


def negatives_per_query(table: AuditTable) -> Ints:
    """Return how many different negatives each distinct query has over all its rows."""
    groups = table.asked[table.negatives.row].astype(np.int64)
    pairs = np.unique(np.stack([groups, table.keys_of(table.negatives.texts).view(np.int64)]), axis=1)
    return np.bincount(pairs[0], minlength=int(table.asked.max()) + 1).astype(np.int64)


def coverage_findings(table: AuditTable, fewest: int | None = None) -> Iterator[Finding]:
    """Yield the findings about queries with few negatives.

    :param table: The rows.
    :param fewest: Fewest negatives of a query; None takes half of what the median query has, at least 1.
    """
    counts = negatives_per_query(table)
    least = max(1, int(np.ceil(np.median(counts) / 2))) if fewest is None else fewest
    none, few = counts == 0, (counts > 0) & (counts < least)
    yield Finding(
        "queries_without_negatives",
        "Queries without a negative",
        "They train on in-batch negatives alone.",
        "note",
        int(none.sum()),
        len(counts),
        "queries",
        table.numbers_of(none[table.asked]),
    )
    yield Finding(
        "queries_with_few_negatives",
        f"Queries with fewer than {least} negatives",
        f"The median query has {np.median(counts):g} different negatives.",
        "note",
        int(few.sum()),
        len(counts),
        "queries",
        table.numbers_of(few[table.asked]),
    )
