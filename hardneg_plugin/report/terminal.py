"""A report on a terminal, or as plain text where the output goes into a file or a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardneg_plugin.report.data import ReportData
from hardneg_plugin.report.tables import Table, report_sections

if TYPE_CHECKING:
    from rich.console import Console


def render_terminal(data: ReportData, console: Console) -> None:
    """Show a report: boxed tables on a terminal, otherwise aligned text without the details that files have.

    :param data: The report.
    :param console: Where to show it; its ``is_terminal`` decides the form.
    """
    _show(console, f"{data.recipe}, run of {data.date}")
    sections = report_sections(data)
    results = len(data.splits)
    # What scrolls away first comes first: the results stay in sight.
    for section in [*sections[results:], *sections[:results]]:
        _show(console, f"\n{section.title}")
        for table in (table for table in section.tables if not table.detail):
            _boxed(table, console) if console.is_terminal else _show(console, plain_table(table))
        for note in section.notes:
            _show(console, note)


def plain_table(table: Table) -> str:
    """Render a table as aligned text; the best values carry an asterisk.

    :param table: The table.
    :returns: Lines without a newline at the end.
    """
    lines = [list(table.header), *([f"{cell.text}{'*' if cell.best else ''}" for cell in row] for row in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    aligned = ["  ".join(_pad(line, widths, table.text_columns)).rstrip() for line in lines]
    return "\n".join([table.title, *aligned] if table.title else aligned)


def _pad(line: list[str], widths: list[int], text_columns: int) -> list[str]:
    cells = enumerate(zip(line, widths, strict=True))
    return [text.ljust(width) if column < text_columns else text.rjust(width) for column, (text, width) in cells]


def _boxed(table: Table, console: Console) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    boxed = RichTable(title=Text(table.title) if table.title else None, title_justify="left")
    for column, name in enumerate(table.header):
        boxed.add_column(Text(name), justify="left" if column < table.text_columns else "right")
    for row in table.rows:
        # Text, because square brackets in a name are no markup.
        boxed.add_row(*(Text(cell.text, style="bold" if cell.best else "") for cell in row))
    console.print(boxed)


def _show(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
