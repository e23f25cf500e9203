"""Ids and texts of queries or passages, from a file or from anything in memory that holds them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.datasets.columns import ID_COLUMNS, TEXT_COLUMNS, TITLE_COLUMNS
from hardneg_plugin.datasets.dialect import TEXT_OPTIONS, dialect_of
from hardneg_plugin.datasets.files import open_parquet, read_json_lines, read_lines, read_parquet_rows
from hardneg_plugin.datasets.memory_tables import plain, plain_list, table_of_values
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.text_tables import read_csv
from hardneg_plugin.errors import DatasetError

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]
TEXT_FILES = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")
ROLES = ("id", "text", "title", "language")
_LANGUAGE_COLUMNS = ("language", "lang")
_KNOWN = {"id": ID_COLUMNS, "title": TITLE_COLUMNS, "language": _LANGUAGE_COLUMNS}
# Columns of a table without a header, by their number, as the collections of MS MARCO have them.
_BY_POSITION: Mapping[int, tuple[str, ...]] = {1: ("text",), 2: ("id", "text"), 3: ("id", "title", "text")}


class Text(NamedTuple):
    """One query or passage.

    :param id: Its id; None where it has none.
    :param text: Its text.
    :param title: Title, or an empty string.
    :param language: ISO 639-1 code, or an empty string.
    :param line: Line or number, from 1.
    """

    id: str | None
    text: str
    title: str
    language: str
    line: int


class Texts(NamedTuple):
    """A collection of texts.

    :param where: File or name, for messages.
    :param start: Starts the texts.
    """

    where: str
    start: Callable[[], Iterator[Text]]


class _Reading(NamedTuple):
    """Settings for reading rows.

    :param part: ``queries`` or ``corpus``.
    :param where: File or name, for messages.
    :param ids: Whether every text must have an id.
    """

    part: str
    where: str
    ids: bool


def texts_of(value: Any, part: str, problems: RowProblems, *, ids: bool) -> Texts:
    """Return what holds texts as a collection.

    Taken are the path of a file (JSON lines, CSV, TSV, Parquet, or ``.txt`` with a text a line), id → text,
    id → ``{"title", "text"}``, any table, a list of texts or of dicts, and a column, series or array of texts.

    :param value: What holds them.
    :param part: ``queries`` or ``corpus``.
    :param problems: Takes the rows that hold no text.
    :param ids: Whether every text must have an id.
    :raises DatasetError: If it is nothing of the kind, or a column cannot be found.
    """
    if isinstance(value, str | Path):
        return text_file(str(value), part, problems, ids=ids)
    reading = _Reading(part, f"dataset ({part})", ids)
    table = table_of_values(value)
    if table is not None:
        columns = _columns(table.names, {}, part, reading)
        return Texts(part, lambda: _of_rows(enumerate(table.rows(), start=1), columns, reading, problems))
    if isinstance(value, Mapping):
        return Texts(part, lambda: _of_mapping(value, reading, problems))
    listed = None if ids else plain_list(value)
    if listed is None:
        raise DatasetError(_expected(part, reading, f"got {type(value).__name__}"))
    if any(isinstance(item, Mapping) for item in listed):
        return texts_of(
            [item if isinstance(item, Mapping) else {"text": item} for item in listed], part, problems, ids=ids
        )
    return Texts(part, lambda: _of_list(listed, part, problems))


def text_file(path: str, part: str, problems: RowProblems, *, ids: bool) -> Texts:
    """Return the texts of a file; behind a question mark columns (``text``, ``id``, ``title``) and a dialect are named.

    :param path: The path, such as ``corpus.jsonl`` or ``texts.csv?text=body&encoding=cp1252``.
    :param part: ``queries`` or ``corpus``.
    :param problems: Takes the bad rows.
    :param ids: Whether every text must have an id.
    :raises DatasetError: If there is no such file, its ending is not known, or a column cannot be found.
    """
    file, options = file_and_options(path, (*ROLES, *TEXT_OPTIONS), part)
    kind = next((ending for ending in TEXT_FILES if file.name.removesuffix(".gz").endswith(ending)), None)
    if kind is None or (kind == ".parquet" and file.suffix == ".gz"):
        msg = f"{part} {file}: expected a file that ends in {', '.join(TEXT_FILES)}"
        raise DatasetError(msg)
    if kind == ".txt":
        dialect = dialect_of(options, path)
        return Texts(str(file), lambda: _of_lines(file, part, problems, dialect))
    wanted = {role: options[role] for role in ROLES if role in options}
    rows, names = _rows_of(file, kind, options, part)
    reading = _Reading(part, str(file), ids)
    columns = _columns(names, wanted, str(file), reading)
    return Texts(str(file), lambda: _of_rows(rows(problems), columns, reading, problems))


def file_and_options(path: str, known: tuple[str, ...], part: str) -> tuple[Path, dict[str, str]]:
    """Return a file and the options behind its question mark.

    :param path: The path with its options.
    :param known: Names of options.
    :param part: What is read, for messages.
    :raises DatasetError: If there is no such file, or an option is unknown.
    """
    from urllib.parse import parse_qsl

    whole = Path(path).expanduser()
    head, mark, tail = path.rpartition("?")
    file, options = (
        (whole, {}) if whole.is_file() or not mark else (Path(head).expanduser(), dict(parse_qsl(tail, True)))
    )
    unknown = [name for name in options if name not in known]
    if unknown:
        msg = f"{part} {path}: unknown option {', '.join(unknown)}; known: {', '.join(known)}"
        raise DatasetError(msg)
    if not file.is_file():
        msg = f"{part}: no such file: {file}"
        raise DatasetError(msg)
    return file, options


def whole_id(value: Any) -> str | None:
    """Return an id as a string: a text, or a whole number of any library; None for anything else."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | Integral):
        return None
    return str(value)


