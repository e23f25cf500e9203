"""Label samples: a CSV of pairs for a person to say of each whether the passage answers the query.

One row a pair. ``query_id``, ``passage_id`` and ``label`` are all that reading needs, so that a file from elsewhere
will do; the texts are there for the person, ``source``, ``rank``, ``verdict``, ``stratum`` and ``weight`` say where in
the sample the pair stands. A label is ``relevant`` (the passage answers the query: as a negative it would be false),
``irrelevant``, ``unsure``, or blank while nobody has said anything.
"""

from __future__ import annotations

import codecs
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from hardneg_plugin.datasets.csv_cells import cells_of
from hardneg_plugin.datasets.formulas import csv_writer, plain_cell, safe_cell
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.text_tables import read_csv
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.files import write_atomically

RELEVANT, IRRELEVANT, UNSURE = "relevant", "irrelevant", "unsure"
SPELLINGS = {
    **dict.fromkeys((RELEVANT, "1", "yes"), RELEVANT),
    **dict.fromkeys((IRRELEVANT, "0", "no"), IRRELEVANT),
    **dict.fromkeys((UNSURE, "?"), UNSURE),
    "": "",
}
"""What a person may write, in any case → the label."""
_NEEDED = ("query_id", "passage_id", "label")


@dataclass(frozen=True)
class LabelRow:
    """One pair of a label sample.

    :param query_id: Id of the query.
    :param passage_id: Id of the candidate.
    :param label: ``relevant``, ``irrelevant``, ``unsure``, or empty.
    :param query: Text of the query.
    :param positive: Text of a known positive.
    :param passage: Text of the candidate.
    :param source: The source that ranks it best, such as ``bm25``.
    :param rank: Its rank there; None without one.
    :param verdict: What a judge said of it; empty without a verdict.
    :param stratum: Name of the part of all pairs that it was drawn from.
    :param weight: How many pairs of that part it stands for.
    :param drawn_from: Run, system and stage that it was drawn from, parted by slashes; empty where nobody says.
    """

    query_id: str
    passage_id: str
    label: str = ""
    query: str = ""
    positive: str = ""
    passage: str = ""
    source: str = ""
    rank: int | None = None
    verdict: str = ""
    stratum: str = ""
    weight: float = 1.0
    drawn_from: str = ""

    @property
    def relevant(self) -> float:
        """1 for ``relevant``, 0 for ``irrelevant``, NaN for ``unsure`` and no label."""
        return {RELEVANT: 1.0, IRRELEVANT: 0.0}.get(self.label, math.nan)


COLUMNS = tuple(field.name for field in fields(LabelRow))


def write_labels(path: str | Path, rows: Sequence[LabelRow]) -> None:
    """Write a label sample; what was there is replaced at once, or not at all.

    :param path: The CSV file; its folder must exist.
    :param rows: The pairs, in the order in which a person will see them.
    :raises DatasetError: If a pair occurs twice.
    """
    path = Path(path)
    text = io.StringIO()
    table = csv_writer(text)
    table.writerow(COLUMNS)
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.query_id, row.passage_id) in seen:
            msg = f"{path}: the pair of query {row.query_id!r} and passage {row.passage_id!r} occurs twice"
            raise DatasetError(msg)
        seen.add((row.query_id, row.passage_id))
        table.writerow([_cell(row, name) for name in COLUMNS])
    # The mark at the start tells spreadsheets that the file is UTF-8.
    write_atomically(path, text.getvalue().encode("utf-8-sig", "backslashreplace"))


