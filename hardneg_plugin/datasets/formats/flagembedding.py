"""FlagEmbedding's JSON lines: ``query``, ``pos`` and ``neg``, with ``pos_scores`` and ``neg_scores`` to distil from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardneg_plugin.datasets.formats.cells import identifier, needed, numbers, optional_text, text, texts
from hardneg_plugin.datasets.formats.layout import Layout, Shape
from hardneg_plugin.datasets.training_rows import TrainingRow

Row = Mapping[str, Any]


def flag_reader(_: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row; its ``prompt`` is the instruction and its ``type`` the kind."""

    def read(number: int, row: Row) -> TrainingRow:
        positives, negatives = needed(texts(row, "pos"), "pos"), texts(row, "neg")
        return TrainingRow(
            number,
            text(row, "query"),
            positives,
            negatives,
            query_id=identifier(row.get("id"), "id"),
            positive_scores=numbers(row, "pos_scores", len(positives)),
            negative_scores=numbers(row, "neg_scores", len(negatives)),
            instruction=optional_text(row, "prompt"),
            kind=optional_text(row, "type"),
        )

    return read


def is_flag(layout: Layout) -> bool:
    """Detect rows with ``query`` and ``pos``, and with ``neg`` or a list of positives."""
    return layout.has("query", "pos") and ("neg" in layout.names or isinstance(layout.first("pos"), list))


def flag_shape(_: int, scores: bool) -> Shape:
    """Return the shape: a row per query."""
    import pyarrow as pa

    texts_type, floats = pa.list_(pa.string()), pa.list_(pa.float32())
    fields = [pa.field("query", pa.string()), pa.field("pos", texts_type), pa.field("neg", texts_type)]
    if scores:
        fields += [pa.field("pos_scores", floats), pa.field("neg_scores", floats)]

    def rows(row: TrainingRow) -> list[dict[str, Any]]:
        scored = {"pos_scores": [*row.positive_scores], "neg_scores": [*row.negative_scores]} if scores else {}
        return [{"query": row.query, "pos": [*row.positives], "neg": [*row.negatives], **scored}]

    return Shape(pa.schema(fields), rows)
