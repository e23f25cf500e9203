"""Rows as a file, a folder of ``datasets`` or the hub holds them, before anybody asks what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.datasets.dialect import FOUND, Dialect
from hardneg_plugin.datasets.files import open_bytes, open_parquet, read_json_lines, read_parquet_rows
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.text_tables import read_csv
from hardneg_plugin.errors import DatasetError

Row = dict[str, Any]
Numbered = Iterator[tuple[int, Row]]
# Rows of JSON lines may leave keys out: this many are looked at for the names of all.
SAMPLE_ROWS = 100
PART = "rows"


class RowFaults(RowProblems):
    """Keeps every bad row's place and fault, or raises at the first."""

    def __init__(self, on_bad_row: Any = "error") -> None:
        super().__init__(on_bad_row)
        self.lines: list[str] = []

    def bad(self, part: str, kind: str, where: str, message: str) -> None:
        """Report one bad row, see :class:`RowProblems`."""
        super().bad(part, kind, where, message)
        self.lines.append(f"{where}: {message}")


class RawTable(NamedTuple):
    """Rows without a meaning.

    :param where: File, folder or hub id, for messages.
    :param read: Gives the rows with their numbers from 1 (lines of a text file); may be called again.
    :param names: Columns in their order, where the source declares them; None for JSON, whose rows may differ.
    """

    where: str
    read: Callable[[RowProblems], Numbered]
    names: tuple[str, ...] | None = None

    def sample(self) -> list[Row]:
        """Return the first rows that can be read."""
        return [row for _, row in islice(self.read(RowProblems("skip")), SAMPLE_ROWS)]


def open_file(path: Path, dialect: Dialect = FOUND) -> RawTable | None:
    """Return the table of a file by its suffix; None for an unknown suffix.

    :param path: The file.
    :param dialect: Named properties of a text file.
    """
    ending = "".join(suffix for suffix in path.suffixes[-2:] if suffix in _ENDINGS or suffix == ".gz")
    reader = _ENDINGS.get(ending.removesuffix(".gz"))
    if reader is None or ending == ".parquet.gz":
        return None
    return reader(path, dialect)


def _json_lines(path: Path, dialect: Dialect) -> RawTable:
    return RawTable(str(path), lambda problems: read_json_lines(path, PART, problems, dialect))


def _json(path: Path, dialect: Dialect) -> RawTable:
    """Return a file that is a JSON array of objects, or JSON lines under the other ending."""
    with open_bytes(path) as file:
        array = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return RawTable(str(path), lambda problems: _array(path, problems)) if array else _json_lines(path, dialect)


def _array(path: Path, problems: RowProblems) -> Numbered:
    try:
        with open_bytes(path, problems.max_unpacked_bytes) as file:
            values = json.loads(file.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        msg = f"{path}: not a JSON array: {error}"
        raise DatasetError(msg) from error
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield number, value
        else:
            message = f"expected a JSON object, got {type(value).__name__}"
            problems.bad(PART, "not an object", f"{path}:{number}", message)


def _csv(path: Path, dialect: Dialect) -> RawTable:
    # The reader itself finds a header without rows; the names of the first row are all there are.
    first = next(iter(read_csv(path, PART, RowProblems("skip"), dialect)), None)
    names = tuple(first[1]) if first else None
    return RawTable(str(path), lambda problems: read_csv(path, PART, problems, dialect), names)


def _parquet(path: Path, _: Dialect) -> RawTable:
    names = tuple(open_parquet(path).schema_arrow.names)
    return RawTable(str(path), lambda _: read_parquet_rows(path), names)


_ENDINGS: Mapping[str, Callable[[Path, Dialect], RawTable]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
ENDINGS = tuple(_ENDINGS)


def open_dataset(dataset: Any, where: str) -> RawTable:
    """Return the table of a ``datasets.Dataset``."""

    def rows(_: RowProblems) -> Numbered:
        number = 0
        for batch in dataset.with_format("arrow").iter(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield number, row

    return RawTable(where, rows, tuple(dataset.column_names))
