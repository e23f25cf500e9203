"""In-batch conflicts: rows that make false negatives of each other when they share a batch.

With in-batch negatives every passage of a batch is a negative of every other row's query. Two rows conflict where a
query or positive of one is a query, positive or negative of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints
from hardneg_plugin.records.table import concat_ranges

MOST_PAIRS = 20_000_000
"""Pairs of rows that are listed at most; from there on pairs that share several texts count several times."""


@dataclass(frozen=True)
class Conflicts:
    """Rows that must not share a batch.

    :param rows: Rows that conflict with any other, a mask of all.
    :param pairs: Pairs of rows that conflict.
    :param exact: False where there are so many that pairs with several texts in common count several times.
    """

    rows: Bools
    pairs: int
    exact: bool

    def per_batch(self, size: int) -> float:
        """Return how many conflicting pairs a random batch is expected to hold.

        :param size: Rows in a batch; where there are fewer, all are one batch.
        """
        rows = len(self.rows)
        size = min(size, rows)
        return self.pairs * size * (size - 1) / (rows * (rows - 1)) if rows > 1 else 0.0


def find_conflicts(table: AuditTable) -> Conflicts:
    """Return which rows conflict.

    :param table: The rows.
    """
    numbers = np.arange(len(table), dtype=np.int64)
    own_rows = np.concatenate([numbers, table.positives.row])
    own_texts = np.concatenate([table.queries, table.positives.texts])
    negative_rows, negative_texts = table.negatives.row, table.negatives.texts
    keys, codes = np.unique(table.keys_of(np.concatenate([own_texts, negative_texts])), return_inverse=True)
    own = _distinct(own_rows, codes[: len(own_rows)])
    every = _distinct(np.concatenate([own_rows, negative_rows]), codes)
    owners = np.bincount(own[1], minlength=len(keys))
    users = np.bincount(every[1], minlength=len(keys))
    is_own = np.isin(every[1] * np.int64(len(table)) + every[0], own[1] * np.int64(len(table)) + own[0])
    others = np.where(is_own, users[every[1]] > 1, owners[every[1]] > 0)
    mask = np.zeros(len(table), dtype=bool)
    mask[every[0][others]] = True
    return Conflicts(mask, *_count_pairs(own, every, owners, users, len(table)))


def _distinct(rows: Ints, codes: Ints) -> Ints:
    """Return the distinct pairs of row and text, by text and then by row, shape ``(2, pairs)``."""
    pairs: Ints = np.unique(np.stack([codes, rows]), axis=1)[::-1]
    return pairs


def _count_pairs(own: Ints, every: Ints, owners: Ints, users: Ints, rows: int) -> tuple[int, bool]:
    shared = (owners > 0) & (users > 1)
    # Owners of a text pair with all who use it; among owners each pair would come twice.
    total = int((owners * (users - owners) + owners * (owners - 1) // 2)[shared].sum())
    if int((owners * users)[shared].sum()) > MOST_PAIRS:
        return total, False
    own = own[:, shared[own[1]]]
    starts = np.searchsorted(every[1], own[1])
    counts = users[own[1]]
    first = np.repeat(own[0], counts)
    second = every[0][concat_ranges(starts, counts)]
    low, high = np.minimum(first, second), np.maximum(first, second)
    return len(np.unique(low[low < high] * np.int64(rows) + high[low < high])), True


def conflict_finding(table: AuditTable, conflicts: Conflicts, batch_size: int) -> Finding:
    """Return the finding about in-batch conflicts.

    :param table: The rows.
    :param conflicts: What :func:`find_conflicts` returned.
    :param batch_size: Rows in a batch.
    """
    about = "" if conflicts.exact else "at most "
    return Finding(
        "in_batch_conflicts",
        "Rows that are a false negative of another row when they share a batch",
        "A query or positive of the row is a query, positive or negative of another. A random batch of "
        f"{min(batch_size, len(table)):,} rows is expected to hold {about}{conflicts.per_batch(batch_size):.2f} such "
        "pairs; batches without them can be planned.",
        "warning",
        int(conflicts.rows.sum()),
        len(table),
        "rows",
        table.numbers_of(conflicts.rows),
    )
