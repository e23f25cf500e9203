"""Writing training rows in any known format."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from hardneg_plugin.datasets.formats.layout import Shape
from hardneg_plugin.datasets.formats.registry import FORMATS, Format
from hardneg_plugin.datasets.formats.tables import write_tables
from hardneg_plugin.datasets.formats.writers import SINKS, open_sink
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.files import atomic_path, partial_name
from hardneg_plugin.outputs import check_output, new_folder

BATCH = 1000
OWN = "hardneg"

# Fields of a training row, as people are told of them.
_NAMES = {
    "query_id": "ids",
    "positive_ids": "ids",
    "negative_ids": "ids",
    "positive_scores": "scores",
    "negative_scores": "scores",
    "kind": "type",
}


class WriteResult(NamedTuple):
    """Counts of rows that were written.

    :param rows: Rows of the output.
    :param left_out: Training rows with fewer negatives than asked for.
    :param without_negatives: Training rows that were written without any.
    :param padded: Training rows of n-tuples that were filled up with empty cells.
    :param lost: What the format has no place for → training rows that have it.
    """

    rows: int
    left_out: int
    without_negatives: int
    padded: int = 0
    lost: Mapping[str, int] = MappingProxyType({})


class _Chosen:
    """The training rows that are written, each as the format allows it; counts as it goes."""

    def __init__(self, rows: TrainingRows, form: Format, scores: bool, negatives: int | None, least: int) -> None:
        self._rows, self._form, self._scores = rows, form, scores
        self._negatives, self._least = negatives, least
        self.left_out = self.without = 0
        self.lost: Counter[str] = Counter()
        self.sizes: Counter[int] = Counter()
        carried = {"number", "query", "positives", "negatives", *form.carries, *form.optional.values()}
        carried |= {"positive_scores", "negative_scores"} if scores else set()
        self._dropped = [name for name in TrainingRow._fields if name not in carried]

    def __iter__(self) -> Iterator[TrainingRow]:
        for row in self._rows:
            row = _cut(row, self._negatives)
            if len(row.negatives) < self._least:
                self.left_out += 1
                continue
            self.without += not row.negatives
            self._check(row)
            self.sizes[len(row.negatives)] += 1
            self.lost.update({_NAMES.get(name, name) for name in self._dropped if getattr(row, name)})
            yield from _one_each(row) if self._form.one_positive else (row,)

    def _check(self, row: TrainingRow) -> None:
        if self._form.needs_positive and not row.positives:
            msg = f"{self._rows.where}:{row.number}: no positive; of labelled pairs, read with grouping (--group)"
            raise DatasetError(msg)
        wanted = len(row.positives), len(row.negatives)
        if self._scores and (len(row.positive_scores), len(row.negative_scores)) != wanted:
            msg = f"{self._rows.where}:{row.number}: no scores of all its passages, which the output was asked to carry"
            raise DatasetError(msg)


def write_training_rows(
    rows: TrainingRows,
    path: str | Path,
    format: str,  # noqa: A002
    *,
    scores: bool = False,
    negatives: int | None = None,
    min_negatives: int = 0,
    overwrite: bool = False,
) -> WriteResult:
    """Write training rows; the file or folder appears whole or not at all.

    Formats that hold one positive a row get a row per positive. ``hardneg`` carries everything; the others carry the
    texts, the ids where they have a place for them, and the scores where they are asked for.

    :param rows: The rows.
    :param path: File by its ending (.jsonl, .parquet; .csv and .tsv where no cell is a list), or a folder: of
        ``save_to_disk``, or of the tables of a format that has several (Parquet).
    :param format: Name of the format.
    :param scores: Write the scores; every passage must have one. PyLate's distillation always has them.
    :param negatives: Negatives of a row, the first ones; None takes all.
    :param min_negatives: Leave out rows with fewer; they are counted.
    :param overwrite: Replace a file, or a folder that was written by this function; any other folder is refused.
    :raises ParameterError: If the format is unknown or cannot carry scores, or a number is out of range.
    :raises DatasetError: If the output cannot hold the rows.
    :raises StorageError: If the output is there already, is the source itself, or cannot be written.
    """
    form = _with_optional(_form(format, scores, negatives, min_negatives), rows)
    chosen = _Chosen(rows, form, (scores or format == "pylate") and format != OWN, negatives, min_negatives)
    path = Path(path)
    if form.tables is not None and path.suffix in SINKS:
        msg = f"this format has several tables; name a folder, not a {path.suffix} file"
        raise DatasetError(msg)
    check_output(path, overwrite=overwrite, inputs=[rows.where])
    batches, width = _batches(iter(chosen)), _width(rows, negatives)
    if form.tables is not None:
        with new_folder(path, overwrite=overwrite) as folder:
            count = write_tables(folder, form.tables, batches, ".parquet")
    elif not path.suffix:
        with new_folder(path, overwrite=overwrite) as folder:
            count = _write_stored(folder, form, batches, width, scores)
    else:
        with atomic_path(path) as file:
            count = _write_file(file, path.suffix, form, batches, width, scores)
    widest = max(chosen.sizes, default=0)
    padded = chosen.sizes.total() - chosen.sizes[widest] if format == "n-tuple" else 0
    return WriteResult(count, chosen.left_out, chosen.without, padded, dict(sorted(chosen.lost.items())))


def _form(name: str, scores: bool, negatives: int | None, least: int) -> Format:
    if name not in FORMATS:
        msg = f"format must be one of {', '.join(FORMATS)}; got {name!r}"
        raise ParameterError(msg)
    if scores and not FORMATS[name].scores:
        msg = f"{name} has no place for scores ({FORMATS[name].layout})"
        raise ParameterError(msg)
    if (negatives is not None and negatives < 1) or least < 0:
        msg = f"negatives must be at least 1 and min_negatives at least 0; got {negatives} and {least}"
        raise ParameterError(msg)
    return FORMATS[name]


def _with_optional(form: Format, rows: TrainingRows) -> Format:
    """Return the format with those of its optional columns that some row fills; an empty text stands for nothing."""
    make = form.shape
    filled = {column: name for column, name in form.optional.items() if rows.table.column(name).null_count < len(rows)}
    if make is None or not filled:
        return form

    def shape(width: int, scores: bool) -> Shape:
        import pyarrow as pa

        plain = make(width, scores)
        schema = pa.schema([*plain.schema, *(pa.field(column, pa.string()) for column in filled)])
        return Shape(
            schema,
            lambda row: [
                {**found, **{column: getattr(row, name) for column, name in filled.items()}}
                for found in plain.rows(row)
            ],
        )

    return form._replace(shape=shape)


def _write_file(
    file: Path, ending: str, form: Format, batches: Iterator[list[TrainingRow]], width: int, scores: bool
) -> int:
    assert form.shape is not None
    shape = form.shape(width, scores)
    count = 0
    with open_sink(file, shape.schema, ending) as write:
        for batch in batches:
            found = [row for one in batch for row in shape.rows(one)]
            write(found)
            count += len(found)
    return count


def _write_stored(folder: Path, form: Format, batches: Iterator[list[TrainingRow]], width: int, scores: bool) -> int:
    """Write a folder of ``save_to_disk``, through a Parquet file: the rows are never all in memory."""
    import pyarrow.parquet as pq
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    beside = partial_name(folder)
    beside.mkdir()
    try:
        count = _write_file(beside / "rows.parquet", ".parquet", form, batches, width, scores)
        rows = str(beside / "rows.parquet")
        # The library makes no dataset of a file without rows.
        stored = Dataset.from_parquet(rows, cache_dir=str(beside / "cache")) if count else Dataset(pq.read_table(rows))
        stored.save_to_disk(str(folder))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return count


def _batches(rows: Iterator[TrainingRow]) -> Iterator[list[TrainingRow]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _width(rows: TrainingRows, negatives: int | None) -> int:
    import pyarrow.compute as pc

    widest = pc.max(pc.list_value_length(rows.table.column("negatives"))).as_py() or 0
    return int(widest) if negatives is None else min(int(widest), negatives)


def _cut(row: TrainingRow, negatives: int | None) -> TrainingRow:
    if negatives is None or len(row.negatives) <= negatives:
        return row
    names = ("negatives", "negative_ids", "negative_scores", "sources", "ranks")
    return row._replace(**{name: getattr(row, name)[:negatives] for name in names})


def _one_each(row: TrainingRow) -> Iterator[TrainingRow]:
    for location in range(len(row.positives)):
        one = slice(location, location + 1)
        yield row._replace(
            positives=row.positives[one],
            positive_ids=row.positive_ids[one],
            positive_scores=row.positive_scores[one],
        )
