"""A report as Markdown (GitHub flavour)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import ReportData
from hardneg_plugin.report.language_model import alarms
from hardneg_plugin.report.tables import report_sections
from hardneg_plugin.visible import visible

# Names and reasons may come from data: nothing in them may end a cell, make a link or reach the page as HTML.
_MARKUP = re.compile(r"([\\|`*_\[\]])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_INSIDE_WORD = re.compile(r"(?<=\w)\\_(?=\w)")


def render_markdown(data: ReportData) -> str:
    """Render a report.

    :param data: The report.
    :returns: The text of ``report.md``, ending with a newline.
    """
    first = [f"Run of {data.date}.", *(f"Warning: {alarm}." for alarm in alarms(data.systems))]
    return markdown_page(data.recipe, first, report_sections(data))


def markdown_page(title: str, paragraphs: Sequence[str], sections: Sequence[Section]) -> str:
    """Render a page.

    :param title: Its title.
    :param paragraphs: Plain texts under the title.
    :param sections: Its sections.
    :returns: Markdown, ending with a newline.
    """
    parts = [f"# {escape(title)}", *map(escape, paragraphs)]
    for section in sections:
        parts.extend(_section(section))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape plain text for a table cell or a line of Markdown.

    :param text: Any text.
    :returns: One line that shows the text as it is.
    """
    line = visible(" ".join(text.split()))
    escaped = _MARKUP.sub(r"\\\1", line).translate(_ENTITIES)
    # An underscore between letters is never markup, and metric and stage names stay readable.
    return _INSIDE_WORD.sub("_", escaped)


def _section(section: Section) -> list[str]:
    parts = [f"## {escape(section.title)}"]
    for table in section.tables:
        if table.title:
            parts.append(f"### {escape(table.title)}")
        parts.append(_table(table))
    if section.notes:
        parts.append("\n".join(f"- {escape(note)}" for note in section.notes))
    return parts


def _table(table: Table) -> str:
    aligned = [":--" if column < table.text_columns else "--:" for column in range(len(table.header))]
    lines = [[escape(name) for name in table.header], aligned, *([_cell(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    shown = f"**{text}**" if cell.best else text
    return f"{shown} {cell.mark}" if cell.mark else shown
