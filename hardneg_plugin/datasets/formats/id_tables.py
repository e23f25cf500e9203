"""Rows that name their texts by id: Tevatron's with a corpus beside them, PyLate's distillation with three tables."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.formats.cells import BadRowError, identifier, needed, numbers, sound
from hardneg_plugin.datasets.formats.layout import Layout
from hardneg_plugin.datasets.formats.raw import ENDINGS, RowFaults, open_file
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError

Row = Mapping[str, Any]


def pylate_reader(layout: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row of PyLate's distillation: ``query_id``, ``document_ids`` and ``scores``.

    The tables ``queries`` and ``documents`` are files beside it. The rows do not say which document is the positive:
    the first one is, as it is in the exports of hardneg.
    """
    queries = _texts_of(layout, "queries", "query_id")
    documents = _texts_of(layout, "documents", "document_id")

    def read(number: int, row: Row) -> TrainingRow:
        row = {name: _list_in_text(value, name) for name, value in row.items()}
        ids = needed(_ids(row, "document_ids"), "document_ids")
        scores = numbers(row, "scores", len(ids))
        query_id = identifier(row.get("query_id"), "query_id")
        found = tuple(_named(documents, one, "documents") for one in ids)
        return TrainingRow(
            number,
            _named(queries, query_id, "queries"),
            found[:1],
            found[1:],
            query_id=query_id,
            positive_ids=ids[:1],
            negative_ids=ids[1:],
            positive_scores=scores[:1],
            negative_scores=scores[1:],
        )

    return read


def tevatron_ids_reader(layout: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row of Tevatron that names passages by id; ``corpus`` lies beside it."""
    corpus = _texts_of(layout, "corpus", "docid")

    def read(number: int, row: Row) -> TrainingRow:
        positives = needed(_ids(row, "positive_document_ids"), "positive_document_ids")
        negatives = _ids(row, "negative_document_ids")
        return TrainingRow(
            number,
            sound(row.get("query_text"), "query_text"),
            tuple(_named(corpus, one, "corpus") for one in positives),
            tuple(_named(corpus, one, "corpus") for one in negatives),
            query_id=identifier(row.get("query_id"), "query_id"),
            positive_ids=positives,
            negative_ids=negatives,
        )

    return read


def is_pylate(layout: Layout) -> bool:
    """Detect rows with ids of a query and of documents, and scores."""
    return layout.has("query_id", "document_ids", "scores")


def is_tevatron_ids(layout: Layout) -> bool:
    """Detect rows with ids of positives."""
    return layout.has("query_id", "positive_document_ids")


def _texts_of(layout: Layout, table: str, key: str) -> dict[str, str]:
    file = layout.options.get(table) or _beside(layout, table)
    raw = open_file(Path(file)) if file is not None and Path(file).is_file() else None
    if raw is None:
        location = layout.folder or Path(layout.where).parent
        msg = f"{layout.where}: its texts are in another table; expected {table}.jsonl or .parquet in {location}"
        raise DatasetError(msg)
    found: dict[str, str] = {}
    for number, row in raw.read(RowFaults("error")):
        try:
            found[identifier(row.get(key), key)] = sound(row.get("text"), "text")
        except BadRowError as error:
            msg = f"{raw.where}:{number}: {error.message}"
            raise DatasetError(msg) from error
    return found


def _beside(layout: Layout, table: str) -> Path | None:
    folder = layout.folder or Path(layout.where).parent
    return next((path for ending in ENDINGS if (path := folder / f"{table}{ending}").is_file()), None)


def _list_in_text(value: Any, name: str) -> Any:
    # Tables on the hub hold these lists as text.
    if not isinstance(value, str) or not value.startswith("["):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        kind = "no list"
        message = f"expected a list in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message) from error


def _ids(row: Row, name: str) -> tuple[str, ...]:
    value = row.get(name)
    if value is not None and not isinstance(value, list):
        kind = "wrong ids"
        message = f"expected a list of ids in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    return tuple(identifier(item, name) for item in value or ())


def _named(texts: Mapping[str, str], key: str, table: str) -> str:
    if key not in texts:
        kind = "unknown id"
        message = f"{key!r} is not in the table {table!r}"
        raise BadRowError(kind, message)
    return texts[key]
