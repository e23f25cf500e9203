"""Read tables in text files: CSV and TSV, plain or gzipped, in any encoding and with any delimiter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from hardneg_plugin.datasets.dialect import FOUND, Dialect, delimiter_of, is_quoted
from hardneg_plugin.datasets.files import ENCODING_HINT, UTF8, bounded_text, found_encoding, open_bytes, open_text
from hardneg_plugin.datasets.formulas import plain_cell
from hardneg_plugin.datasets.limits import bounded_lines
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError

# In the place of a line that is too long, so that later lines keep their numbers; no file holds this half surrogate.
_LEFT_OUT = "\udc00"
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def read_csv(
    path: Path, part: str, problems: RowProblems, dialect: Dialect = FOUND
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, row)`` of a table with a header line.

    Cells of ``.tsv`` are parted by tabs and have no quotes, a line each row; those of ``.csv`` may be quoted, and are
    parted by the character that parts the header best. Without a header columns are ``column_1``, ``column_2`` …

    :raises DatasetError: If the file cannot be read to its end, or its header names a column twice.
    """
    # Passages are longer than the csv module's 128 KiB default.
    csv.field_size_limit(problems.max_row_bytes)
    header: list[str] = []
    for line, row in _cells(path, _lines(path, part, problems, dialect), dialect):
        if any(_LEFT_OUT in cell for cell in row):
            _check_no_header(path, line, header)
            continue
        if not row:
            continue
        if not header:
            header = row if dialect.header else [f"column_{position}" for position in range(1, len(row) + 1)]
            _check_header(path, line, header)
            if dialect.header:
                continue
        fault = _row_fault(row, header)
        if fault:
            problems.bad(part, fault[0], f"{path}:{line}", fault[1])
        else:
            yield line, dict(zip(header, map(plain_cell, row), strict=True))


def _lines(path: Path, part: str, problems: RowProblems, dialect: Dialect) -> Iterator[str]:
    encoding = found_encoding(path, dialect)
    if encoding in UTF8:
        # Bytes that are not UTF-8 come as half surrogates, so that one broken cell costs one row and not the file.
        with open_bytes(path, problems.max_unpacked_bytes) as raw:
            yield from _text_lines(raw, path, part, problems)
        return
    with open_text(path, encoding, "", problems.max_unpacked_bytes) as file:
        yield from (line for _, line in bounded_text(file, path, part, problems))


def _text_lines(raw: BinaryIO, path: Path, part: str, problems: RowProblems) -> Iterator[str]:
    """Yield the lines of a table as text, without those that are too long."""
    for number, line, size in bounded_lines(raw, problems.max_row_bytes):
        if size:
            problems.too_long(part, f"{path}:{number}", size)
            yield f"{_LEFT_OUT}\n"
        else:
            # A carriage return alone ends a line, too, as in old spreadsheets.
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape")
            yield from io.StringIO(text, newline="")


def _cells(path: Path, file: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line number, cells)``; no cells for a blank line."""
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


def _check_no_header(path: Path, line: int, header: list[str]) -> None:
    """Check that what is left out for its length comes after the header.

    :raises DatasetError: If no row before was the header.
    """
    if not header:
        msg = f"{path}:{line}: the header is longer than max_row_bytes"
        raise DatasetError(msg)


def _check_header(path: Path, line: int, header: list[str]) -> None:
    if len(set(header)) < len(header):
        msg = f"{path}:{line}: the header names a column twice: {', '.join(header)}"
        raise DatasetError(msg)


def _row_fault(row: list[str], header: list[str]) -> tuple[str, str] | None:
    if len(row) != len(header):
        return "broken line", f"expected {len(header)} cells ({', '.join(header)}), got {len(row)}"
    for name, cell in zip(header, row, strict=True):
        if _ESCAPED_BYTE.search(cell):
            return "not UTF-8", f"not UTF-8: a byte in column {name!r}; {ENCODING_HINT}"
    return None
