"""Rows of a table of pairs: what a sound one holds, and what is wrong with any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hardneg_plugin.datasets.columns import Columns, LateColumns
from hardneg_plugin.datasets.importer import all_sound, validate_text
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import short_answers
from hardneg_plugin.errors import DatasetError

Row = dict[str, Any]
Fault = tuple[str, str]


class Pair(NamedTuple):
    """A sound row.

    :param line: Its line or number, from 1.
    :param anchors: Its queries, mostly one.
    :param positives: Passages that are relevant to each of them.
    :param negatives: Further passages.
    :param language: ISO 639-1 code, or an empty string where it is not known.
    :param answers: Short answers.
    """

    line: int
    anchors: tuple[str, ...]
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    language: str
    answers: tuple[str, ...]


def reporter_of(part: str, problems: RowProblems) -> RowProblems:
    """Return where to report the bad rows that are met while ``part`` is read.

    Passages, queries and judgements come from the same rows: a row left out is counted when the corpus is read, and
    only then. As an error it is raised by whatever meets it first.
    """
    return problems if part == "corpus" or problems.on_bad_row == "error" else RowProblems("skip")


def valid_pairs(
    rows: Iterable[tuple[int, Row]],
    columns: Columns,
    problems: RowProblems,
    *,
    location: Callable[[int], str],
    max_chars: int,
    late: LateColumns | None = None,
) -> Iterator[Pair]:
    """Yield the sound rows; a row with one bad cell is bad as a whole.

    :param rows: ``(line, row)``.
    :param columns: Where the texts are.
    :param problems: Takes the bad rows, see :func:`reporter_of`; they are counted under ``corpus``.
    :param location: Line → its place in messages.
    :param max_chars: Longest text in characters.
    :param late: Finds columns that later rows bring; None where all rows have the same.
    :raises DatasetError: If a row is bad and bad rows are errors.
    """
    for line, row in rows:
        if late is not None:
            try:
                columns = late.of(row)
            except DatasetError as error:
                problems.bad("corpus", "late column", location(line), f"a column that no row before had: {error}")
                continue
        fault = _fault(row, columns, max_chars)
        if fault is None:
            yield _pair(row, columns, line)
        else:
            problems.bad("corpus", fault[0], location(line), fault[1])


def valid_pairs_of(
    batch: Mapping[str, Sequence[Any]],
    first: int,
    columns: Columns,
    problems: RowProblems,
    *,
    location: Callable[[int], str],
    max_chars: int,
) -> Iterator[Pair]:
    """Yield the sound rows of a batch, as :func:`valid_pairs` does; most batches are of two sound texts a row.

    :param batch: Column → values.
    :param first: Number of its first row.
    """
    anchors, positives = batch[columns.anchor], batch[columns.positive]
    plain = not columns.negatives and columns.language is None and columns.answers is None
    if plain and all_sound(anchors, max_chars) and all_sound(positives, max_chars):
        for line, (anchor, positive) in enumerate(zip(anchors, positives, strict=True), first):
            yield Pair(line, (anchor,), (positive,), (), "", ())
        return
    rows = (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
    yield from valid_pairs(enumerate(rows, first), columns, problems, location=location, max_chars=max_chars)


def _fault(row: Row, columns: Columns, max_chars: int) -> Fault | None:
    for column in (columns.anchor, columns.positive, *columns.negatives):
        for value in _cells(row.get(column)):
            # A row may lack negatives; it is nothing without an anchor and a positive.
            absent = value is None or value == [] or (isinstance(value, str) and not value.strip())
            fault = None if absent and column in columns.negatives else _text_fault(value, column, max_chars)
            if fault is not None:
                return fault
    language = _language(row, columns)
    if language and (fault := validate_text(language, max_chars)):
        return "broken language", f"column {columns.language!r}: the language is {language!r:.60}"
    return _answers_fault(row, columns, max_chars)


def _text_fault(value: Any, column: str, max_chars: int) -> Fault | None:
    if not isinstance(value, str):
        return "no text", f"expected a text in column {column!r}, got {value!r:.60}"
    if not value.strip():
        return "empty text", f"expected a text in column {column!r}, got an empty text"
    fault = validate_text(value, max_chars)
    return fault and (fault[0], f"column {column!r}: {fault[1]}")


def _answers_fault(row: Row, columns: Columns, max_chars: int) -> Fault | None:
    if columns.answers is None:
        return None
    given = row.get(columns.answers)
    answers = short_answers(given)
    if answers is None:
        return "broken answers", f"expected a string or a list of them as answers, got {given!r:.60}"
    fault = next((found for text in answers if (found := validate_text(text, max_chars))), None)
    return fault and (fault[0], f"column {columns.answers!r}: {fault[1]}")


def _pair(row: Row, columns: Columns, line: int) -> Pair:
    negatives = (text for column in columns.negatives for text in _texts(row, column))
    answers = short_answers(row.get(columns.answers)) if columns.answers is not None else ()
    return Pair(
        line,
        tuple(_texts(row, columns.anchor)),
        tuple(_texts(row, columns.positive)),
        tuple(negatives),
        _language(row, columns),
        answers or (),
    )


def _cells(value: Any) -> list[Any]:
    """Return the one value of a cell, or each of a list; a string is never taken apart into letters."""
    return value if isinstance(value, list) and value else [value]


def _texts(row: Row, column: str) -> Iterator[str]:
    return (text for text in _cells(row.get(column)) if isinstance(text, str) and text.strip())


def _language(row: Row, columns: Columns) -> str:
    return str(row.get(columns.language) or "") if columns.language is not None else ""