def _cell(row: LabelRow, name: str) -> str:
    value = getattr(row, name)
    # A spreadsheet would run a formula, and neither a corpus nor its ids are to be trusted that far.
    if isinstance(value, str):
        return safe_cell(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def read_labels(path: str | Path) -> list[LabelRow]:
    """Read a label sample, also a half finished one, or any CSV with query ids, passage ids and labels.

    :param path: The CSV file, UTF-8, with a header line; columns of other names are left alone.
    :returns: One row a pair, in the file's order.
    :raises DatasetError: If the file is missing or no CSV, lacks a column, or has a bad row: no id, an unknown label, a
        rank or weight that is no number, a pair that was there before; the message names file and line.
    """
    path = Path(path)
    rows: list[LabelRow] = []
    lines: dict[tuple[str, str], int] = {}
    for line, cells in read_csv(path, "labels", _StopAtFirst()):
        row = _row(path, line, cells)
        if (row.query_id, row.passage_id) in lines:
            first = lines[row.query_id, row.passage_id]
            pair = f"query {row.query_id!r} and passage {row.passage_id!r}"
            msg = f"{path}:{line}: the pair of {pair} is there already, in line {first}"
            raise DatasetError(msg)
        lines[row.query_id, row.passage_id] = line
        rows.append(row)
    if not rows:
        msg = f"{path}: no pair in it; expected a header with {', '.join(_NEEDED)} and a row a pair"
        raise DatasetError(msg)
    return rows


def set_label(path: str | Path, query_id: str, passage_id: str, label: str) -> bool:
    """Write one label into a file as it is now: every other cell, column and row keeps its bytes.

    :param path: The CSV file.
    :param query_id: Id of the query.
    :param passage_id: Id of the candidate.
    :param label: The label; empty takes it away.
    :returns: Whether there is such a pair.
    :raises DatasetError: If the file is no label sample any more.
    :raises StorageError: If it cannot be written; it stays as it was.
    """
    path = Path(path)
    read_labels(path)
    content = path.read_bytes()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    text = content.decode(encoding, "surrogateescape")
    columns: dict[str, int] = {}
    for cells in cells_of(text):
        values = [plain_cell(cell.value) for cell in cells]
        if not columns:
            columns = {name: location for location, name in enumerate(values)}
            continue
        found = [
            values[columns[name]] for name in ("query_id", "passage_id") if columns.get(name, len(values)) < len(values)
        ]
        if found == [query_id, passage_id] and columns.get("label", len(cells)) < len(cells):
            cell = cells[columns["label"]]
            changed = f"{text[: cell.start]}{label}{text[cell.end :]}"
            write_atomically(path, changed.encode(encoding, "surrogateescape"))
            return True
    return False


def weights_of(rows: Sequence[LabelRow]) -> list[float]:
    """Return how many pairs each label stands for, those of its stratum that nobody has labelled (yet) included.

    :param rows: The sample; 0 for a row without a label, or with ``unsure``.
    """
    drawn, labelled = Counter(row.stratum for row in rows), Counter(r.stratum for r in rows if r.relevant in (0, 1))
    return [row.weight * drawn[row.stratum] / labelled[row.stratum] if row.relevant in (0, 1) else 0.0 for row in rows]


class _StopAtFirst(RowProblems):
    """A person's labels are few and each was work: a bad row is mended, not skipped."""

    def bad(self, part: str, kind: str, where: str, message: str) -> None:
        msg = f"{where}: {message}"
        raise DatasetError(msg)


def _row(path: Path, line: int, cells: Mapping[str, str]) -> LabelRow:
    location = f"{path}:{line}"
    missing = [name for name in _NEEDED if name not in cells]
    if missing:
        msg = f"{path}: no column {', '.join(missing)}; expected {', '.join(_NEEDED)}, found {', '.join(cells)}"
        raise DatasetError(msg)
    values = {name: cell for name, cell in cells.items() if name in COLUMNS}
    for name in ("query_id", "passage_id"):
        if not values[name]:
            msg = f"{location}: {name} is empty"
            raise DatasetError(msg)
    label = SPELLINGS.get(values["label"].strip().lower())
    if label is None:
        known = ", ".join(spelling for spelling in SPELLINGS if spelling)
        msg = f"{location}: label must be one of {known}, or blank; got {values['label']!r}"
        raise DatasetError(msg)
    rank = _number(location, "rank", values.pop("rank", ""), whole=True)
    weight = _number(location, "weight", values.pop("weight", ""), whole=False)
    texts = {**values, "label": label}
    return LabelRow(**texts, rank=None if rank is None else int(rank), weight=1.0 if weight is None else weight)


def _number(location: str, name: str, cell: str, *, whole: bool) -> float | None:
    """Return a number above 0, or None for an empty cell."""
    if not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)) or (whole and value != int(value)):
        msg = f"{location}: {name} must be a {'whole ' if whole else ''}number above 0, got {cell!r}"
        raise DatasetError(msg)
    return value
