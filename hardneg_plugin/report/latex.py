"""Tables as LaTeX, for papers."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.report.comparisons import ABOVE, BELOW
from hardneg_plugin.report.content import Cell, Section, Table

_HEAD = "% Needs \\usepackage{booktabs}, and an engine that reads UTF-8 (pdfLaTeX since 2018, XeLaTeX, LuaLaTeX)."
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        "±": r"$\pm$",
        "≤": r"$\le$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
_MARKS = {ABOVE: r"$^{\blacktriangle}$", BELOW: r"$^{\blacktriangledown}$"}


def latex_page(sections: Sequence[Section]) -> str:
    """Render the tables of sections.

    :param sections: Sections; their notes become comments.
    :returns: LaTeX to be put into a document, ending with a newline. The marks need ``amssymb``.
    """
    parts = [_HEAD]
    for section in sections:
        parts += [f"% {' '.join(note.split())}" for note in section.notes]
        parts += [_table(section.title, table) for table in section.tables]
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape plain text for LaTeX.

    :param text: Any text.
    :returns: One line that shows the text as it is.
    """
    return " ".join(text.split()).translate(_ESCAPES)


def _table(section: str, table: Table) -> str:
    columns = "".join("l" if column < table.text_columns else "r" for column in range(len(table.header)))
    caption = ": ".join(escape(title) for title in (section, table.title) if title)
    lines = [
        r"\begin{table}",
        rf"\caption{{{caption}}}",
        r"\centering",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row([escape(name) for name in table.header]),
        r"\midrule",
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    shown = rf"\textbf{{{text}}}" if cell.best else text
    return shown + "".join(_MARKS.get(mark, escape(mark)) for mark in cell.mark)
