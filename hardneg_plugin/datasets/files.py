"""Reading lines of JSON and tables (CSV plain or gzipped, Parquet), with the place of whatever is wrong."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from hardneg_plugin.datasets.dialect import FOUND, Dialect, encoding_of
from hardneg_plugin.datasets.file_stamps import content_stamp
from hardneg_plugin.datasets.limits import Counted, bounded_lines, unpacked_limit
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError

_BUFFER = 256 * 1024
ENCODING_HINT = "name the encoding, as in ?encoding=cp1252"
UTF8 = ("utf-8", "utf-8-sig")
"""Names of the encoding whose lines are decoded one by one."""
# Bytes that the encoding is found by.
_START = 4096


def find_file(stem: Path) -> Path | None:
    """Return ``stem`` or ``stem.gz``, whichever exists."""
    return next((path for path in (stem, stem.with_name(f"{stem.name}.gz")) if path.is_file()), None)


def file_identity(path: Path) -> list[object]:
    """Return what tells a changed file: path and a checksum of its content.

    A file of up to 64 MiB is read for this each time, which takes some hundredths of a second. A larger one is read
    whole once; later calls take its checksum from the cache, for as long as the file's size and times stay the same.

    :raises DatasetError: If the file cannot be read.
    """
    try:
        return [str(path.resolve()), content_stamp(path)]
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise DatasetError(msg) from error


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


def read_lines(path: Path, part: str, problems: RowProblems, dialect: Dialect = FOUND) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line without its end)``; only a line feed ends a line, as JSON lines require.

    :raises DatasetError: If the file cannot be read, or a line is not UTF-8 or too long and bad rows are errors.
    """
    encoding = found_encoding(path, dialect)
    if encoding not in UTF8:
        with open_text(path, encoding, "\n", problems.max_unpacked_bytes) as opened:
            for number, decoded in bounded_text(opened, path, part, problems):
                yield number, decoded.rstrip("\r\n")
        return
    with open_bytes(path, problems.max_unpacked_bytes) as file:
        for number, line, size in bounded_lines(file, problems.max_row_bytes):
            if size:
                problems.too_long(part, f"{path}:{number}", size)
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                message = f"not UTF-8: {error.reason} at byte {error.start} of the line; {ENCODING_HINT}"
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


def found_encoding(path: Path, dialect: Dialect) -> str:
    """Return the encoding of a text file: the one that was named, or the one that its first bytes show."""
    if dialect.encoding is not None:
        return codecs.lookup(dialect.encoding).name
    with open_bytes(path) as file:
        return encoding_of(file.read(_START))


@contextmanager
def open_text(path: Path, encoding: str, newline: str, max_bytes: int | None) -> Iterator[TextIO]:
    """Open a text file in another encoding than UTF-8.

    :param path: The file.
    :param encoding: Its encoding.
    :param newline: As in :func:`open`.
    :param max_bytes: As in :func:`open_bytes`.
    :raises DatasetError: If what is read inside the ``with`` is not in this encoding.
    """
    try:
        with open_bytes(path, max_bytes) as raw, io.TextIOWrapper(raw, encoding, newline=newline) as file:
            yield file
    except UnicodeError as error:
        msg = f"{path}: not {encoding}: {error}; {ENCODING_HINT}"
        raise DatasetError(msg) from error


def bounded_text(file: TextIO, path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line)``; a line that is too long is a bad row, and never in memory as a whole."""
    number, most = 0, problems.max_row_bytes
    while line := file.readline(most + 1):
        number += 1
        if len(line) <= most or line.endswith("\n"):
            yield number, line
            continue
        size = len(line)
        while piece := file.readline(most):
            size += len(piece)
            if piece.endswith("\n"):
                break
        problems.too_long(part, f"{path}:{number}", size)


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
