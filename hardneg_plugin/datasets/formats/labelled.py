"""Labelled pairs and lists of sentence-transformers: passages with a label or score each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardneg_plugin.datasets.columns import KNOWN_NAMES
from hardneg_plugin.datasets.formats.cells import (
    BadRowError,
    identifier,
    identifiers,
    needed,
    number,
    numbers,
    text,
    texts,
)
from hardneg_plugin.datasets.formats.layout import LABELS, Layout, Shape
from hardneg_plugin.datasets.formats.tuples import BESIDE, QUERY_IDS
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError

Row = Mapping[str, Any]
POSITIVE_FROM = "positive_from"


def labelled_reader(layout: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row of labelled pairs or lists; both are told apart by what the second column holds.

    The first text column is the query, the second the passages. Labels are 0 and 1; of graded labels and scores the
    option ``positive_from`` says which is the lowest of a positive. A list of scores alone has its positive first, as
    sentence-transformers and :class:`~hardneg_plugin.TripletBuilder` write it.
    """
    anchor, passage, label = _columns(layout)
    limit = _limit(layout)
    query_id = next((name for name in QUERY_IDS if name in layout.names), None)
    language = next((name for name in KNOWN_NAMES["language"] if name in layout.names), None)

    def read(location: int, row: Row) -> TrainingRow:
        listed = isinstance(row.get(passage), list)
        found = needed(texts(row, passage), passage) if listed else (text(row, passage),)
        values = _values(row, label, len(found), listed)
        ids = identifiers(row, "passage_ids", len(found)) if listed else (identifier(row.get("passage_id"), "id"),)
        positive = _positive(values, limit, label, listed)
        graded = label.startswith("score") or limit is not None

        def those(items: tuple[Any, ...], wanted: bool) -> tuple[Any, ...]:
            return tuple(item for item, is_one in zip(items, positive, strict=True) if is_one is wanted)

        scores = values if graded else ()
        return TrainingRow(
            location,
            text(row, anchor),
            those(found, True),
            those(found, False),
            query_id=identifier(row.get(query_id), query_id) if query_id else "",
            positive_ids=those(ids, True) if any(ids) else (),
            negative_ids=those(ids, False) if any(ids) else (),
            positive_scores=those(scores, True) if scores else (),
            negative_scores=those(scores, False) if scores else (),
            language=identifier(row.get(language), language) if language else "",
        )

    return read


def is_labelled_pair(layout: Layout) -> bool:
    """Detect a query, a passage and a number that labels it."""
    return _label(layout) is not None and len(_left(layout)) == 2 and isinstance(_second(layout), str)


def is_labelled_list(layout: Layout) -> bool:
    """Detect a query, a list of passages and a list of numbers that label them."""
    return _label(layout) is not None and len(_left(layout)) == 2 and isinstance(_second(layout), list)


def pair_shape(_: int, scores: bool) -> Shape:
    """Return the shape of labelled pairs: a row per passage, positives first."""
    import pyarrow as pa

    label = pa.field("score", pa.float32()) if scores else pa.field("label", pa.int64())
    schema = pa.schema([pa.field("anchor", pa.string()), pa.field("passage", pa.string()), label])

    def rows(row: TrainingRow) -> list[dict[str, Any]]:
        passages, values = (*row.positives, *row.negatives), _written(row, scores)
        return [
            {"anchor": row.query, "passage": passage, label.name: value}
            for passage, value in zip(passages, values, strict=True)
        ]

    return Shape(schema, rows)


def list_shape(_: int, scores: bool) -> Shape:
    """Return the shape of labelled lists: a row per query and positive, the positive first."""
    import pyarrow as pa

    texts_type = pa.list_(pa.string())
    label = pa.field("scores", pa.list_(pa.float32())) if scores else pa.field("labels", pa.list_(pa.int64()))
    schema = pa.schema([pa.field("anchor", pa.string()), pa.field("passages", texts_type), label])

    def rows(row: TrainingRow) -> list[dict[str, Any]]:
        return [{"anchor": row.query, "passages": [*row.positives, *row.negatives], label.name: _written(row, scores)}]

    return Shape(schema, rows)


def _written(row: TrainingRow, scores: bool) -> list[float] | list[int]:
    if scores:
        return [*row.positive_scores, *row.negative_scores]
    return [1] * len(row.positives) + [0] * len(row.negatives)


def _left(layout: Layout) -> list[str]:
    return [name for name in layout.names if name not in BESIDE]


def _label(layout: Layout) -> str | None:
    return next((name for name in LABELS if name in layout.names), None)


def _second(layout: Layout) -> Any:
    return layout.first(_left(layout)[1])


def _columns(layout: Layout) -> tuple[str, str, str]:
    left, label = _left(layout), _label(layout)
    given = [layout.options.get(role) for role in ("anchor", "positive")]
    missing = [name for name in given if name is not None and name not in layout.names]
    if label is None or missing or (len(left) < 2 and None in given):
        wanted = f"the column {missing[0]!r}" if missing else f"a query, a passage and one of {', '.join(LABELS)}"
        msg = f"{layout.where}: expected {wanted}; columns: {', '.join(layout.names)}"
        raise DatasetError(msg)
    usual = next((name for name in KNOWN_NAMES["anchor"] if name in left), None)
    anchor = given[0] or usual or left[0]
    passage = given[1] or next(name for name in left if name != anchor)
    return anchor, passage, label


def _limit(layout: Layout) -> float | None:
    given = layout.options.get(POSITIVE_FROM)
    if given is None:
        return None
    try:
        return float(given)
    except ValueError as error:
        msg = f"{layout.where}: {POSITIVE_FROM} must be a number, got {given!r}"
        raise DatasetError(msg) from error


def _values(row: Row, label: str, count: int, listed: bool) -> tuple[float, ...]:
    value = row.get(label)
    if listed and isinstance(value, list):
        plain = [float(item) if isinstance(item, bool) else item for item in value]
        return numbers({label: plain}, label, count)
    if listed:
        kind = "wrong scores"
        message = f"expected {count} numbers in {label!r}, one per passage, got {value!r:.60}"
        raise BadRowError(kind, message)
    return (number(float(value) if isinstance(value, bool) else value, label),)


def _positive(values: tuple[float, ...], limit: float | None, label: str, listed: bool) -> list[bool]:
    if limit is not None:
        return [value >= limit for value in values]
    if listed and label == "scores":
        return [location == 0 for location in range(len(values))]
    graded = next((value for value in values if value not in (0, 1)), None)
    if graded is not None:
        kind = "graded label"
        message = f"expected 0 or 1 in {label!r}, got {graded:g}; ?{POSITIVE_FROM}=NUMBER says what a positive has"
        raise BadRowError(kind, message)
    return [value == 1 for value in values]
