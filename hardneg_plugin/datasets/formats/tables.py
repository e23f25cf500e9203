"""Formats of several tables: rows that name their texts by id, and the tables of the texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from hardneg_plugin.datasets.formats.writers import Write, open_sink
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa


class Texts(NamedTuple):
    """A table of texts.

    :param name: Its file.
    :param key: Its column of ids.
    :param of: Gives the ids and texts of a row that belong in it.
    """

    name: str
    key: str
    of: Callable[[TrainingRow], Iterator[tuple[str, str]]]


class Tables(NamedTuple):
    """A format of several tables.

    :param schema: Columns of the rows, as names and Arrow types.
    :param row: A training row → the row.
    :param texts: The tables of texts.
    """

    schema: Callable[[], pa.Schema]
    row: Callable[[TrainingRow], dict[str, Any]]
    texts: tuple[Texts, ...]


def query_id(row: TrainingRow) -> str:
    """Return the id of the query; a query without one gets a hash of its text."""
    return row.query_id or text_id("q", row.query)


def passage_ids(texts: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return the ids of passages; a passage without one gets a hash of its text."""
    return list(ids) or [text_id("p", text) for text in texts]


def _queries(row: TrainingRow) -> Iterator[tuple[str, str]]:
    yield query_id(row), row.query


def _passages(row: TrainingRow) -> Iterator[tuple[str, str]]:
    yield from zip(passage_ids(row.positives, row.positive_ids), row.positives, strict=True)
    yield from zip(passage_ids(row.negatives, row.negative_ids), row.negatives, strict=True)


def _documents(row: TrainingRow) -> list[str]:
    return [name for name, _ in _passages(row)]


def _pylate_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [("query_id", pa.string()), ("document_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float32()))]
    )


def _tevatron_schema() -> pa.Schema:
    import pyarrow as pa

    ids = pa.list_(pa.string())
    return pa.schema(
        [
            ("query_id", pa.string()),
            ("query_text", pa.string()),
            ("positive_document_ids", ids),
            ("negative_document_ids", ids),
        ]
    )


PYLATE = Tables(
    _pylate_schema,
    lambda row: {
        "query_id": query_id(row),
        "document_ids": _documents(row),
        "scores": [*row.positive_scores, *row.negative_scores],
    },
    (Texts("queries", "query_id", _queries), Texts("documents", "document_id", _passages)),
)
TEVATRON = Tables(
    _tevatron_schema,
    lambda row: {
        "query_id": query_id(row),
        "query_text": row.query,
        "positive_document_ids": passage_ids(row.positives, row.positive_ids),
        "negative_document_ids": passage_ids(row.negatives, row.negative_ids),
    },
    (Texts("corpus", "docid", _passages),),
)


def write_tables(folder: Path, tables: Tables, batches: Iterator[list[TrainingRow]], ending: str) -> int:
    """Write the rows and their texts, each text once; return the number of rows.

    :param folder: An empty folder.
    :param tables: The format.
    :param batches: The rows.
    :param ending: Ending of the files.
    :raises DatasetError: If two texts have one id.
    """
    import pyarrow as pa

    count = 0
    with ExitStack() as stack:
        write = stack.enter_context(open_sink(folder / f"train{ending}", tables.schema(), ending))
        sinks: list[tuple[Texts, Write, dict[str, int]]] = []
        for texts in tables.texts:
            schema = pa.schema([(texts.key, pa.string()), ("text", pa.string())])
            sinks.append((texts, stack.enter_context(open_sink(folder / f"{texts.name}{ending}", schema, ending)), {}))
        for batch in batches:
            write([tables.row(row) for row in batch])
            for texts, write_texts, seen in sinks:
                write_texts(list(_new(texts, batch, seen)))
            count += len(batch)
    _name_tables(folder, tables, ending)
    return count


def _new(texts: Texts, batch: list[TrainingRow], seen: dict[str, int]) -> Iterator[dict[str, str]]:
    for row in batch:
        for name, text in texts.of(row):
            digest = xxhash.xxh3_64_intdigest(text.encode())
            known = seen.get(name)
            if known is None:
                seen[name] = digest
                yield {texts.key: name, "text": text}
            elif known != digest:
                msg = f"row {row.number}: the id {name!r} stands for another text than before; {texts.name} has it once"
                raise DatasetError(msg)


def _name_tables(folder: Path, tables: Tables, ending: str) -> None:
    """Say in the header of a README which file is which table: `datasets.load_dataset(folder, "queries")` finds it."""
    names = ["train", *(texts.name for texts in tables.texts)]
    lines = [f"- config_name: {name}\n  data_files: {name}{ending}" for name in names]
    (folder / "README.md").write_text("\n".join(["---", "configs:", *lines, "---", ""]), "utf-8")
