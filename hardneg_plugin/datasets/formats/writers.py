"""Files that rows are written to, batch by batch, by their ending."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from hardneg_plugin.datasets.formulas import csv_writer, safe_cell
from hardneg_plugin.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[[Sequence[Mapping[str, Any]]], None]
# Lines for some readers, text for JSON: written as escapes they are the same text for all.
_BREAKS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
_ENDS_A_CELL = frozenset("\t\r\n")
SINKS = (".jsonl", ".csv", ".tsv", ".parquet")


@contextmanager
def open_sink(path: Path, schema: pa.Schema, ending: str) -> Iterator[Write]:
    """Give what writes rows to a file.

    :param path: The file.
    :param schema: Columns of the rows.
    :param ending: What the file will end in.
    :raises DatasetError: If the ending is not known, or cells hold what it cannot.
    """
    opened = {".jsonl": _json_lines, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}.get(ending)
    if opened is None:
        msg = f"expected an output that ends in {', '.join(SINKS)}, or a folder (no ending); got {ending!r}"
        raise DatasetError(msg)
    with opened(path, schema, ending) as write:
        yield write


@contextmanager
def _json_lines(path: Path, _: pa.Schema, __: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(rows: Sequence[Mapping[str, Any]]) -> None:
            for row in rows:
                line = json.dumps(_plain(row), ensure_ascii=False, allow_nan=False)
                for found, escaped in _BREAKS.items():
                    line = line.replace(found, escaped)
                file.write(f"{line}\n")

        yield write


@contextmanager
def _csv(path: Path, schema: pa.Schema, ending: str) -> Iterator[Write]:
    import pyarrow as pa

    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    if nested:
        msg = f"a {ending} file holds no lists, which {', '.join(nested)} would be; write .jsonl or .parquet"
        raise DatasetError(msg)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv_writer(file) if ending == ".csv" else _PlainLines(file)
        lines.writerow(schema.names)

        def write(rows: Sequence[Mapping[str, Any]]) -> None:
            for row in rows:
                lines.writerow([_csv_cell(row.get(name)) for name in schema.names])

        yield write


class _PlainLines:
    """Writes the rows of a table of tabs, which has no quotes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def writerow(self, cells: Sequence[Any]) -> None:
        """Write a row.

        :raises DatasetError: If a cell would end its column or its line.
        """
        texts = ["" if cell is None else str(cell) for cell in cells]
        broken = next((text for text in texts if not _ENDS_A_CELL.isdisjoint(text)), None)
        if broken is not None:
            msg = (
                f"a .tsv file has no quotes and holds no tab or line end, which a text has: {broken!r:.60}; write .csv"
            )
            raise DatasetError(msg)
        self._file.write("\t".join(texts) + "\n")


@contextmanager
def _parquet(path: Path, schema: pa.Schema, _: str) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))


def _csv_cell(value: Any) -> Any:
    return safe_cell(value) if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value for JSON; a score has the fewest digits that give the same 32-bit number."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(str(np.float32(value))) if isinstance(value, float) and math.isfinite(value) else value
