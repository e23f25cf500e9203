"""Measure pairs of query and passage: shared words, BM25 score, a model's score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints
from hardneg_plugin.search.bm25.index import K1, B
from hardneg_plugin.text import Analyzer

MOST_ROWS = 20_000
"""Rows whose pairs are looked at; of more, this many are drawn by a hash of their number."""
Matrix = NDArray[np.float32]


class Vectors(NamedTuple):
    """Vectors of pairs.

    :param query: Vector of each pair's query, shape ``(pairs, dimensions)``.
    :param passage: Vector of each pair's passage.
    """

    query: Matrix
    passage: Matrix

    def products(self) -> Matrix:
        """Return the products of the two, dimension by dimension, at length 1 each; their sum is the cosine."""
        norms = np.linalg.norm(self.query, axis=1) * np.linalg.norm(self.passage, axis=1)
        return (self.query * self.passage / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query with the positives and negatives of its row, positives first.

    :param table: The rows.
    :param rows: Rows that are looked at.
    :param positive: Numbers of their positives.
    :param negative: Numbers of their negatives.
    """

    table: AuditTable
    rows: Ints
    positive: Ints
    negative: Ints

    @classmethod
    def of(cls, table: AuditTable, seed: int = 0) -> Pairs:
        """Take the pairs of all rows, or of as many as are looked at."""
        rows = drawn_rows(table, np.arange(len(table), dtype=np.int64), MOST_ROWS, seed)
        kept: Bools = np.zeros(len(table), dtype=bool)
        kept[rows] = True
        positive, negative = (np.flatnonzero(kept[side.row]) for side in (table.positives, table.negatives))
        return cls(table, rows, positive, negative)

    @cached_property
    def row(self) -> Ints:
        """Row of each pair."""
        return np.concatenate([self.table.positives.row[self.positive], self.table.negatives.row[self.negative]])

    @cached_property
    def passages(self) -> Ints:
        """Code of each pair's passage."""
        return np.concatenate([self.table.positives.texts[self.positive], self.table.negatives.texts[self.negative]])

    @cached_property
    def is_positive(self) -> Bools:
        """Mark the pairs whose passage is a positive."""
        return np.arange(len(self.row)) < len(self.positive)

    @cached_property
    def lexical(self) -> Matrix:
        """BM25 score of each pair and the share of the query's terms that the passage has, shape ``(pairs, 2)``."""
        terms = self._terms()
        counts = {code: Counter(terms[code]) for code in np.unique(self.passages).tolist()}
        frequency = Counter(term for count in counts.values() for term in count)
        average = sum(count.total() for count in counts.values()) / max(len(counts), 1)
        weights = {
            term: float(np.log1p((len(counts) - known + 0.5) / (known + 0.5))) for term, known in frequency.items()
        }
        asked = self.table.queries[self.row].tolist()
        scores = [
            _score(dict.fromkeys(terms[query]), counts[passage], weights, average)
            for query, passage in zip(asked, self.passages.tolist(), strict=True)
        ]
        return np.array(scores, dtype=np.float32).reshape(-1, 2)

    def _terms(self) -> dict[int, list[str]]:
        """Return code of a text → its terms."""
        table = self.table
        languages = dict(zip(self.passages.tolist(), (table.languages[row] for row in self.row.tolist()), strict=True))
        languages.update(zip(table.queries[self.rows].tolist(), (table.languages[r] for r in self.rows), strict=True))
        codes = np.array(sorted(languages), dtype=np.int64)
        terms = Analyzer().tokenize(table.texts.take(codes), [languages[code] for code in codes.tolist()])
        return dict(zip(codes.tolist(), terms, strict=True))

    def vectors(self, model: Any, batch_size: int = 32) -> Vectors:
        """Return the vectors of each pair's query and passage, every text encoded once.

        :param model: A ``SentenceTransformer``.
        :param batch_size: Texts per forward pass.
        """
        from hardneg_plugin.search.dense.search import encode

        (queries, query), (passages, passage) = (
            np.unique(codes, return_inverse=True) for codes in (self.table.queries[self.row], self.passages)
        )
        take = self.table.texts.take
        return Vectors(
            encode(model, take(queries), kind="query", batch_size=batch_size)[query],
            encode(model, take(passages), kind="passage", batch_size=batch_size)[passage],
        )


def _score(
    query: Mapping[str, None], passage: Counter[str], weights: Mapping[str, float], average: float
) -> tuple[float, float]:
    level = K1 * (1 - B + B * passage.total() / average) if average else K1
    shared = [term for term in query if term in passage]
    score = sum(weights[term] * passage[term] * (K1 + 1) / (passage[term] + level) for term in shared)
    return score, len(shared) / len(query) if query else 0.0


def drawn_rows(table: AuditTable, rows: Ints, most: int, seed: int) -> Ints:
    """Return at most ``most`` of some rows, drawn by a hash of seed and number in the file, in their order."""
    if len(rows) <= most:
        return rows
    numbers: Sequence[int] = table.numbers[rows].tolist()
    order = np.argsort([xxhash.xxh3_64_intdigest(f"{seed}:{number}".encode()) for number in numbers], kind="stable")
    return np.sort(rows[order[:most]])
