"""Find malformed texts (empty, mis-decoded, control characters) and incomplete rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hardneg_plugin.evaluation.audit.copies import DETAILS, shortened
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools
from hardneg_plugin.text.characters import has_control_characters
from hardneg_plugin.text.mojibake import has_mojibake
from hardneg_plugin.text.preamble import is_preamble, is_refusal


def broken_findings(table: AuditTable) -> Iterator[Finding]:
    """Yield the findings about broken texts and rows.

    :param table: The rows.
    """
    faults = table.rows.faults
    yield Finding(
        "unreadable_rows",
        "Rows that could not be read",
        "They are left out of everything below.",
        "error",
        len(faults),
        len(table) + len(faults),
        "rows",
        (),
        tuple(shortened(fault, 200) for fault in faults[:DETAILS]),
    )
    yield _marked(
        table,
        "empty_texts",
        "Empty texts",
        "A query, positive or negative without a single letter, digit or symbol.",
        table.texts.lengths == 0,
    )
    broken = np.array([_is_broken(text) for text in table.texts.values.to_pylist()], dtype=bool)
    yield _marked(
        table,
        "broken_texts",
        "Wrongly decoded texts",
        "Signs of a wrong encoding (as in schÃ¶n), replacement characters or control characters.",
        broken,
    )
    yield _machine_talk(table)
    missing = table.positives.counts == 0
    yield Finding(
        "rows_without_positive",
        "Rows without a positive",
        "Nothing to pull the query to.",
        "error",
        int(missing.sum()),
        len(table),
        "rows",
        table.numbers_of(missing),
    )


def _machine_talk(table: AuditTable) -> Finding:
    codes, position = np.unique(table.negatives.texts, return_inverse=True)
    talk = np.array([is_preamble(text) or is_refusal(text) for text in table.texts.take(codes)], dtype=bool)[position]
    positions = np.flatnonzero(talk)
    details = tuple(
        f"row {table.numbers[table.negatives.row[number]]}, negative {table.negatives.position(number)}: "
        f"{shortened(table.texts.one(table.negatives.texts[number]))}"
        for number in positions[:DETAILS].tolist()
    )
    return Finding(
        "machine_talk",
        "Negatives that begin as a language model's answer, not as a passage",
        "Lines such as “Here are three passages:”, refusals, entries of a list: a model learns their style at once.",
        "warning",
        len(positions),
        len(talk),
        "negatives",
        table.numbers_of(table.negatives.row[talk]),
        details,
    )


def _is_broken(text: str) -> bool:
    return (not text.isascii() and has_mojibake(text)) or has_control_characters(text)


def _marked(table: AuditTable, name: str, title: str, meaning: str, texts: Bools) -> Finding:
    """Return the finding of texts with a fault, counted wherever they stand."""
    roles = (
        ("query", np.arange(len(table)), table.queries),
        ("positive", table.positives.row, table.positives.texts),
        ("negative", table.negatives.row, table.negatives.texts),
    )
    rows = np.concatenate([row[texts[codes]] for _, row, codes in roles])
    details = [
        f"row {table.numbers[row]}, {role}: {shortened(table.texts.one(code))!r}"
        for role, of_row, codes in roles
        for row, code in zip(*(side[texts[codes]][:DETAILS].tolist() for side in (of_row, codes)), strict=True)
    ]
    of = sum(len(codes) for _, _, codes in roles)
    return Finding(
        name, title, meaning, "error", len(rows), of, "texts", table.numbers_of(rows), tuple(details[:DETAILS])
    )
