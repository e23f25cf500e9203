"""A report on a terminal, or as plain text where the output goes into a file or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import ReportData
from hardneg_plugin.report.language_model import alarms
from hardneg_plugin.report.tables import report_sections
from hardneg_plugin.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def render_terminal(data: ReportData, console: Console) -> None:
    """Show a report: boxed tables on a terminal, otherwise aligned text without the details that files have.

    :param data: The report.
    :param console: Where to show it; its ``is_terminal`` decides the form.
    """
    sections = report_sections(data)
    results = len(data.splits)
    # What scrolls away first comes first: the results stay in sight.
    ordered = [*sections[results:], *sections[:results]]
    render_sections(f"{data.recipe}, run of {data.date}", ordered, console)
    for alarm in alarms(data.systems):
        _show(console, f"\nWARNING: {alarm}", "bold red")


def render_sections(headline: str, sections: Sequence[Section], console: Console) -> None:
    """Show a headline and sections.

    :param headline: First line.
    :param sections: Sections in the order in which they are shown.
    :param console: Where to show them; its ``is_terminal`` decides the form.
    """
    _show(console, headline)
    for section in sections:
        _show(console, f"\n{section.title}")
        for table in (table for table in section.tables if not table.detail):
            _boxed(table, console) if console.is_terminal else _show(console, plain_table(table))
        for note in section.notes:
            _show(console, note)


def plain_table(table: Table) -> str:
    """Render a table as aligned text; the best values carry an asterisk, and marks hang beside the numbers.

    :param table: The table.
    :returns: Lines without a newline at the end.
    """
    hanging = [max((len(_marks(row[column])) for row in table.rows), default=0) for column in range(len(table.header))]
    lines = [[name + " " * width for name, width in zip(table.header, hanging, strict=True)]]
    for row in table.rows:
        lines.append([cell.text + _marks(cell).ljust(width) for cell, width in zip(row, hanging, strict=True)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    aligned = ["  ".join(_pad(line, widths, table.text_columns)).rstrip() for line in lines]
    return "\n".join([table.title, *aligned] if table.title else aligned)


def _marks(cell: Cell) -> str:
    return f"{'*' if cell.best else ''}{cell.mark}"


def _pad(line: list[str], widths: list[int], text_columns: int) -> list[str]:
    cells = enumerate(zip(line, widths, strict=True))
    return [text.ljust(width) if column < text_columns else text.rjust(width) for column, (text, width) in cells]


def _boxed(table: Table, console: Console) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, because square brackets in a name are no markup.
    boxed = RichTable(title=Text(visible(table.title)) if table.title else None, title_justify="left")
    for column, name in enumerate(table.header):
        boxed.add_column(Text(visible(name)), justify="left" if column < table.text_columns else "right")
    for row in table.rows:
        boxed.add_row(*(_styled(cell) for cell in row))
    console.print(boxed)


def _styled(cell: Cell) -> Text:
    from rich.text import Text

    text = Text(visible(cell.text), style="bold" if cell.best else "")
    return text.append(f" {cell.mark}", style="not bold") if cell.mark else text


def _show(console: Console, text: str, style: str | None = None) -> None:
    console.print(visible(text), style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)
