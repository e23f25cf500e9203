"""Cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

import csv
import re
from typing import Any, TextIO

# Full-width signs are formulas, too, where the spreadsheet speaks an East Asian language.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


class _LineFeeds:
    """Ends rows by a line feed; the writer quotes both of a line's ends only where it writes both."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def csv_writer(file: TextIO, delimiter: str = ",") -> Any:
    """Return a writer of CSV rows that end in a line feed, and in whose cells any text is read back.

    :param file: Where to write.
    :param delimiter: What stands between cells.
    """
    return csv.writer(_LineFeeds(file), delimiter=delimiter)


def safe_cell(value: str) -> str:
    """Return a cell that no spreadsheet runs: what begins as a formula has an apostrophe before it.

    :param value: Any text; :func:`plain_cell` gives it back.
    """
    return f"'{value}" if _FORMULA.match(value) else value


def plain_cell(cell: str) -> str:
    """Return the text of a cell that :func:`safe_cell` wrote, or any other cell as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
