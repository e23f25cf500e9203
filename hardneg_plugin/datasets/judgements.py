"""Judgements from a mapping, a table or a file: query id, passage id and grade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.columns import GRADE_COLUMNS, PASSAGE_ID_COLUMNS, QUERY_ID_COLUMNS
from hardneg_plugin.datasets.files import open_parquet, read_json_lines, read_lines, read_parquet_rows
from hardneg_plugin.datasets.memory_tables import plain, plain_list, table_of_values
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Qrel
from hardneg_plugin.datasets.texts_of import file_and_options, whole_id
from hardneg_plugin.errors import DatasetError

Row = Mapping[str, Any]
PART = "qrels/train"
# Columns of a file without a header, by their number: the third has the grade, or TREC's second column is passed over.
_BY_POSITION: Mapping[int, Sequence[str]] = {
    2: ("query-id", "corpus-id"),
    3: ("query-id", "corpus-id", "score"),
    4: ("query-id", "iteration", "corpus-id", "score"),
}
_FILES = (".tsv", ".txt", ".qrels", ".trec", ".csv", ".jsonl", ".parquet")


def judgements_of(qrels: Any, problems: RowProblems) -> Callable[[], Iterator[Qrel]]:
    """Return what starts the judgements.

    Taken are query id → passage id → grade, query id → relevant passage ids, a table with columns such as ``query-id``,
    ``corpus-id`` and ``score`` (1 where there is none), and the path of a file of one: TSV, CSV, JSON lines, Parquet,
    or the lines of TREC. A grade is a whole number, of any type.

    :param qrels: The judgements.
    :param problems: Takes bad rows of a table or file.
    :raises DatasetError: If it is nothing of the kind, or a column cannot be found.
    """
    if isinstance(qrels, str | Path):
        return _of_file(str(qrels), problems)
    table = table_of_values(qrels) if not isinstance(qrels, Mapping) or _is_table(qrels) else None
    if table is not None:
        columns = _columns(table.names, "qrels")
        return lambda: _of_rows(enumerate(table.rows(), start=1), columns, "qrels", problems)
    if isinstance(qrels, Mapping):
        return lambda: (Qrel(*judged, line) for line, judged in enumerate(_of_mapping(qrels), start=1))
    msg = f"qrels: expected a mapping, a table or a file, got {type(qrels).__name__}"
    raise DatasetError(msg)


def whole_grade(value: Any) -> int | None:
    """Return a grade that is a whole number, however it is written; None for anything else."""
    value = plain(value)
    if isinstance(value, bool):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def _is_table(qrels: Mapping[Any, Any]) -> bool:
    """Tell a dict of columns from query id → passage ids by its keys."""
    return any(name in qrels for name in QUERY_ID_COLUMNS) and any(name in qrels for name in PASSAGE_ID_COLUMNS)


def _of_file(path: str, problems: RowProblems) -> Callable[[], Iterator[Qrel]]:
    file, _ = file_and_options(path, (), "qrels")
    kind = next((ending for ending in _FILES if file.name.removesuffix(".gz").endswith(ending)), None)
    if kind is None:
        msg = f"qrels {file}: expected a file that ends in {', '.join(_FILES)}"
        raise DatasetError(msg)
    if kind == ".parquet":
        columns = _columns(list(open_parquet(file).schema_arrow.names), str(file))
        return lambda: _of_rows(read_parquet_rows(file), columns, str(file), problems)
    if kind == ".jsonl":
        _, first = next(read_json_lines(file, PART, RowProblems("skip")), (0, {}))
        columns = _columns(list(first), str(file))
        return lambda: _of_rows(read_json_lines(file, PART, problems), columns, str(file), problems)
    return lambda: _of_lines(file, "," if kind == ".csv" else None, problems)


def _of_lines(file: Path, delimiter: str | None, problems: RowProblems) -> Iterator[Qrel]:
    """Yield the judgements of a file of cells parted by white space or commas, with a header or without."""
    columns: dict[str, str] = {}
    names: Sequence[str] = ()
    for line, text in read_lines(file, PART, problems):
        cells = [cell.strip() for cell in text.split(delimiter)]
        if not any(cells):
            continue
        if not names:
            is_header = any(cell in QUERY_ID_COLUMNS for cell in cells)
            names = cells if is_header else _BY_POSITION.get(len(cells), ())
            columns = _columns(list(names), f"{file}:{line}")
            if is_header:
                continue
        if len(cells) != len(names):
            message = f"expected {len(names)} cells ({', '.join(names)}), got {len(cells)}"
            problems.bad(PART, "broken line", f"{file}:{line}", message)
            continue
        yield from _of_rows([(line, dict(zip(names, cells, strict=True)))], columns, str(file), problems)


def _columns(names: list[str], where: str) -> dict[str, str]:
    found = {
        role: next((name for name in known if name in names), None)
        for role, known in (("query", QUERY_ID_COLUMNS), ("passage", PASSAGE_ID_COLUMNS), ("grade", GRADE_COLUMNS))
    }
    if found["query"] is None or found["passage"] is None:
        expected = f"a query id ({', '.join(QUERY_ID_COLUMNS)}) and a passage id ({', '.join(PASSAGE_ID_COLUMNS)})"
        msg = f"{where}: expected columns of {expected}; columns: {', '.join(names) or 'none'}"
        raise DatasetError(msg)
    return {role: name for role, name in found.items() if name is not None}


def _of_rows(
    rows: Iterable[tuple[int, Row]], columns: Mapping[str, str], where: str, problems: RowProblems
) -> Iterator[Qrel]:
    for line, row in rows:
        query, passage = whole_id(row.get(columns["query"])), whole_id(row.get(columns["passage"]))
        grade = whole_grade(row.get(columns["grade"])) if "grade" in columns else 1
        if query is None or passage is None:
            problems.bad(PART, "broken id", f"{where}:{line}", f"expected ids of query and passage, got {row!r:.80}")
        elif grade is None:
            got = row.get(columns["grade"])
            problems.bad(PART, "broken grade", f"{where}:{line}", f"expected a whole number, got {got!r:.60}")
        else:
            yield Qrel(query, passage, grade, line)


def _of_mapping(qrels: Mapping[Any, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield ``(query id, passage id, grade)``; ids are texts, as everywhere else."""
    for query, relevant in qrels.items():
        listed = relevant if isinstance(relevant, Mapping) else plain_list(relevant)
        if listed is None:
            expected = "passage ids, or a mapping of them to grades"
            msg = f"qrels of query {query!r}: expected {expected}; got {relevant!r:.60}"
            raise DatasetError(msg)
        grades = listed if isinstance(listed, Mapping) else dict.fromkeys(listed, 1)
        for passage, given in grades.items():
            grade = whole_grade(given)
            if grade is None:
                msg = f"qrels of query {query!r}: expected a whole number for passage {passage!r}, got {given!r:.60}"
                raise DatasetError(msg)
            yield whole_id(query) or str(query), whole_id(passage) or str(passage), grade
