"""Reading lines of JSON and tables (CSV plain or gzipped, Parquet), with the place of whatever is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from hardneg_plugin.datasets.file_stamps import content_stamp
from hardneg_plugin.datasets.formulas import plain_cell
from hardneg_plugin.datasets.limits import Counted, bounded_lines, unpacked_limit
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError

_BUFFER = 256 * 1024
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def find_file(stem: Path) -> Path | None:
    """Return ``stem`` or ``stem.gz``, whichever exists."""
    return next((path for path in (stem, stem.with_name(f"{stem.name}.gz")) if path.is_file()), None)


def file_identity(path: Path) -> list[object]:
    """Return what tells a changed file: path and content."""
    return [str(path.resolve()), content_stamp(path)]


@contextmanager
def open_bytes(path: Path, max_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a file to read, unpacked where it ends in ``.gz``.

    :param path: The file.
    :param max_bytes: Most bytes that it may unpack to; None takes a limit by its size.
    :raises DatasetError: If it cannot be opened, or what is read inside the ``with`` is damaged or unpacks to more.
    """
    try:
        if path.suffix != ".gz":
            with path.open("rb") as file:
                yield file
            return
        limit = max_bytes or unpacked_limit(path.stat().st_size)
        with gzip.open(path, "rb") as packed, io.BufferedReader(Counted(packed, str(path), limit), _BUFFER) as unpacked:
            yield cast(BinaryIO, unpacked)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read to its end: {error}"
        raise DatasetError(msg) from error


def read_lines(path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line without its end)``; only a line feed ends a line, as JSON lines require.

    :raises DatasetError: If the file cannot be read, or a line is not UTF-8 or too long and bad rows are errors.
    """
    with open_bytes(path, problems.max_unpacked_bytes) as file:
        for number, line, size in bounded_lines(file, problems.max_row_bytes):
            if size:
                problems.too_long(part, f"{path}:{number}", size)
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                message = f"not UTF-8: {error.reason} at byte {error.start} of the line"
                problems.bad(part, "not UTF-8", f"{path}:{number}", message)
                continue
            yield number, text.rstrip("\r\n")


def read_json_lines(path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, object)``; blank lines are passed over."""
    for number, line in read_lines(path, part, problems):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.bad(part, "broken JSON", f"{path}:{number}", f"broken JSON: {error.msg} at column {error.colno}")
            continue
        except (RecursionError, ValueError) as error:
            # Nested too deeply, or a number of thousands of digits.
            problems.bad(part, "broken JSON", f"{path}:{number}", f"broken JSON: {error}")
            continue
        if not isinstance(value, dict):
            message = f"expected a JSON object, got {type(value).__name__}"
            problems.bad(part, "not an object", f"{path}:{number}", message)
            continue
        yield number, value


def read_csv(path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, row)`` of a table with a header line; cells are parted by commas, or by tabs in ``.tsv``.

    :raises DatasetError: If the file cannot be read to its end, or its header names a column twice.
    """
    # Passages are longer than the csv module's 128 KiB default.
    csv.field_size_limit(problems.max_row_bytes)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    # Bytes that are not UTF-8 come as half surrogates, so that one broken cell costs one row and not the file.
    with open_bytes(path, problems.max_unpacked_bytes) as raw:
        reader = csv.reader(_text_lines(raw, path, part, problems), delimiter=delimiter, strict=True)
        try:
            header = next((row for row in reader if row), [])
            if len(set(header)) < len(header):
                msg = f"{path}:{reader.line_num}: the header names a column twice: {', '.join(header)}"
                raise DatasetError(msg)
            for row in reader:
                fault = _row_fault(row, header)
                if fault:
                    problems.bad(part, fault[0], f"{path}:{reader.line_num}", fault[1])
                elif row:
                    yield reader.line_num, dict(zip(header, map(plain_cell, row), strict=True))
        except csv.Error as error:
            msg = f"{path}:{reader.line_num}: not a table that can be read on: {error}"
            raise DatasetError(msg) from error


def _text_lines(raw: BinaryIO, path: Path, part: str, problems: RowProblems) -> Iterator[str]:
    """Yield the lines of a table as text, without those that are too long."""
    for number, line, size in bounded_lines(raw, problems.max_row_bytes):
        if size:
            problems.too_long(part, f"{path}:{number}", size)
        else:
            # A carriage return alone ends a line, too, as in old spreadsheets.
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape")
            yield from io.StringIO(text, newline="")


def _row_fault(row: list[str], header: list[str]) -> tuple[str, str] | None:
    if row and len(row) != len(header):
        return "broken line", f"expected {len(header)} cells ({', '.join(header)}), got {len(row)}"
    for name, cell in zip(header, row, strict=False):
        if _ESCAPED_BYTE.search(cell):
            return "not UTF-8", f"not UTF-8: a byte in column {name!r}"
    return None


def open_parquet(file: Path) -> Any:
    """Open a Parquet file: a ``pyarrow.parquet.ParquetFile``.

    :raises DatasetError: If it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{file}: not a Parquet file: {error}"
        raise DatasetError(msg) from error


def read_parquet_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(row number from 1, row)``.

    :raises DatasetError: If the file is damaged.
    """
    import pyarrow as pa

    line = 0
    batches = open_parquet(file).iter_batches(1024)
    while True:
        try:
            batch = next(batches, None)
            rows = batch.to_pylist() if batch is not None else None
        except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
            msg = f"{file}: cannot be read after row {line}: {error}"
            raise DatasetError(msg) from error
        if rows is None:
            return
        for row in rows:
            line += 1
            yield line, row
