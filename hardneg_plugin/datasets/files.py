"""Reading lines of JSON and tables (CSV plain or gzipped, Parquet), with the place of whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import xxhash

from hardneg_plugin.datasets.dialect import FOUND, Dialect, delimiter_of, encoding_of, is_quoted
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_ENCODING_HINT = "name the encoding, as in ?encoding=cp1252"
# Bytes that the encoding is found by.
_START = 4096
# Files up to this size are hashed whole; of larger ones some pieces are.
_WHOLE, _PIECE = 64 << 20, 1 << 20
_PIECES, _SAMPLE = 64, 1 << 16


def find_file(stem: Path) -> Path | None:
    """Return ``stem`` or ``stem.gz``, whichever exists."""
    return next((path for path in (stem, stem.with_name(f"{stem.name}.gz")) if path.is_file()), None)


def file_identity(path: Path) -> list[object]:
    """Return what tells a changed file: path, size, times of change, and a hash of its content or of parts of it.

    A file may change within the size and within what its file system keeps of a time, and a copy may bring the time of
    its original; reading a large file whole would take too long at each start.
    """
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, _digest(path, stat.st_size)]


def _digest(path: Path, size: int) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(_PIECE):
                digest.update(block)
            return digest.hexdigest()
        for start in range(0, size, max(size // _PIECES, 1)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
        file.seek(-_SAMPLE, io.SEEK_END)
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read, unpacked where it ends in ``.gz``.

    :raises DatasetError: If it cannot be opened, or what is read inside the ``with`` is damaged.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read to its end: {error}"
        raise DatasetError(msg) from error


def read_lines(path: Path, part: str, problems: RowProblems, dialect: Dialect = FOUND) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line without its end)``; only a line feed ends a line, as JSON lines require.

    :raises DatasetError: If the file cannot be read, or a line is not UTF-8 and bad rows are errors.
    """
    encoding = _encoding(path, dialect)
    if encoding not in ("utf-8", "utf-8-sig"):
        with _open_text(path, encoding, "\n") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.rstrip("\r\n")
        return
    with open_bytes(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                message = f"not UTF-8: {error.reason} at byte {error.start} of the line; {_ENCODING_HINT}"
                problems.bad(part, "not UTF-8", f"{path}:{number}", message)
                continue
            yield number, text.rstrip("\r\n")


def read_json_lines(
    path: Path, part: str, problems: RowProblems, dialect: Dialect = FOUND
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, object)``; blank lines are passed over."""
    for number, line in read_lines(path, part, problems, dialect):
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


def read_csv(
    path: Path, part: str, problems: RowProblems, dialect: Dialect = FOUND
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, row)`` of a table with a header line.

    Cells of ``.tsv`` are parted by tabs and have no quotes, a line each row; those of ``.csv`` may be quoted, and are
    parted by the character that parts the header best. Without a header columns are ``column_1``, ``column_2`` …

    :raises DatasetError: If the file cannot be read to its end, or its header names a column twice.
    """
    # Passages are longer than the csv module's 128 KiB default; the importer has its own limit.
    csv.field_size_limit(1 << 30)
    encoding = _encoding(path, dialect)
    # Bytes that are not UTF-8 come as half surrogates, so that one broken cell costs one row and not the file.
    utf8 = encoding in ("utf-8", "utf-8-sig")
    with _open_text(path, "utf-8-sig" if utf8 else encoding, "", lenient=utf8) as file:
        header: list[str] = []
        for line, row in _cells(path, file, dialect):
            if not row:
                continue
            if not header:
                header = row if dialect.header else [f"column_{location}" for location in range(1, len(row) + 1)]
                _check_header(path, line, header)
                if dialect.header:
                    continue
            fault = _row_fault(row, header)
            if fault:
                problems.bad(part, fault[0], f"{path}:{line}", fault[1])
            else:
                yield line, dict(zip(header, row, strict=True))


def _cells(path: Path, file: TextIO, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line number, cells)``; none for a blank line."""
    start: list[str] = []
    for line in file:
        start.append(line)
        if line.strip():
            break
    first = start[-1].rstrip("\r\n") if start else ""
    if first.lower().startswith("sep=") and len(first) == len("sep=;"):
        # A spreadsheet's own line about the delimiter.
        dialect, start[-1], first = dialect._replace(delimiter=dialect.delimiter or first[-1]), "\n", next(file, "")
        start.append(first)
    delimiter = delimiter_of(path, first, dialect)
    if not is_quoted(path, delimiter, dialect):
        yield from _plain_cells(chain(start, file), delimiter)
        return
    reader = csv.reader(chain(start, file), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        msg = f"{path}:{reader.line_num}: not a table that can be read on: {error}"
        raise DatasetError(msg) from error


def _plain_cells(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        yield number, text.split(delimiter) if text.strip() else []


def _check_header(path: Path, line: int, header: list[str]) -> None:
    if len(set(header)) < len(header):
        msg = f"{path}:{line}: the header names a column twice: {', '.join(header)}"
        raise DatasetError(msg)


def _encoding(path: Path, dialect: Dialect) -> str:
    if dialect.encoding is not None:
        return codecs.lookup(dialect.encoding).name
    with open_bytes(path) as file:
        return encoding_of(file.read(_START))


@contextmanager
def _open_text(path: Path, encoding: str, newline: str, *, lenient: bool = False) -> Iterator[TextIO]:
    errors = "surrogateescape" if lenient else "strict"
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding, errors=errors, newline=newline) as file:
            yield file
    except UnicodeError as error:
        msg = f"{path}: not {encoding}: {error}; {_ENCODING_HINT}"
        raise DatasetError(msg) from error


def _row_fault(row: list[str], header: list[str]) -> tuple[str, str] | None:
    if row and len(row) != len(header):
        return "broken line", f"expected {len(header)} cells ({', '.join(header)}), got {len(row)}"
    for name, cell in zip(header, row, strict=False):
        if _ESCAPED_BYTE.search(cell):
            return "not UTF-8", f"not UTF-8: a byte in column {name!r}; {_ENCODING_HINT}"
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
