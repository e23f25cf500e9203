"""Reading lines of JSON and tables, plain or gzipped, with the place of whatever is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.errors import DatasetError


def find_file(stem: Path) -> Path | None:
    """Return ``stem`` or ``stem.gz``, whichever exists."""
    return next((path for path in (stem, stem.with_name(f"{stem.name}.gz")) if path.is_file()), None)


def file_identity(path: Path) -> list[object]:
    """Return what tells a changed file without reading it: path, size in bytes, time of change in nanoseconds."""
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line without its end)``; only a line feed ends a line, as JSON lines require.

    :raises DatasetError: If the file cannot be read or is not UTF-8.
    """
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        msg = f"{path}:{number}: not UTF-8: {error.reason} at byte {error.start} of the line"
        raise DatasetError(msg) from error
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read after line {number}: {error}"
        raise DatasetError(msg) from error


def read_json_lines(path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, object)``; blank lines are passed over."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.bad(part, "broken JSON", f"{path}:{number}", f"broken JSON: {error.msg} at column {error.colno}")
            continue
        except RecursionError:
            problems.bad(part, "broken JSON", f"{path}:{number}", "broken JSON: nested too deeply")
            continue
        if not isinstance(value, dict):
            problems.bad(part, "not an object", f"{path}:{number}", f"expected a JSON object, got {type(value).__name__}")
            continue
        yield number, value


def read_csv(path: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, row)`` of a table with a header line; cells are parted by commas, or by tabs in ``.tsv``.

    :raises DatasetError: If the file cannot be read to its end.
    """
    # Passages are longer than the csv module's 128 KiB default; the importer has its own limit.
    csv.field_size_limit(1 << 30)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    with opened as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            for row in reader:
                if len(row) == len(header):
                    yield reader.line_num, dict(zip(header, row, strict=True))
                elif row:
                    message = f"expected {len(header)} cells ({', '.join(header)}), got {len(row)}"
                    problems.bad(part, "broken line", f"{path}:{reader.line_num}", message)
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            msg = f"{path}: cannot be read after line {reader.line_num}: {error}"
            raise DatasetError(msg) from error
