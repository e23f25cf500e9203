"""An audit on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hardneg_plugin.report.audit.data import AuditReport, ReadingExample
from hardneg_plugin.report.audit.sections import audit_sections
from hardneg_plugin.report.content import Section
from hardneg_plugin.report.markdown import markdown_page
from hardneg_plugin.report.terminal import render_sections

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_CHARACTERS = 300


def headline(report: AuditReport) -> str:
    """Return what was audited, in a line."""
    counts = ", ".join(f"{number:,} {what}" for what, number in report.counts.items())
    return f"{report.source} ({report.format}): {counts}"


def render_audit_terminal(report: AuditReport, console: Console) -> None:
    """Show an audit, without the rows to read.

    :param report: The audit.
    :param console: Where to show it.
    """
    render_sections(headline(report), audit_sections(report), console)


def render_audit_markdown(report: AuditReport) -> str:
    """Render an audit with its rows to read.

    :param report: The audit.
    :returns: Markdown, ending with a newline.
    """
    sections = audit_sections(report)
    sections += [Section(f"Row {one.row}", (), tuple(example_lines(one))) for one in report.examples]
    return markdown_page(f"Audit of {report.source}", [headline(report)], sections)


def example_lines(example: ReadingExample) -> Iterator[str]:
    """Yield the lines that show a row."""
    yield f"Why: {', '.join(example.why) or 'drawn at random'}"
    yield f"Query ({example.language}): {_cut(example.query)}"
    for text in example.positives:
        yield f"Positive: {_cut(text)}"
    for text, known in example.negatives:
        yield f"Negative{f' ({known})' if known else ''}: {_cut(text)}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"
