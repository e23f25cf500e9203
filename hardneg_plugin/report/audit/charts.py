"""The charts of an audit, as SVG."""

from __future__ import annotations

from collections.abc import Iterator

from hardneg_plugin.report import svg
from hardneg_plugin.report.audit.data import AuditRate, AuditReport, Breakdown, Distribution

_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND = 60, 40, 480, 200, 150
_ROW = 22
_MOST_KINDS = 15


def charts_of(report: AuditReport) -> Iterator[tuple[str, str]]:
    """Yield name and SVG of each chart.

    :param report: The audit.
    """
    for distribution in report.distributions:
        yield distribution.name, histogram(distribution)
    for mix in report.mixes:
        yield mix.name, shares(mix)
    for name in dict.fromkeys(rate.name for rate in report.rates):
        yield name, intervals(name, [rate for rate in report.rates if rate.name == name])


def histogram(distribution: Distribution) -> str:
    """Draw how the values of each role are spread, as shares of the role's values, bin beside bin.

    :param distribution: What to draw.
    """
    roles = list(distribution.counts)
    parts = {role: [n / (sum(counts) or 1) for n in counts] for role, counts in distribution.counts.items()}
    marks = svg.ticks(0.0, max((max(part, default=0.0) for part in parts.values()), default=1.0))
    scale, bins = _HEIGHT / marks[-1], len(distribution.edges) - 1
    bottom, bin_width = _TOP + _HEIGHT, _WIDTH / bins
    body = [*_levels(marks, bottom, scale)]
    for number, role in enumerate(roles):
        width = bin_width / len(roles)
        for position, share in enumerate(parts[role]):
            low, high = distribution.edges[position : position + 2]
            label = f"{role}, {low:g} to {high:g}: {share:.1%}"
            x = _LEFT + position * bin_width + number * width
            body.append(
                svg.bar(x, bottom - share * scale, max(width - 1, 1), share * scale, svg.COLOURS[number], label)
            )
    for position in range(0, bins + 1, max(bins // 6, 1)):
        body.append(
            svg.text(_LEFT + position * bin_width, bottom + 18, f"{distribution.edges[position]:.3g}", anchor="middle")
        )
    body += svg.legend(_LEFT + _WIDTH + 20, _TOP, roles)
    return svg.page(_LEFT + _WIDTH + 20 + _LEGEND, bottom + 30, distribution.title, body)


def _levels(marks: list[float], bottom: float, scale: float) -> Iterator[str]:
    for mark in marks:
        y = bottom - mark * scale
        yield svg.line(_LEFT, y, _LEFT + _WIDTH, y, "#333333" if mark == 0 else "#dddddd")
        yield svg.text(_LEFT - 6, y + 4, f"{mark:.3g}", anchor="end")


def shares(mix: Breakdown) -> str:
    """Draw the most frequent kinds of each role as bars.

    :param mix: What to draw.
    """
    totals: dict[str, int] = {}
    for counts in mix.counts.values():
        for kind, number in counts.items():
            totals[kind] = totals.get(kind, 0) + number
    kinds = sorted(totals, key=lambda kind: (-totals[kind], kind))[:_MOST_KINDS]
    roles, left = list(mix.counts), 150
    height = len(roles) * 10 + 8
    body = []
    for position, kind in enumerate(kinds):
        y = _TOP + position * height
        body.append(svg.text(left - 6, y + 12, (kind or "unknown")[:24], anchor="end"))
        for number, role in enumerate(roles):
            share = mix.counts[role].get(kind, 0) / (sum(mix.counts[role].values()) or 1)
            label = f"{role}, {kind or 'unknown'}: {share:.1%}"
            body.append(svg.bar(left, y + number * 10, share * 380, 9, svg.COLOURS[number], label))
    body += svg.legend(left + 400, _TOP, roles)
    return svg.page(left + 400 + _LEGEND, _TOP + max(len(kinds) * height, 60) + 10, mix.title, body)


def intervals(name: str, rates: list[AuditRate]) -> str:
    """Draw rates with their intervals, one line a group.

    :param name: What they are rates of.
    :param rates: At least one.
    """
    left, width = 220, 380
    marks = svg.ticks(0.0, max(rate.high for rate in rates))
    scale, bottom = width / marks[-1], _TOP + _ROW * len(rates)
    body = []
    for mark in marks:
        x = left + mark * scale
        body += [svg.line(x, _TOP, x, bottom, "#dddddd"), svg.text(x, bottom + 16, f"{mark:.3g}", anchor="middle")]
    for number, rate in enumerate(rates):
        y = _TOP + _ROW * number + _ROW / 2
        which = f"{rate.dimension} {rate.value}"[:34] if rate.dimension else "all"
        label = f"{which}: {rate.rate:.3f}, {rate.low:.3f} to {rate.high:.3f}"
        body.append(svg.text(left - 8, y + 4, which, anchor="end"))
        body.append(svg.line(left + rate.low * scale, y, left + rate.high * scale, y, svg.COLOURS[0]))
        body.append(svg.dot(left + rate.rate * scale, y, svg.COLOURS[0], label))
    return svg.page(left + width + 40, bottom + 30, name, body)