def _rows_of(
    file: Path, kind: str, options: Mapping[str, str], part: str
) -> tuple[Callable[[RowProblems], Iterator[tuple[int, dict[str, Any]]]], list[str]]:
    """Return what starts the rows of a file, and the names of its columns."""
    if kind == ".parquet":
        return lambda _: read_parquet_rows(file), list(open_parquet(file).schema_arrow.names)
    dialect = dialect_of(options, str(file))
    read = read_json_lines if kind == ".jsonl" else read_csv
    _, first = next(read(file, part, RowProblems("skip"), dialect), (0, {}))
    if not first:
        # Where no row can be read, the fault of the first one says more.
        for _ in read(file, part, RowProblems("error"), dialect):
            break
        msg = f"{file}: no readable row"
        raise DatasetError(msg)
    if kind != ".jsonl" and dialect.header and next(iter(first)).isdecimal():
        # No column is called "17": the first line is a text, as in the collections of MS MARCO.
        logger.warning("%s: no header; its columns are read as %s", file, ", ".join(_BY_POSITION.get(len(first), ())))
        dialect = dialect._replace(header=False)
    if kind != ".jsonl" and not dialect.header:
        roles = _BY_POSITION.get(len(first))
        if roles is None:
            msg = (
                f"{file}: {len(first)} columns and no header; expected 1 to 3: text, id and text, or id, title and text"
            )
            raise DatasetError(msg)
        return lambda problems: (
            (line, dict(zip(roles, row.values(), strict=True))) for line, row in read(file, part, problems, dialect)
        ), list(roles)
    return lambda problems: read(file, part, problems, dialect), list(first)


def _columns(names: Iterable[str], wanted: Mapping[str, str], where: str, reading: _Reading) -> dict[str, str]:
    """Return role → column."""
    missing = [name for name in wanted.values() if name not in names]
    if missing:
        msg = f"{where}: no column {missing[0]!r}; columns: {', '.join(names)}"
        raise DatasetError(msg)
    chosen = dict(wanted)
    for role, known in {"text": TEXT_COLUMNS[reading.part], **_KNOWN}.items():
        free = [name for name in known if name in names and name not in chosen.values()]
        if role not in chosen and free:
            chosen[role] = free[0]
    if any(role not in chosen for role in (("id", "text") if reading.ids else ("text",))):
        raise DatasetError(_expected(where, reading, f"columns: {', '.join(names)}"))
    return chosen


def _expected(where: str, reading: _Reading, got: str) -> str:
    texts = ", ".join(TEXT_COLUMNS[reading.part])
    if reading.ids:
        shapes = "a mapping of ids to texts, a file, or a table with an id and a text column"
        return f"{where}: expected {shapes} ({', '.join(ID_COLUMNS)}; {texts}); {got}"
    return f"{where}: expected a list of texts, a mapping of ids to texts, a file, or a table with {texts}; {got}"


def _of_mapping(value: Mapping[Any, Any], reading: _Reading, problems: RowProblems) -> Iterator[Text]:
    columns = {"id": "id", "text": "text", "title": "title", "language": "language"}
    rows = (
        {**(body if isinstance(body, Mapping) else {"text": body}), "id": identifier}
        for identifier, body in value.items()
    )
    return _of_rows(enumerate(rows, start=1), columns, reading, problems)


def _of_rows(
    rows: Iterator[tuple[int, Row]], columns: dict[str, str], reading: _Reading, problems: RowProblems
) -> Iterator[Text]:
    names: dict[str, None] = dict.fromkeys(columns.values())
    for line, row in rows:
        if not row.keys() <= names.keys():
            # Rows of JSON may have a column that those before had not.
            names.update(dict.fromkeys(row))
            columns = _columns(names, columns, reading.where, reading)
        location = f"{reading.where}:{line}"
        given = row.get(columns["id"]) if "id" in columns else None
        identifier, text = whole_id(given), row.get(columns["text"])
        named = "" if identifier is None else f"{identifier!r}: "
        if reading.ids and identifier is None:
            problems.bad(reading.part, "no id", location, f"expected an id, got {given!r:.60}")
        elif not isinstance(text, str):
            problems.bad(reading.part, "no text", location, f"{named}expected a text, got {text!r:.60}")
        else:
            title, language = (str(row.get(columns.get(role, "")) or "") for role in ("title", "language"))
            yield Text(identifier, str(text), title, language, line)


def _of_list(values: list[Any], part: str, problems: RowProblems) -> Iterator[Text]:
    for line, value in enumerate(values, start=1):
        if isinstance(value, str):
            yield Text(None, str(value), "", "", line)
        else:
            problems.bad(part, "no text", f"{part}:{line}", f"expected a text, got {value!r:.60}")


def _of_lines(file: Path, part: str, problems: RowProblems, dialect: Any) -> Iterator[Text]:
    for line, text in read_lines(file, part, problems, dialect):
        if text.strip():
            yield Text(None, text, "", "", line)
