"""The report of an audit: plain data, and its forms on a terminal, as Markdown, as a page and as JSON."""

from hardneg_plugin.report.audit.data import AuditRate, AuditReport, Breakdown, Distribution, ReadingExample
from hardneg_plugin.report.audit.page import render_page
from hardneg_plugin.report.audit.sections import audit_sections
from hardneg_plugin.report.audit.text import render_audit_markdown, render_audit_terminal

__all__ = [
    "AuditRate",
    "AuditReport",
    "Breakdown",
    "Distribution",
    "ReadingExample",
    "audit_sections",
    "render_audit_markdown",
    "render_audit_terminal",
    "render_page",
]
