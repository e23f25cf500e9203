"""The results of a benchmark suite: one table per metric and cell, and a file for each system and dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, NamedTuple

from hardneg_plugin.report.comparisons import comparison_notes, significance_marks
from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import ReportData, SplitResults, System, SystemResult, TrainingRun
from hardneg_plugin.report.markdown import markdown_page
from hardneg_plugin.report.tables import leakage_notes

_NOTHING = "–"


class CellReport(NamedTuple):
    """Results of one entry of a suite.

    :param name: Name of the cell.
    :param about: What it is.
    :param report: Its report.
    :param published: Split or dataset → line → metric → value that others published.
    """

    name: str
    about: str
    report: ReportData
    published: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType({})


def suite_markdown(name: str, paragraphs: Sequence[str], cells: Sequence[CellReport]) -> str:
    """Return a suite's results as a page of Markdown.

    :param name: Name of the suite.
    :param paragraphs: What it measures.
    :param cells: Reports of its cells.
    """
    return markdown_page(name, paragraphs, suite_sections(cells))


def suite_sections(cells: Sequence[CellReport]) -> list[Section]:
    """Return the tables and notes of all cells, which every renderer shows in its own way."""
    return [section for cell in cells for section in _sections(cell)]


def _sections(cell: CellReport) -> Iterator[Section]:
    report = cell.report
    if not report.splits:
        return
    # Each target names its metrics by its own threshold of relevance: the first and the last of each are compared.
    chosen = [0, len(report.splits[0].metrics) - 1]
    tables = tuple(_scores(cell, position) for position in dict.fromkeys(chosen))
    groups = tuple(_groups(report, position) for position in dict.fromkeys(chosen) if len(_group_names(report)) > 1)
    differences = (_differences(report),) if any(split.comparisons for split in report.splits) else ()
    notes = [cell.about] if cell.about else []
    notes += [note for split in report.splits for note in leakage_notes(split)]
    notes += [*comparison_notes(report.splits[0]), "Columns name the dataset or split, and its judged queries."]
    budget = (_budget(report),) if any(system.training for system in report.systems) else ()
    yield Section(cell.name, (*tables, *groups, *differences, *budget), tuple(notes))


def _scores(cell: CellReport, position: int) -> Table:
    report = cell.report
    header = ("System", *(f"{split.split} ({split.queries:,})" for split in report.splits))
    marks = {split.split: significance_marks(split) for split in report.splits}
    rows = [
        (Cell(system.name), *(_cell(split, system.name, position, marks[split.split]) for split in report.splits))
        for system in report.systems
        if _result(report.splits[0], system.name)
    ]
    return Table(report.splits[0].metrics[position], header, (*rows, *_published(cell, position)))


def _published(cell: CellReport, position: int) -> Iterator[tuple[Cell, ...]]:
    lines = dict.fromkeys(line for target in cell.published.values() for line in target)
    for line in lines:
        values = [
            cell.published.get(split.split, {}).get(line, {}).get(split.metrics[position])
            for split in cell.report.splits
        ]
        if any(value is not None for value in values):
            yield (Cell(line), *(Cell(_NOTHING if value is None else f"{value:.3f}") for value in values))


def _differences(report: ReportData) -> Table:
    """Return the effect on the first metric, with its interval."""
    baselines = list(dict.fromkeys(split.baseline for split in report.splits))
    rows = []
    for system in report.systems:
        cells = [_difference(split, system.name) for split in report.splits]
        if any(cell.text != _NOTHING for cell in cells):
            rows.append((Cell(system.name), *cells))
    header = ("System", *(split.split for split in report.splits))
    return Table(f"{report.splits[0].metrics[0]} above {' / '.join(baselines)} [95 % interval]", header, tuple(rows))


def _difference(split: SplitResults, system: str) -> Cell:
    for one in split.comparisons:
        if (one.system, one.metric) == (system, split.metrics[0]):
            mark = significance_marks(split).get((system, one.metric), "")
            return Cell(f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]", mark=mark)
    return Cell(_NOTHING)


def _cell(split: SplitResults, system: str, position: int, marks: Mapping[tuple[str, str], str]) -> Cell:
    result, metric = _result(split, system), split.metrics[position]
    if result is None:
        return Cell(_NOTHING)
    trained = [one.means[metric] for one in split.results if one.seeds]
    deviation = f" ± {result.deviations[metric]:.3f}" if metric in result.deviations else ""
    best = bool(result.seeds) and round(result.means[metric], 3) == round(max(trained), 3)
    return Cell(f"{result.means[metric]:.3f}{deviation}", best, marks.get((system, metric), ""))


def _result(split: SplitResults, system: str) -> SystemResult | None:
    return next((result for result in split.results if result.system == system), None)


def _group_names(report: ReportData) -> list[str]:
    return list(dict.fromkeys(split.group for split in report.splits if split.group))


def _groups(report: ReportData, position: int) -> Table:
    """Return means over the datasets of each group; every dataset counts alike."""
    names = _group_names(report)
    members = {name: [split for split in report.splits if split.group == name] for name in names}
    rows = []
    for system in report.systems:
        means = []
        for name in names:
            values = [result.means[s.metrics[position]] for s in members[name] if (result := _result(s, system.name))]
            means.append(Cell(f"{sum(values) / len(values):.3f}" if values else _NOTHING))
        rows.append((Cell(system.name), *means))
    header = ("System", *(f"{name} ({len(members[name])} datasets)" for name in names))
    return Table(f"{report.splits[0].metrics[position]}, mean over datasets", header, tuple(rows))


def _budget(report: ReportData) -> Table:
    rows = tuple(
        (
            Cell(system.name),
            Cell(f"{system.training[0].total_steps:,}"),
            Cell(f"{system.training[0].examples:,}"),
            Cell(f"{sum(run.seconds for run in system.training) / len(system.training):,.1f}"),
            Cell(f"{_calls(system):,.0f}" if _calls(system) else _NOTHING),
        )
        for system in report.systems
        if system.training
    )
    return Table("Budget of each training", ("System", "Steps", "Examples", "Seconds", "LLM calls"), rows)


def _calls(system: System) -> float:
    return sum(stage.llm.get("calls", 0) + stage.llm.get("cached", 0) for stage in system.stages)


def result_files(suite: str, cell: CellReport) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield system, dataset and a self-describing result for each pair of them.

    :param suite: Name of the suite.
    :param cell: A cell's report.
    """
    report = cell.report
    systems = {system.name: system for system in report.systems}
    for split in report.splits:
        for result in split.results:
            system = systems[result.system]
            compared = [asdict(one) for one in split.comparisons if one.system == result.system]
            yield (
                result.system,
                f"{cell.name}-{split.split}",
                {
                    "suite": suite,
                    "cell": cell.name,
                    "system": result.system,
                    "trained_on": {"dataset": report.dataset, "fingerprint": report.dataset_fingerprint},
                    "measured_on": {
                        "name": split.split,
                        "dataset": split.dataset,
                        "fingerprint": split.fingerprint,
                        "group": split.group,
                        "queries": split.queries,
                        "relevance": split.relevance,
                        "trained_on": dict(split.leaked),
                    },
                    "means": dict(result.means),
                    "deviations": dict(result.deviations),
                    "seeds": [asdict(one) for one in result.seeds],
                    "by_language": {language: dict(values) for language, values in result.by_language.items()},
                    "baseline": split.baseline,
                    "compared": compared,
                    "base_model": {"name": system.base_model, "fingerprint": system.base_fingerprint},
                    "training": [_run_of(run) for run in system.training],
                    "llm_calls": _calls(system),
                    "versions": dict(report.versions),
                    # Alone in this part may two equal runs differ.
                    "timing": {"date": report.date, "training_seconds": [run.seconds for run in system.training]},
                },
            )


def _run_of(run: TrainingRun) -> dict[str, Any]:
    return {key: value for key, value in asdict(run).items() if key not in ("seconds", "model")}


def suite_csv(cells: Sequence[CellReport]) -> list[tuple[str, ...]]:
    """Return all means as rows of text, the header first."""
    rows: list[tuple[str, ...]] = [
        ("cell", "trained_on", "measured_on", "group", "system", "metric", "mean", "deviation", "queries", "steps")
    ]
    for cell in cells:
        steps = {s.name: str(s.training[0].total_steps) if s.training else "" for s in cell.report.systems}
        for split in cell.report.splits:
            for result in split.results:
                for metric, mean in result.means.items():
                    deviation = result.deviations.get(metric)
                    rows.append(
                        (
                            cell.name,
                            cell.report.dataset,
                            split.split,
                            split.group,
                            result.system,
                            metric,
                            f"{mean:.6f}",
                            "" if deviation is None else f"{deviation:.6f}",
                            str(split.queries),
                            steps[result.system],
                        )
                    )
    return rows
