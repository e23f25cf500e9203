"""Tevatron's JSON lines: passages inside the row, with ``docid``, ``title`` and ``text``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardneg_plugin.datasets.formats.cells import BadRowError, identifier, needed, number, sound, text
from hardneg_plugin.datasets.formats.layout import Layout, Shape
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.datasets.training_rows import TrainingRow

Row = Mapping[str, Any]
POSITIVES, NEGATIVES = "positive_passages", "negative_passages"


def tevatron_reader(_: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row; a title stands before its text, parted by a space, as Tevatron trains on it."""

    def read(location: int, row: Row) -> TrainingRow:
        positives, negatives = _passages(row, POSITIVES), _passages(row, NEGATIVES)
        return TrainingRow(
            location,
            text(row, "query"),
            needed(_texts(positives, POSITIVES), POSITIVES),
            _texts(negatives, NEGATIVES),
            query_id=identifier(row.get("query_id"), "query_id"),
            positive_ids=_ids(positives, POSITIVES),
            negative_ids=_ids(negatives, NEGATIVES),
            positive_scores=_scores(positives, POSITIVES),
            negative_scores=_scores(negatives, NEGATIVES),
        )

    return read


def is_tevatron(layout: Layout) -> bool:
    """Detect ``query`` and lists of passages that are objects."""
    first = layout.first(POSITIVES)
    return layout.has("query") and isinstance(first, list) and all(isinstance(item, Mapping) for item in first)


def tevatron_shape(_: int, scores: bool) -> Shape:
    """Return the shape: a row per query; a text without an id gets one that is a hash of it."""
    import pyarrow as pa

    fields = [pa.field("docid", pa.string()), pa.field("text", pa.string())]
    passages = pa.list_(pa.struct([*fields, *([pa.field("score", pa.float32())] if scores else [])]))
    schema = pa.schema(
        [
            pa.field("query_id", pa.string()),
            pa.field("query", pa.string()),
            pa.field(POSITIVES, passages),
            pa.field(NEGATIVES, passages),
        ]
    )

    def listed(found: tuple[str, ...], ids: tuple[str, ...], scored: tuple[float, ...]) -> list[dict[str, Any]]:
        return [
            {
                "docid": ids[location] if ids else text_id("p", one),
                "text": one,
                **({"score": scored[location]} if scores else {}),
            }
            for location, one in enumerate(found)
        ]

    def rows(row: TrainingRow) -> list[dict[str, Any]]:
        return [
            {
                "query_id": row.query_id or text_id("q", row.query),
                "query": row.query,
                POSITIVES: listed(row.positives, row.positive_ids, row.positive_scores),
                NEGATIVES: listed(row.negatives, row.negative_ids, row.negative_scores),
            }
        ]

    return Shape(schema, rows)


def _passages(row: Row, name: str) -> list[Row]:
    value = row.get(name)
    value = [] if value is None else value
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        kind = "no passages"
        message = f"expected a list of passages (docid, title, text) in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    return value


def _texts(passages: list[Row], name: str) -> tuple[str, ...]:
    return tuple(_text(passage, f"{name}[{location}]") for location, passage in enumerate(passages))


def _text(passage: Row, name: str) -> str:
    title = passage.get("title") or ""
    body = passage.get("text")
    if not isinstance(title, str) or not isinstance(body, str):
        kind = "no text"
        message = f"expected texts as title and text of {name}, got {title!r:.30} and {body!r:.60}"
        raise BadRowError(kind, message)
    return sound(f"{title} {body}" if title else body, f"{name}.text")


def _ids(passages: list[Row], name: str) -> tuple[str, ...]:
    found = tuple(identifier(passage.get("docid"), f"{name}.docid") for passage in passages)
    return found if any(found) else ()


def _scores(passages: list[Row], name: str) -> tuple[float, ...]:
    if not any(passage.get("score") is not None for passage in passages):
        return ()
    return tuple(number(passage.get("score"), f"{name}.score") for passage in passages)
