"""Read the files of a part by their kind, and check the number of rows at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.datasets.files import read_json_lines, read_lines, read_parquet_rows
from hardneg_plugin.datasets.hub.catalogue import HubPart
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, short_answers
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.errors import DatasetError

# How far from the rows of another release those of a file may be.
_ABOUT = 0.02
# Passages that come without an id, by the kind of their files: the same text is the same passage.
_TEXTS = {"goldp": ("context",), "triplets": ("positive", "negative")}


class RawRow(NamedTuple):
    """A row of a file, with its place."""

    file: Path
    line: int
    fields: Mapping[str, Any]


def read_part(part: HubPart, files: Sequence[Path], name: str, problems: RowProblems) -> Iterator[RawRow]:
    """Yield the rows of a part.

    :param part: The part.
    :param files: Its files.
    :param name: What is read, such as ``corpus``, for counting bad rows.
    :param problems: What to do with bad rows.
    :raises DatasetError: If a file cannot be read, a column is missing, or the rows are not as many as there should be.
    """
    count = 0
    for file in files:
        for line, fields in _READ[part.kind](part, file, name, problems):
            if count == part.head:
                return
            count += 1
            yield RawRow(file, line, fields)
    most = round(part.rows * _ABOUT) if part.rows is not None and part.about else 0
    if part.rows is not None and abs(count - part.rows) > most:
        about = " about" if part.about else ""
        where = ", ".join(map(str, files))
        msg = f"{where}: expected{about} {part.rows:,} rows ({part}), got {count:,}; another release, or cut off"
        raise DatasetError(msg)


def _named(
    part: HubPart, file: Path, rows: Iterator[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in rows:
        missing = [column for column in part.columns.values() if column not in row]
        if missing:
            msg = f"{file}:{line}: no column {', '.join(missing)}; columns: {', '.join(row)}"
            raise DatasetError(msg)
        yield line, {field: row[column] for field, column in part.columns.items()}


def _parquet(part: HubPart, file: Path, name: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    return _named(part, file, read_parquet_rows(file))


def _jsonl(part: HubPart, file: Path, name: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    return _named(part, file, read_json_lines(file, name, problems))


def _tsv(part: HubPart, file: Path, name: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read cells parted by tabs as they stand: quotes are text, and so are NULL and NA."""
    for line, text in read_lines(file, name, problems):
        cells = text.split("\t")
        if len(cells) != len(part.columns):
            message = f"expected {len(part.columns)} cells ({', '.join(part.columns)}), got {len(cells)}"
            problems.bad(name, "broken line", f"{file}:{line}", message)
            continue
        yield line, {field: cells[location] for field, location in part.columns.items()}


def _qrels(part: HubPart, file: Path, name: str, problems: RowProblems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read ``query Q0 passage grade`` (TREC), or ``query passage grade`` under a header (BEIR)."""
    for line, text in read_lines(file, name, problems):
        cells = text.split()
        if not cells or (line == 1 and cells[0] == "query-id"):
            continue
        if len(cells) not in (3, 4):
            problems.bad(name, "broken line", f"{file}:{line}", f"expected 3 or 4 cells, got {len(cells)}")
            continue
        yield line, {"query": cells[0], "passage": cells[-2], "grade": cells[-1]}


_READ: dict[str, Callable[[HubPart, Path, str, RowProblems], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    "parquet": _parquet,
    "triplets": _parquet,
    "jsonl": _jsonl,
    "tsv": _tsv,
    "qrels": _qrels,
    "mr-tydi": lambda part, file, name, problems: read_json_lines(file, name, problems),
    "goldp": lambda part, file, name, problems: read_parquet_rows(file),
}


def passages_of(row: RawRow, kind: str, language: str) -> Iterator[Passage]:
    """Yield the passages of a row."""
    location = (row.line, str(row.file))
    if kind == "mr-tydi":
        for one in [*row.fields["positive_passages"], *row.fields["negative_passages"]]:
            yield Passage(str(one["docid"]), one["text"], one["title"] or "", language, *location)
    elif kind in _TEXTS:
        for text in (row.fields[field] for field in _TEXTS[kind]):
            yield Passage(text_id("p", text), text, "", language, *location)
    else:
        fields = row.fields
        yield Passage(str(fields["id"]), fields["text"], fields.get("title") or "", language, *location)


def query_of(row: RawRow, kind: str, language: str) -> Query:
    """Return the query of a row."""
    fields, location = row.fields, (row.line, str(row.file))
    if kind == "mr-tydi":
        return Query(str(fields["query_id"]), fields["query"], language, (), *location)
    if kind == "goldp":
        return Query(fields["id"], fields["question"], language, _answers(fields["answers"]), *location)
    if kind == "triplets":
        return Query(text_id("q", fields["anchor"]), fields["anchor"], language, (), *location)
    return Query(str(fields["id"]), fields["text"], language, (), *location)


def _answers(value: Any) -> tuple[str, ...]:
    """Return the answers of a row; `datasets` writes a list of structures or a structure of lists."""
    texts = [one["text"] for one in value] if isinstance(value, list) else (value or {}).get("text")
    return short_answers(texts) or ()


def qrels_of(row: RawRow, kind: str) -> Iterator[Qrel]:
    """Yield the judgements of a row.

    :raises DatasetError: If a grade is no whole number.
    """
    fields, location = row.fields, (row.line, str(row.file))
    if kind == "mr-tydi":
        for one in fields["positive_passages"]:
            yield Qrel(str(fields["query_id"]), str(one["docid"]), 1, *location)
    elif kind == "goldp":
        yield Qrel(fields["id"], text_id("p", fields["context"]), 1, *location)
    elif kind == "triplets":
        yield Qrel(text_id("q", fields["anchor"]), text_id("p", fields["positive"]), 1, *location)
    else:
        passages = fields["passage"] if isinstance(fields["passage"], list) else [fields["passage"]]
        try:
            grade = int(fields.get("grade", 1))
        except ValueError as error:
            msg = f"{row.file}:{row.line}: expected a whole number as grade, got {fields['grade']!r}"
            raise DatasetError(msg) from error
        for passage in passages:
            yield Qrel(str(fields["query"]), str(passage), grade, *location)
