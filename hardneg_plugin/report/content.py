"""Titles, tables and notes, which every renderer shows in its own way."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """One cell.

    :param text: Plain text, not escaped.
    :param best: Whether it holds the best value of its column.
    :param mark: Shown behind the text; a note of the section says what it means.
    """

    text: str
    best: bool = False
    mark: str = ""


class Table(NamedTuple):
    """A table; its first column is text, the others are numbers unless ``text_columns`` says otherwise.

    :param title: Title, or an empty string under the title of its section.
    :param header: Names of the columns.
    :param rows: Cells, as many per row as columns.
    :param text_columns: Number of columns from the left that hold text.
    :param detail: Whether a renderer with little room may leave it out.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: int = 1
    detail: bool = False


class Section(NamedTuple):
    """A titled part of the report: tables first, then notes.

    :param title: Title.
    :param tables: Tables.
    :param notes: One sentence or two each.
    """

    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
