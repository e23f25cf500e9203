"""The charts of a suite's cell: scores per dataset, and what each system gains for its training time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hardneg_plugin.report import svg
from hardneg_plugin.report.data import ReportData, SplitResults

_LEFT, _TOP, _LEGEND = 60, 40, 190
_HEIGHT, _BAR, _GAP = 260, 12, 18


class Point(NamedTuple):
    """A system.

    :param system: Its name.
    :param seconds: Mean time of its training.
    :param gain: Difference to the baseline.
    :param low: Lower end of the 95 % interval.
    :param high: Upper end.
    """

    system: str
    seconds: float
    gain: float
    low: float
    high: float


def plots_of(name: str, report: ReportData) -> Iterator[tuple[str, str]]:
    """Yield file name and SVG of a cell's charts: scores on all that was measured, gains on the first of it.

    :param name: Name of the cell.
    :param report: Its report.
    """
    if not report.splits:
        return
    metric = report.splits[0].metrics[0]
    yield f"{name}-scores.svg", score_bars(f"{name}: {metric}", report.splits)
    first = report.splits[0]
    if points := _points(report, first):
        title = f"{name}, {first.split}: {metric} above {first.baseline}"
        yield f"{name}-gain.svg", gain_against_budget(title, points)


def score_bars(title: str, splits: Sequence[SplitResults]) -> str:
    """Draw the first metric of every system on every split, with one standard deviation over seeds.

    :param title: Title.
    :param splits: What was measured on.
    """
    systems = list(dict.fromkeys(result.system for split in splits for result in split.results))
    means = {(split.split, r.system): r.means[split.metrics[0]] for split in splits for r in split.results}
    spread = {
        (split.split, r.system): r.deviations.get(split.metrics[0], 0.0) for split in splits for r in split.results
    }
    marks = svg.ticks(0.0, max(means[key] + spread[key] for key in means))
    group = len(systems) * _BAR + _GAP
    right, bottom = _LEFT + group * len(splits), _TOP + _HEIGHT
    scale = _HEIGHT / marks[-1] if marks[-1] else 0.0
    body = [*_grid(marks, bottom, scale, right)]
    for position, split in enumerate(splits):
        start = _LEFT + position * group + _GAP / 2
        for number, system in enumerate(systems):
            if (split.split, system) in means:
                key = split.split, system
                body += _whiskered(start + number * _BAR, bottom, means[key], spread[key], scale, number, system)
        middle = start + (group - _GAP) / 2
        body.append(svg.text(middle, bottom + 16, split.split, anchor="end", turn=-35))
    body += svg.legend(right + 20, _TOP, systems)
    return svg.page(right + 20 + _LEGEND, bottom + 110, title, body)


def _whiskered(
    x: float, bottom: float, mean: float, deviation: float, scale: float, number: int, system: str
) -> Iterator[str]:
    label = f"{system}: {mean:.3f}" + (f" ± {deviation:.3f}" if deviation else "")
    height = mean * scale
    yield svg.bar(x, bottom - height, _BAR - 2, height, svg.COLOURS[number % len(svg.COLOURS)], label)
    if deviation:
        middle = x + (_BAR - 2) / 2
        yield svg.line(middle, bottom - (mean - deviation) * scale, middle, bottom - (mean + deviation) * scale)


def _grid(marks: Sequence[float], bottom: float, scale: float, right: float) -> Iterator[str]:
    for mark in marks:
        y = bottom - (mark - marks[0]) * scale
        yield svg.line(_LEFT, y, right, y, "#333333" if mark == 0 else "#dddddd")
        yield svg.text(_LEFT - 6, y + 4, f"{mark:g}", anchor="end")


def gain_against_budget(title: str, points: Sequence[Point]) -> str:
    """Draw each system's difference to the baseline, with its 95 % interval, over the time of its training.

    :param title: Title.
    :param points: At least one system.
    """
    marks = svg.ticks(min(0.0, *(point.low for point in points)), max(0.0, *(point.high for point in points)))
    scale = _HEIGHT / (marks[-1] - marks[0])
    width, bottom = 420, _TOP + _HEIGHT
    shortest = math.floor(math.log10(max(min(point.seconds for point in points), 0.1)))
    longest = max(math.ceil(math.log10(max(point.seconds for point in points) + 0.1)), shortest + 1)
    per_power = width / (longest - shortest)
    body = [*_grid(marks, bottom, scale, _LEFT + width)]
    for power in range(shortest, longest + 1):
        x = _LEFT + (power - shortest) * per_power
        body += [svg.line(x, bottom, x, bottom + 5), svg.text(x, bottom + 20, f"{10.0**power:g} s", anchor="middle")]
    for number, point in enumerate(points):
        colour = svg.COLOURS[number % len(svg.COLOURS)]
        x = _LEFT + (math.log10(max(point.seconds, 0.1)) - shortest) * per_power
        low, middle, high = (bottom - (value - marks[0]) * scale for value in (point.low, point.gain, point.high))
        label = f"{point.system}: {point.gain:+.3f} [{point.low:+.3f}, {point.high:+.3f}], {point.seconds:.1f} s"
        body += [svg.line(x, low, x, high, colour), svg.dot(x, middle, colour, label)]
    body.append(svg.text(_LEFT + width / 2, bottom + 42, "seconds of training (mean over seeds)", anchor="middle"))
    body += svg.legend(_LEFT + width + 20, _TOP, [point.system for point in points])
    return svg.page(_LEFT + width + 20 + _LEGEND, bottom + 60, title, body)


def _points(report: ReportData, split: SplitResults) -> list[Point]:
    seconds: Mapping[str, float] = {
        system.name: sum(run.seconds for run in system.training) / len(system.training)
        for system in report.systems
        if system.training
    }
    return [
        Point(one.system, seconds[one.system], one.difference, one.low, one.high)
        for one in split.comparisons
        if one.metric == split.metrics[0] and one.system in seconds
    ]
