"""Arrange an audit's report in sections of tables and notes."""

from __future__ import annotations

from collections.abc import Iterator

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.report.audit.data import AuditRate, AuditReport, Breakdown, Distribution
from hardneg_plugin.report.content import Cell, Section, Table

SHOWN_ROWS = 10
"""Row numbers that are shown of a finding; JSON has them all."""
_RATES = {
    "false_negative_rate": "False negatives",
    "judge_rate": "The judge's rate: how often it says “false negative”, not how often that is so",
    "answer_rate": "Negatives that contain an answer to their query",
}
_METHODS = {
    "qrels": "judgements",
    "gold": "a person's labels",
    "corrected": "verdicts corrected by labels",
    "judge": "verdicts alone",
    "answers": "answers",
}


def audit_sections(report: AuditReport) -> list[Section]:
    """Arrange an audit: findings, false negatives, measures, mixes.

    :param report: The audit.
    """
    sections = [_findings(report)]
    if report.rates:
        sections.append(_rates(report))
    if report.distributions:
        tables = tuple(_distribution(distribution) for distribution in report.distributions)
        sections.append(Section("Lengths, words in common, hardness", tables, ()))
    if report.mixes:
        sections.append(Section("Languages and sources", tuple(map(_mix, report.mixes)), ()))
    return sections


def _findings(report: AuditReport) -> Section:
    found = [finding for finding in report.findings if finding.count]
    nothing = [finding.name for finding in report.findings if not finding.count]
    header = ("Check", "Kind", "Rows (first)", "Found", "Of", "Share")
    table = Table("", header, tuple(_finding_row(finding) for finding in found), text_columns=3)
    notes = [*_details(found)]
    if nothing:
        notes.append(f"Looked for and not found: {', '.join(nothing)}.")
    return Section("Findings", (table,) if found else (), (*notes, *report.notes))


def _finding_row(finding: Finding) -> tuple[Cell, ...]:
    rows = ", ".join(map(str, finding.rows[:SHOWN_ROWS])) + (", …" if len(finding.rows) > SHOWN_ROWS else "")
    values = (finding.name, finding.severity, rows, f"{finding.count:,}", f"{finding.of:,} {finding.unit}")
    return (*map(Cell, values), Cell(f"{finding.share:.2%}"))


def _details(found: list[Finding]) -> Iterator[str]:
    for finding in found:
        yield f"{finding.name}: {finding.title}. {finding.meaning}"
        yield from finding.details[:2]


def _rates(report: AuditReport) -> Section:
    tables = []
    for name, title in _RATES.items():
        rows = tuple(_rate_row(rate) for rate in report.rates if rate.name == name)
        if rows:
            header = ("Negatives", "By", "Rate", "95 % interval", "From", "Of")
            tables.append(Table(title, header, rows, text_columns=2))
    return Section("Negatives that are positives", tuple(tables), ())


def _rate_row(rate: AuditRate) -> tuple[Cell, ...]:
    which = f"{rate.dimension} {rate.value}" if rate.dimension else "all"
    samples = f"{rate.samples:,}" + (f" ({rate.gold:,} labelled)" if rate.method == "corrected" else "")
    interval = f"{rate.low:.3f} to {rate.high:.3f}"
    values = (which, _METHODS.get(rate.method, rate.method), f"{rate.rate:.3f}", interval, samples, f"{rate.of:,}")
    return tuple(map(Cell, values))


def _distribution(distribution: Distribution) -> Table:
    names = list(next(iter(distribution.quantiles.values()), {}))
    rows = tuple(
        (
            Cell(role),
            *(Cell(f"{values[name]:,.3g}" if abs(values[name]) < 10 else f"{values[name]:,.0f}") for name in names),
        )
        for role, values in distribution.quantiles.items()
    )
    return Table(distribution.title, ("", *names), rows)


def _mix(mix: Breakdown) -> Table:
    totals = {role: sum(kinds.values()) or 1 for role, kinds in mix.counts.items()}
    kinds = dict.fromkeys(kind for counts in mix.counts.values() for kind in counts)
    rows = tuple(
        (
            Cell(kind or "unknown"),
            *(
                Cell(f"{counts.get(kind, 0):,} ({counts.get(kind, 0) / totals[role]:.1%})")
                for role, counts in mix.counts.items()
            ),
        )
        for kind in kinds
    )
    return Table(mix.title, ("", *mix.counts), rows)
