"""Training rows of anybody's file, whatever its format: a query with its positives and its negatives.

One Arrow table with one schema, so that checks are column expressions and a file of a million rows stays columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from hardneg_plugin.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("query_id", "language", "instruction", "kind")


@cache
def training_schema() -> pa.Schema:
    """Return the schema: a list column has a value per passage; an optional one is null where a format lacks it.

    ``number`` is the row in the file, from 1. ``sources`` and ``ranks`` belong to the negatives.
    """
    import pyarrow as pa

    texts, floats = pa.list_(pa.string()), pa.list_(pa.float32())
    return pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("query", pa.string(), nullable=False),
            pa.field("positives", texts, nullable=False),
            pa.field("negatives", texts, nullable=False),
            pa.field("query_id", pa.string()),
            pa.field("positive_ids", texts),
            pa.field("negative_ids", texts),
            pa.field("positive_scores", floats),
            pa.field("negative_scores", floats),
            pa.field("sources", texts),
            pa.field("ranks", pa.list_(pa.int32())),
            pa.field("language", pa.string()),
            pa.field("instruction", pa.string()),
            pa.field("kind", pa.string()),
        ]
    )


class TrainingRow(NamedTuple):
    """One row; what its format lacks is empty.

    :param number: Row in the file, from 1.
    :param query: Text of the query.
    :param positives: Texts.
    :param negatives: Texts.
    :param query_id: Id of the query.
    :param positive_ids: One per positive.
    :param negative_ids: One per negative.
    :param positive_scores: One per positive.
    :param negative_scores: One per negative.
    :param sources: Who found each negative.
    :param ranks: Rank of each negative in its source's list, from 1.
    :param language: ISO 639-1 code.
    :param instruction: What a model is told before the query, such as FlagEmbedding's ``prompt``.
    :param kind: Kind of task, such as FlagEmbedding's ``type``.
    """

    number: int
    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    query_id: str = ""
    positive_ids: tuple[str, ...] = ()
    negative_ids: tuple[str, ...] = ()
    positive_scores: tuple[float, ...] = ()
    negative_scores: tuple[float, ...] = ()
    sources: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    language: str = ""
    instruction: str = ""
    kind: str = ""


@dataclass(frozen=True)
class TrainingRows:
    """All rows of a file.

    :param table: Rows by :func:`training_schema`.
    :param format: Name of the format they were read in.
    :param where: File or spec they come from.
    :param faults: Rows that could not be read, each as ``where:row: what was wrong``.
    :param unread: What the rows hold that no training row has a place for → rows that hold it.
    :raises DatasetError: If the table has another schema.
    """

    table: pa.Table
    format: str
    where: str
    faults: tuple[str, ...] = field(default=())
    unread: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.table.schema.equals(training_schema()):
            msg = f"{self.where}: training rows of another schema: {self.table.schema}"
            raise DatasetError(msg)

    @classmethod
    def of(cls, rows: Iterator[TrainingRow] | list[TrainingRow], format: str, where: str) -> TrainingRows:  # noqa: A002
        """Return the rows as a table; an optional value that is empty becomes null."""
        import pyarrow as pa

        columns: dict[str, list[Any]] = {name: [] for name in TrainingRow._fields}
        for row in rows:
            for name, value in zip(TrainingRow._fields, row, strict=True):
                columns[name].append(value)
        schema = training_schema()
        arrays = [
            pa.array(
                columns[item.name] if not item.nullable else [value or None for value in columns[item.name]], item.type
            )
            for item in schema
        ]
        return cls(pa.Table.from_arrays(arrays, schema=schema), format, where)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[TrainingRow]:
        for batch in self.table.to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                yield TrainingRow(**{name: _plain(name, value) for name, value in row.items()})


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return "" if name in _TEXTS else ()
    return tuple(value) if isinstance(value, list) else value
