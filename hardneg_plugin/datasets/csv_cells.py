"""The cells of a CSV text and their places in it, so that one can be changed and all else keeps its bytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

# A cell up to the comma or the end of the row; between quotes a quote is written twice.
_CELL = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')


class Cell(NamedTuple):
    """One cell.

    :param value: Its text.
    :param start: Where it begins in the whole text, its quotes included.
    :param end: Where it ends.
    """

    value: str
    start: int
    end: int


def cells_of(text: str) -> Iterator[list[Cell]]:
    """Yield the rows that have cells, as Python's reader of CSV parts them.

    :param text: The whole text.
    """
    lines = list(io.StringIO(text, newline=""))
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line))
    reader = csv.reader(lines)
    first = 0
    for values in reader:
        start, first = ends[first], reader.line_num
        cells = []
        for value in values:
            found = _CELL.match(text, start)
            assert found is not None
            cells.append(Cell(value, found.start(), found.end()))
            start = found.end() + 1
        if cells:
            yield cells
