"""Triplets and n-tuples of sentence-transformers and PyLate: a query, a positive, and negatives in columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hardneg_plugin.datasets.columns import KNOWN_NAMES, choose_columns
from hardneg_plugin.datasets.formats.cells import identifier, identifiers, needed, numbers, sound, text, texts
from hardneg_plugin.datasets.formats.layout import LABELS, Layout, Shape
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError

Row = Mapping[str, Any]
QUERY_IDS = ("anchor_id", "query_id")
# Columns that stand beside the texts; what is left is read by its place where no column has a usual name.
BESIDE = (*LABELS, *QUERY_IDS, "positive_id", "negative_ids", "passage_id", "passage_ids", *KNOWN_NAMES["language"])


class _Columns(NamedTuple):
    anchor: str
    positive: str
    negatives: tuple[str, ...]
    language: str | None


def tuple_reader(layout: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row of triplets or n-tuples.

    Columns are found by the names that such files use or by the options ``anchor``, ``positive``, ``negative`` and
    ``language``; where the format was named and no column has such a name, by their place, as sentence-transformers
    reads them. A cell may hold a list of texts. An empty cell among the negatives is padding. Score ``i`` of ``scores``
    belongs to the positives and then to the negatives.
    """
    columns = _choose(layout)
    query_id = next((name for name in QUERY_IDS if name in layout.names), None)

    def read(number: int, row: Row) -> TrainingRow:
        positives = needed(_cell(row, columns.positive), columns.positive)
        negatives = tuple(found for name in columns.negatives for found in _padded(row, name))
        scores = numbers(row, "scores", len(positives) + len(negatives))
        positive_id = identifier(row.get("positive_id"), "positive_id")
        return TrainingRow(
            number,
            text(row, columns.anchor),
            positives,
            negatives,
            query_id=identifier(row.get(query_id), query_id) if query_id else "",
            positive_ids=(positive_id,) if positive_id and len(positives) == 1 else (),
            negative_ids=identifiers(row, "negative_ids", len(negatives)),
            positive_scores=scores[: len(positives)],
            negative_scores=scores[len(positives) :],
            language=identifier(row.get(columns.language), columns.language) if columns.language else "",
        )

    return read


def is_tuple(layout: Layout) -> bool:
    """Detect columns of a query and a positive by their usual names, without a label column."""
    try:
        columns = _by_name(layout)
    except DatasetError:
        return False
    labelled = any(name in layout.names for name in ("label", "labels", "score"))
    return columns is not None and (bool(columns.negatives) or not labelled)


def is_triplet(layout: Layout) -> bool:
    """Detect exactly one column with one negative."""
    if not is_tuple(layout):
        return False
    negatives = _choose(layout).negatives
    return len(negatives) == 1 and not isinstance(layout.first(negatives[0]), list)


def tuple_shape(anchor: str, *, wide: bool) -> Callable[[int, bool], Shape]:
    """Return what gives the shape of triplets (a row per negative) or n-tuples (a row per positive, padded).

    :param anchor: Name of the column of the queries.
    :param wide: Whether all negatives stand in one row.
    """

    def shape(width: int, scores: bool) -> Shape:
        import pyarrow as pa

        numbered = [f"negative_{location}" for location in range(1, width + 1)]
        names = [anchor, "positive", *(numbered if wide else ["negative"])]
        fields = [pa.field(name, pa.string()) for name in names]
        if scores:
            fields.append(pa.field("scores", pa.list_(pa.float32())))

        def rows(row: TrainingRow) -> list[dict[str, Any]]:
            (positive,) = row.positives
            base = {anchor: row.query, "positive": positive}
            if wide:
                padded = [*row.negatives, *([None] * (width - len(row.negatives)))]
                scored = {"scores": [*row.positive_scores, *row.negative_scores]} if scores else {}
                return [{**base, **dict(zip(numbered, padded, strict=True)), **scored}]
            if not row.negatives:
                return [{**base, "negative": None, **({"scores": [*row.positive_scores]} if scores else {})}]
            pairs = zip(row.negatives, row.negative_scores or [None] * len(row.negatives), strict=True)
            return [
                {**base, "negative": found, **({"scores": [row.positive_scores[0], score]} if scores else {})}
                for found, score in pairs
            ]

        return Shape(pa.schema(fields), rows)

    return shape


def _choose(layout: Layout) -> _Columns:
    found = _by_name(layout)
    if found is not None:
        return found
    if len(left := [name for name in layout.names if name not in BESIDE]) < 2:
        msg = f"{layout.where}: expected at least two columns, a query and a positive; columns: {_listed(layout.names)}"
        raise DatasetError(msg)
    return _Columns(left[0], left[1], tuple(left[2:]), _language(layout.names))


def _by_name(layout: Layout) -> _Columns | None:
    """Return the columns by their names; None where neither query nor positive has a usual or given one."""
    roles = {role: name for role, name in layout.options.items() if role in KNOWN_NAMES}
    usual = [any(name in layout.names for name in KNOWN_NAMES[role]) for role in ("anchor", "positive")]
    if layout.named and not roles and not all(usual):
        return None
    chosen = choose_columns(list(layout.names), roles, layout.where, "FILE")
    return _Columns(chosen.anchor, chosen.positive, chosen.negatives, chosen.language)


def _language(names: Sequence[str]) -> str | None:
    return next((name for name in KNOWN_NAMES["language"] if name in names), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _cell(row: Row, name: str) -> tuple[str, ...]:
    return texts(row, name) if isinstance(row.get(name), list) else (text(row, name),)


def _padded(row: Row, name: str) -> tuple[str, ...]:
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    return texts(row, name) if isinstance(value, list) else (sound(value, name),)
