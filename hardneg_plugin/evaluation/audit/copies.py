"""Find negatives equal to a positive or to the query, and duplicate rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints, Keys, paired
from hardneg_plugin.records.table import concat_ranges
from hardneg_plugin.text import normalise_all
from hardneg_plugin.text.telling_differences import lacks_answer, tells_apart

NEAR = 0.9
"""Similarity (normalised Indel) from which a negative is a near-copy of a positive."""
DETAILS = 5
_PAIRS_AT_ONCE = 100_000


def copy_findings(table: AuditTable) -> Iterator[Finding]:
    """Yield the findings about copies.

    :param table: The rows.
    """
    negatives, positives = table.negatives, table.positives
    negative, positive = table.keys_of(negatives.texts), table.keys_of(positives.texts)
    told = table.texts.lengths[negatives.texts] > 0
    same_row = told & np.isin(paired(negatives.row, negative), paired(positives.row, positive))
    groups = table.asked[negatives.row], table.asked[positives.row]
    elsewhere = told & ~same_row & np.isin(paired(groups[0], negative), paired(groups[1], positive))
    yield _of_negatives(
        table,
        "positive_as_negative",
        "A positive as negative of its own row",
        "The negative is the row's positive, but for case, width, punctuation and white space: the loss pulls and "
        "pushes the same text.",
        same_row,
    )
    yield _of_negatives(
        table,
        "positive_elsewhere",
        "A positive of the same query, in another row, as negative",
        "Another row of the same query has this text as its positive: the rows contradict each other.",
        elsewhere,
    )
    near = _near_copies(table, told & ~same_row & ~elsewhere)
    yield _of_negatives(
        table,
        "near_copy_of_positive",
        "A near-copy of a positive as negative",
        f"The negative is at least {NEAR:.0%} alike to a positive of the query (normalised Indel similarity) and "
        "differs in no number, unit, code, sign or negation, nor in the answer where that is known.",
        near,
    )
    asks = told & (negative == table.keys_of(table.queries)[negatives.row])
    yield _of_negatives(
        table,
        "query_as_negative",
        "The query itself as a negative",
        "The negative is the query: the loss pushes the query away from itself.",
        asks,
    )
    yield _query_as_positive(table, positive)
    yield from _repeated(table, negative, positive, told)


def _query_as_positive(table: AuditTable, positive: Keys) -> Finding:
    rows = table.positives.row
    same = (positive == table.keys_of(table.queries)[rows]) & (table.texts.lengths[table.positives.texts] > 0)
    return Finding(
        "query_as_positive",
        "The query itself as its positive",
        "The positive is the query: such a row teaches nothing about passages.",
        "warning",
        int(same.sum()),
        len(same),
        "positives",
        table.numbers_of(rows[same]),
    )


def _of_negatives(table: AuditTable, name: str, title: str, meaning: str, mask: Bools) -> Finding:
    positions = np.flatnonzero(mask)
    details = tuple(
        f"row {table.numbers[table.negatives.row[position]]}, negative {table.negatives.position(position)}: "
        f"{shortened(table.texts.one(table.negatives.texts[position]))}"
        for position in positions[:DETAILS].tolist()
    )
    rows = table.numbers_of(table.negatives.row[mask])
    return Finding(name, title, meaning, "error", len(positions), len(mask), "negatives", rows, details)


def shortened(text: str, most: int = 100) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _near_copies(table: AuditTable, looked_at: Bools) -> Bools:
    """Mark the negatives that are nearly a positive of their query, whichever row that is in."""
    negatives, positives = table.negatives, table.positives
    order = np.argsort(table.asked[positives.row], kind="stable")
    bounds = np.searchsorted(table.asked[positives.row][order], np.arange(table.asked.max() + 2))
    positions = np.flatnonzero(looked_at)
    groups = table.asked[negatives.row[positions]]
    counts = np.diff(bounds)[groups]
    pairs = np.stack(
        [np.repeat(negatives.texts[positions], counts), positives.texts[order[concat_ranges(bounds[groups], counts)]]]
    )
    lengths = table.texts.lengths[pairs]
    total = lengths.sum(axis=0)
    # The difference in length alone keeps most pairs below the threshold.
    possible = (total > 0) & (total - np.abs(lengths[0] - lengths[1]) >= NEAR * total)
    alike = _alike(table, np.unique(pairs[:, possible], axis=1))
    size = np.int64(len(table.texts.keys))
    near = np.zeros(len(negatives), dtype=bool)
    hit = possible.copy()
    hit[possible] = np.isin(pairs[0, possible] * size + pairs[1, possible], alike[0] * size + alike[1])
    owner = np.repeat(positions, counts)[hit]
    near[owner[~_other_answer(table, owner, pairs[:, hit])]] = True
    return near


def _other_answer(table: AuditTable, owner: Ints, pairs: Ints) -> Bools:
    """Mark the negatives in which another answer stands where the positive has the row's; pairs are of both's texts."""
    mask = np.zeros(len(owner), dtype=bool)
    answers = table.provenance.answers
    for position, negative in enumerate(owner.tolist()) if answers else ():
        row = int(table.negatives.row[negative])
        negative_text, positive_text = (table.texts.one(code) for code in pairs[:, position])
        mask[position] = lacks_answer(negative_text, positive_text, answers[row], table.languages[row])
    return mask


def _alike(table: AuditTable, pairs: Ints) -> Ints:
    """Return the pairs of texts that are alike, shape ``(2, pairs)``."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    kept = []
    for start in range(0, pairs.shape[1], _PAIRS_AT_ONCE):
        block = pairs[:, start : start + _PAIRS_AT_ONCE]
        codes, position = np.unique(block, return_inverse=True)
        forms = normalise_all(table.texts.take(codes))
        sides: Any = position.reshape(block.shape).tolist()
        first, second = ([forms[number] for number in side] for side in sides)
        similarity = cpdist(first, second, scorer=Indel.normalized_similarity, score_cutoff=NEAR, dtype=np.float64)
        near = np.flatnonzero(similarity >= NEAR).tolist()
        kept.append(block[:, [pair for pair in near if not tells_apart(first[pair], second[pair])]])
    return np.concatenate(kept, axis=1) if kept else pairs[:, :0]


