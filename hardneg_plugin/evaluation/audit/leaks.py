"""Rows that hold what is measured on: queries and positives of a test, as they stand or nearly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from hardneg_plugin.evaluation.audit.copies import DETAILS, shortened
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Ints
from hardneg_plugin.evaluation.leakage import ALIKE, LeakageCounter


def leakage_findings(
    table: AuditTable, test_queries: Sequence[str], test_positives: Sequence[str]
) -> Iterator[Finding]:
    """Yield the findings about what of a test the rows hold.

    :param table: The rows.
    :param test_queries: Queries of the test.
    :param test_positives: Their relevant passages.
    """
    queries, positives = LeakageCounter(test_queries), LeakageCounter(test_positives)
    rows = np.arange(len(table))
    yield _leaked(table, "test_queries_in_training", "queries", "query", queries, rows, table.queries, test_queries)
    yield _leaked(
        table,
        "test_positives_in_training",
        "positives",
        "positive",
        positives,
        table.positives.row,
        table.positives.texts,
        test_positives,
    )
    yield _leaked(
        table,
        "test_positives_as_negatives",
        "positives",
        "negative",
        positives,
        table.negatives.row,
        table.negatives.texts,
        test_positives,
    )


def _leaked(
    table: AuditTable,
    name: str,
    of_test: str,
    role: str,
    counter: LeakageCounter,
    rows: Ints,
    codes: Ints,
    test: Sequence[str],
) -> Finding:
    known: dict[int, tuple[list[int], list[int]]] = {}
    for code in np.unique(codes).tolist():
        exact, near = counter.look_up(table.texts.one(code), near=role != "negative")
        if exact or near:
            known[code] = exact, near
    exact_of = {number for exact, _ in known.values() for number in exact}
    # There are many negatives, and a near-copy of a test passage among them says little: copies alone are looked for.
    near_of = {number for _, near in known.values() for number in near} - exact_of
    mask = np.isin(codes, list(known))
    details = tuple(
        f"row {table.numbers[row]}: {shortened(test[min(chain(*known[code]))])}"
        for row, code in zip(rows[mask][:DETAILS].tolist(), codes[mask][:DETAILS].tolist(), strict=True)
    )
    meaning = (
        f"Of {len(test):,} {of_test} of the test, {len(exact_of):,} stand among the rows as they are and "
        f"{len(near_of):,} more nearly (character 5-grams at least {ALIKE:.0%} alike): "
    )
    meaning += (
        "training pushes away what the test looks for."
        if role == "negative"
        else "the test no longer measures what is new to the model."
    )
    return Finding(
        name,
        f"Test {of_test} as {role} of a row",
        meaning,
        "warning" if role == "negative" else "error",
        len(exact_of) + len(near_of),
        len(test),
        f"test {of_test}",
        table.numbers_of(rows[mask]),
        details,
    )
