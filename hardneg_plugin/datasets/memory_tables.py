"""Tables and lists in memory, whatever library holds them, as rows of plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

from hardneg_plugin.errors import DatasetError

BATCH = 1_000
Batch = Mapping[str, Sequence[Any]]


class Table(NamedTuple):
    """A table in memory.

    :param names: Its columns.
    :param batches: Starts its rows, some at a time, column by column.
    """

    names: list[str]
    batches: Callable[[], Iterator[Batch]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        for batch in self.batches():
            for values in zip(*batch.values(), strict=True):
                yield dict(zip(batch, values, strict=True))


def table_of_values(value: Any) -> Table | None:
    """Return a value as a table; None where it cannot be one.

    Taken are a ``datasets.Dataset`` in any format, a data frame or table that pyarrow reads (pandas, polars, Arrow), a
    list of dicts (the keys of all of them are columns), a dict of columns, and a :class:`Table` as it is.

    :raises DatasetError: If a data frame cannot be read.
    """
    if isinstance(value, Table):
        return value
    names = getattr(value, "column_names", None)
    if isinstance(names, list) and callable(getattr(value, "with_format", None)) and hasattr(value, "iter"):
        # A format such as torch or numpy would turn texts and numbers into something else.
        plain = value.with_format(None)
        return Table(names, lambda: plain.iter(batch_size=BATCH))
    if _is_frame(value):
        return _arrow(value)
    if isinstance(value, Mapping):
        return _columns(value) if value and all(_is_column(column) for column in value.values()) else None
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return _dicts(value)
    return None


def plain_list(value: Any) -> list[Any] | None:
    """Return the items of a column, series, array, list or set as plain values; None for anything else.

    An iterator is read to its end. A set has another order in every process: it is sorted.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return None
    if isinstance(value, Set):
        return sorted(value, key=str)
    to_list = getattr(value, "tolist", None)
    listed = to_list() if callable(to_list) else list(value)
    return listed if isinstance(listed, list) else None


def plain(value: Any) -> Any:
    """Return a scalar of numpy or torch as Python's own."""
    return value.item() if callable(getattr(value, "item", None)) and not isinstance(value, str) else value


def _is_frame(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns")


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _arrow(frame: Any) -> Table:
    import pyarrow as pa

    try:
        # An index of pandas is no column.
        pandas = hasattr(frame, "iloc")
        table = pa.Table.from_pandas(frame, preserve_index=False) if pandas else pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        msg = f"a data frame that cannot be read: {error}"
        raise DatasetError(msg) from error
    return Table(table.column_names, lambda: (batch.to_pydict() for batch in table.to_batches(max_chunksize=BATCH)))


def _columns(value: Mapping[Any, Sequence[Any]]) -> Table | None:
    lengths = {len(column) for column in value.values()}
    if len(lengths) > 1:
        return None
    names = [str(name) for name in value]

    def batches() -> Iterator[Batch]:
        for start in range(0, lengths.copy().pop(), BATCH):
            yield {name: column[start : start + BATCH] for name, column in zip(names, value.values(), strict=True)}

    return Table(names, batches)


def _dicts(value: Sequence[Any]) -> Table:
    broken = next((location for location, row in enumerate(value, start=1) if not isinstance(row, Mapping)), None)
    if broken is not None:
        msg = f"row {broken} of a list of dicts: expected a dict, got {value[broken - 1]!r:.60}"
        raise DatasetError(msg)
    names = list(dict.fromkeys(str(name) for row in value for name in row))

    def batches() -> Iterator[Batch]:
        for rows in batched_rows(value):
            yield {name: [row.get(name) for row in rows] for name in names}

    return Table(names, batches)


def batched_rows(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield some rows at a time."""
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
