"""hardneg's own rows: every column of a training row under its own name, in JSON lines or Parquet. Nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardneg_plugin.datasets.formats.cells import (
    BadRowError,
    identifier,
    identifiers,
    number,
    numbers,
    optional_text,
    text,
    texts,
)
from hardneg_plugin.datasets.formats.layout import Layout, Shape
from hardneg_plugin.datasets.training_rows import TrainingRow, training_schema

Row = Mapping[str, Any]


def own_reader(_: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row; ``number`` is the one that the row came with."""

    def read(location: int, row: Row) -> TrainingRow:
        positives, negatives = texts(row, "positives"), texts(row, "negatives")
        ranks = numbers(row, "ranks", len(negatives))
        if any(rank != int(rank) for rank in ranks):
            kind = "no number"
            message = f"expected whole numbers in 'ranks', got {row['ranks']!r:.60}"
            raise BadRowError(kind, message)
        return TrainingRow(
            int(number(row.get("number", location), "number")),
            text(row, "query"),
            positives,
            negatives,
            query_id=identifier(row.get("query_id"), "query_id"),
            positive_ids=identifiers(row, "positive_ids", len(positives)),
            negative_ids=identifiers(row, "negative_ids", len(negatives)),
            positive_scores=numbers(row, "positive_scores", len(positives)),
            negative_scores=numbers(row, "negative_scores", len(negatives)),
            sources=identifiers(row, "sources", len(negatives)),
            ranks=tuple(int(rank) for rank in ranks),
            language=identifier(row.get("language"), "language"),
            instruction=optional_text(row, "instruction"),
            kind=optional_text(row, "kind"),
        )

    return read


def is_own(layout: Layout) -> bool:
    """Detect rows with every field of a training row."""
    return layout.has("number", "query", "positives", "negatives")


def own_shape(_: int, __: bool) -> Shape:
    """Return the shape: the schema of training rows."""

    def rows(row: TrainingRow) -> list[dict[str, Any]]:
        found = row._asdict()
        return [
            {
                name: ([*value] if isinstance(value, tuple) else value)
                if value or not training_schema().field(name).nullable
                else None
                for name, value in found.items()
            }
        ]

    return Shape(training_schema(), rows)
