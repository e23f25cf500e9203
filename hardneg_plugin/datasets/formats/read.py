"""Reading training rows of any known format."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from hardneg_plugin.datasets.columns import KNOWN_NAMES
from hardneg_plugin.datasets.dialect import TEXT_OPTIONS, dialect_of
from hardneg_plugin.datasets.formats.cells import BadRowError
from hardneg_plugin.datasets.formats.hf_datasets import is_stored, open_hub, open_stored
from hardneg_plugin.datasets.formats.labelled import POSITIVE_FROM
from hardneg_plugin.datasets.formats.layout import Layout
from hardneg_plugin.datasets.formats.raw import ENDINGS, PART, RawTable, RowFaults, open_dataset, open_file
from hardneg_plugin.datasets.formats.registry import FORMATS
from hardneg_plugin.datasets.formats.row_reader import RowReader
from hardneg_plugin.datasets.problems import BadRows
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows, training_schema
from hardneg_plugin.errors import DatasetError, ParameterError

BATCH = 10_000
OPTIONS = (*KNOWN_NAMES, *TEXT_OPTIONS, POSITIVE_FROM, "queries", "documents", "corpus")


class _Source(NamedTuple):
    raw: RawTable
    options: Mapping[str, str]
    folder: Path | None = None


def read_training_rows(
    source: Any,
    format: str | None = None,  # noqa: A002
    on_bad_row: BadRows = "error",
    *,
    split: str = "train",
    group: bool = False,
) -> TrainingRows:
    """Read a query, its positives and its negatives per row, from a file of any known format.

    A row keeps its number in the file, from 1: the line of a text file, the row of any other. Every row of the file is
    a row of its own, unless ``group`` joins rows that follow one another and share the query and the positives
    (triplets), or the query (labelled pairs); they have the number of the first.

    :param source: File (.jsonl, .json, .csv, .tsv, .parquet, the text ones also with .gz), folder of ``save_to_disk``,
        folder of the tables of a format that has several, ``datasets.Dataset``, or hub id (``owner/name``, with
        ``:config``). Behind a question mark columns may be named, as in ``rows.jsonl?anchor=question&positive=text``.
    :param format: Name of the format; None finds it out by the columns and what they hold.
    :param on_bad_row: ``error`` stops at the first bad row; ``skip`` leaves bad rows out and lists them as faults.
    :param split: Split of a dataset that has several.
    :param group: Join rows that belong together.
    :raises DatasetError: If the source is missing, its format is not known, or a row is bad and bad rows are errors.
    :raises ParameterError: If the format or an argument is unknown.
    """
    if format is not None and format not in FORMATS:
        msg = f"format must be one of {', '.join(FORMATS)}; got {format!r}"
        raise ParameterError(msg)
    faults = RowFaults(on_bad_row)
    opened = _open(source, split)
    layout = _layout(opened, format is not None)
    if not layout.sample:
        # Where no row can be read, the fault of the first one says more than that its format is not known.
        deque(opened.raw.read(RowFaults(on_bad_row)), maxlen=0)
    reader = RowReader(layout, format)
    rows = _rows(opened.raw, reader, faults)
    table = _table(_grouped(rows, reader.name) if group else rows, reader.name, opened.raw.where)
    return TrainingRows(table, reader.name, opened.raw.where, tuple(faults.lines), reader.unread)


def _open(source: Any, split: str) -> _Source:
    if hasattr(source, "column_names"):
        return _Source(open_dataset(source, "dataset"), {})
    path, options = _taken_apart(str(source))
    location = Path(path).expanduser()
    if location.is_file():
        raw = open_file(location, dialect_of(options, str(source)))
        if raw is None:
            msg = f"{location}: expected a file that ends in {', '.join(ENDINGS)}"
            raise DatasetError(msg)
        return _Source(raw, options)
    if location.is_dir():
        return _open_folder(location, options, split)
    return _Source(open_hub(path, split), options)


def _open_folder(folder: Path, options: Mapping[str, str], split: str) -> _Source:
    if is_stored(folder):
        return _Source(open_stored(folder, split), options)
    files = [path for ending in ENDINGS if (path := folder / f"{split}{ending}").is_file()]
    raw = open_file(files[0], dialect_of(options, str(folder))) if len(files) == 1 else None
    if raw is None:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        msg = f"{folder}: expected a folder of save_to_disk, or one file {split}.jsonl (.csv, …); it has {names}"
        raise DatasetError(msg)
    return _Source(raw, options, folder)


def _taken_apart(source: str) -> tuple[str, dict[str, str]]:
    if Path(source).exists() or "?" not in source:
        return source, {}
    path, _, tail = source.rpartition("?")
    options = dict(parse_qsl(tail, keep_blank_values=True))
    unknown = [name for name in options if name not in OPTIONS]
    if unknown or not options:
        msg = f"{source!r}: expected ?name=value&name=value with {', '.join(OPTIONS)}; got {tail!r}"
        raise DatasetError(msg)
    return path, options


def _layout(opened: _Source, named: bool) -> Layout:
    sample = opened.raw.sample()
    names = opened.raw.names or tuple(dict.fromkeys(name for row in sample for name in row))
    return Layout(opened.raw.where, names, sample, opened.options, named, opened.folder, Counter())


def _rows(raw: RawTable, reader: RowReader, faults: RowFaults) -> Iterator[TrainingRow]:
    for number, row in raw.read(faults):
        try:
            yield reader.read(number, row)
        except BadRowError as error:
            faults.bad(PART, error.kind, f"{raw.where}:{number}", error.message)


def _table(rows: Iterator[TrainingRow], name: str, where: str) -> Any:
    """Build the table batch by batch: a million rows are never a million objects at once."""
    import pyarrow as pa

    batches = []
    while batch := list(islice(rows, BATCH)):
        batches.append(TrainingRows.of(batch, name, where).table)
    return pa.concat_tables(batches) if batches else training_schema().empty_table()


def _grouped(rows: Iterator[TrainingRow], name: str) -> Iterator[TrainingRow]:
    pairs = name == "labeled-pair"
    waiting: TrainingRow | None = None
    for row in rows:
        same = waiting is not None and row.query == waiting.query and (pairs or row.positives == waiting.positives)
        if waiting is not None and same:
            waiting = _joined(waiting, row, with_positives=pairs)
            continue
        if waiting is not None:
            yield waiting
        waiting = row
    if waiting is not None:
        yield waiting


def _joined(first: TrainingRow, other: TrainingRow, *, with_positives: bool) -> TrainingRow:
    sides = ("positive", "negative") if with_positives else ("negative",)
    names = [f"{side}{kind}" for side in sides for kind in ("s", "_ids", "_scores")]
    return first._replace(**{name: getattr(first, name) + getattr(other, name) for name in names})