def _repeated(table: AuditTable, negative: Keys, positive: Keys, told: Bools) -> Iterator[Finding]:
    negatives = table.negatives
    again = _not_first(paired(negatives.row, negative)) & told
    yield Finding(
        "repeated_negatives",
        "The same negative twice in a row",
        "A negative is repeated within its row: it counts twice in the loss and leaves fewer different ones.",
        "warning",
        int(again.sum()),
        len(again),
        "negatives",
        table.numbers_of(negatives.row[again]),
    )
    rows = _row_keys(table, negative, positive)
    repeated = _not_first(rows)
    first = dict(zip(rows[::-1].tolist(), table.numbers[::-1].tolist(), strict=True))
    details = tuple(
        f"row {table.numbers[row]} repeats row {first[int(rows[row])]}"
        for row in np.flatnonzero(repeated)[:DETAILS].tolist()
    )
    yield Finding(
        "duplicate_rows",
        "Rows that repeat an earlier one",
        "Query, positives and negatives are those of an earlier row, in any order: the row counts twice.",
        "warning",
        int(repeated.sum()),
        len(rows),
        "rows",
        table.numbers_of(repeated),
        details,
    )


def _row_keys(table: AuditTable, negative: Keys, positive: Keys) -> Keys:
    """Return one number per row for its texts, whatever the order of its passages."""
    keys = paired(np.zeros(len(table), dtype=np.int64), table.keys_of(table.queries))
    for role, (passages, values) in enumerate([(table.positives, positive), (table.negatives, negative)], start=1):
        mixed = paired(np.full(len(values), role, dtype=np.int64), values) * np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(32)
        sums = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
        keys = keys * np.uint64(31) + (sums[passages.offsets[1:]] - sums[passages.offsets[:-1]])
    return keys


def _not_first(keys: Keys) -> Bools:
    """Mark all but the first of equal keys."""
    mask = np.ones(len(keys), dtype=bool)
    mask[np.unique(keys, return_index=True)[1]] = False
    return mask
