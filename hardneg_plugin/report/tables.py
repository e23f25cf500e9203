"""Arrange a report in sections of tables and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hardneg_plugin.report.comparisons import comparison_notes, comparison_tables, significance_marks
from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import ReportData, SplitResults, System, SystemResult
from hardneg_plugin.report.language_model import language_model_section

NOTHING = "–"

_REFRESH_COLUMNS = {
    "changed": "Changed",
    "jaccard": "Jaccard",
    "rank_before": "Rank before",
    "not_found_before": "Not found before",
    "score_gap_before": "Gap, old negatives",
    "score_gap": "Gap, new negatives",
    "known_positives": "Known positives",
}
_REFRESH_NOTE = (
    "Negatives mined again: the share of them that were no negatives before; shared negatives among all of both sets; "
    "their mean rank in what was found the time before, and the share that was not found then; the positive's score "
    "less that of the old and of the new negatives, by the weights of this step; and the share of known positives, "
    "which are left out, among the nearest passages."
)


def report_sections(data: ReportData) -> list[Section]:
    """Arrange a report: results per split, training budgets, mining, data.

    :param data: The report.
    :returns: Sections in reading order; those that would be empty are left out.
    """
    systems = {system.name: system for system in data.systems}
    sections = [_split_section(split, systems) for split in data.splits]
    if any(system.training for system in data.systems):
        sections.append(_training_section(data.systems))
    if any(system.stages for system in data.systems):
        sections.append(_mining_section(data.systems))
    if any(stage.llm for system in data.systems for stage in system.stages):
        sections.append(language_model_section(data.systems))
    sections.append(_data_section(data))
    return sections


def _split_section(split: SplitResults, systems: Mapping[str, System]) -> Section:
    trained = [result for result in split.results if systems[result.system].training]
    best = {metric: max((_rounded(result.means[metric]) for result in trained), default=0) for metric in split.metrics}
    marks = significance_marks(split)
    rows = []
    for result in split.results:
        system = systems[result.system]
        values = tuple(
            Cell(
                _with_deviation(result, metric),
                bool(system.training) and _rounded(result.means[metric]) == best[metric],
                marks.get((result.system, metric), ""),
            )
            for metric in split.metrics
        )
        rows.append((Cell(result.system), *values, Cell(f"{split.queries:,}"), Cell(_steps(system))))
    main = Table("", ("System", *split.metrics, "Queries", "Steps"), tuple(rows))
    languages = _language_tables(split) if len(split.languages) > 1 else []
    notes = [*_split_notes(split, trained), *comparison_notes(split)]
    if len({run.total_steps for result in trained for run in systems[result.system].training}) > 1:
        notes.append(
            "The trained systems differ in their steps, so their negatives alone do not explain their differences."
        )
    return Section(f"Results on {split.split}", (main, *comparison_tables(split), *languages), tuple(notes))


def _split_notes(split: SplitResults, trained: Sequence[SystemResult]) -> list[str]:
    notes = [
        f"Dataset: {split.dataset} (fingerprint {split.fingerprint}).",
        f"Relevance threshold of binary metrics: grade {split.relevance} or more."
        " Every value is a mean over all judged queries (RR@10 is what others call MRR@10).",
    ]
    if split.without_relevant:
        notes.append(
            f"{split.without_relevant:,} of {split.queries:,} queries have no relevant passage"
            " and count 0 in binary metrics."
        )
    notes += leakage_notes(split)
    if trained:
        notes.append("Bold or *: the best trained system of each metric, to three decimals.")
    seeds = sorted({len(result.seeds) for result in split.results if result.deviations})
    if seeds:
        notes.append(
            f"Systems with ± were trained with {' or '.join(map(str, seeds))} seeds:"
            " mean ± sample standard deviation over seeds."
        )
    return notes


def leakage_notes(split: SplitResults) -> list[str]:
    """Say how much of a split was trained on; nothing where it was none of it."""
    notes = []
    for what in ("queries", "relevant passages"):
        exact, near = split.leaked.get(f"exact {what}", 0), split.leaked.get(f"near {what}", 0)
        if exact or near:
            of = f"{split.leaked[what]:,} {what} of {split.split}"
            notes.append(f"Leakage: of the {of} the training holds {exact:,}, and near-copies of {near:,} more.")
    return notes


def _language_tables(split: SplitResults) -> list[Table]:
    languages = sorted(split.languages)
    header = ("System", *(f"{language or 'unknown'} ({split.languages[language]:,})" for language in languages))
    return [
        Table(
            f"{metric} by language (queries)",
            header,
            tuple(
                (Cell(result.system), *(Cell(_shown(result.by_language[language][metric])) for language in languages))
                for result in split.results
            ),
            # The first metric is the one people look at.
            detail=metric != split.metrics[0],
        )
        for metric in split.metrics
    ]


def _training_section(systems: Sequence[System]) -> Section:
    rows = tuple(
        tuple(
            Cell(text)
            for text in (
                system.name,
                system.base_model,
                str(run.seed),
                f"{run.steps:,}" if not run.earlier_steps else f"{run.earlier_steps:,} + {run.steps:,}",
                f"{run.examples:,}",
                f"{run.seconds:,.1f}",
            )
        )
        for system in systems
        for run in system.training
    )
    header = ("System", "Base model", "Seed", "Steps", "Examples", "Seconds")
    tables = (Table("", header, rows, text_columns=2), *_refresh_tables(systems))
    return Section("Training", tables, (_REFRESH_NOTE,) if len(tables) > 1 else ())


def _refresh_tables(systems: Sequence[System]) -> list[Table]:
    rows = tuple(
        (
            Cell(system.name),
            Cell(str(run.seed)),
            Cell(f"{one['step']:,.0f}"),
            *(Cell(_shown(one[name]) if name in one else NOTHING) for name in _REFRESH_COLUMNS),
        )
        for system in systems
        for run in system.training
        for one in run.refreshes
    )
    header = ("System", "Seed", "Step", *_REFRESH_COLUMNS.values())
    return [Table("Negatives mined again", header, rows)] if rows else []


def _mining_section(systems: Sequence[System]) -> Section:
    rows = tuple(
        (
            Cell(system.name),
            Cell(stage.stage),
            Cell(_counts(stage.dropped) or NOTHING),
            Cell(f"{stage.candidates:,}"),
            Cell(f"{stage.kept:,}"),
        )
        for system in systems
        for stage in system.stages
    )
    header = ("System", "Stage", "Dropped here", "Candidates", "Kept")
    note = (
        "Candidates counts all rows after the stage, dropped ones included; kept are those no stage has dropped so far."
    )
    warnings = [f"Warning: {system.name}: {warning}" for system in systems for warning in system.warnings]
    return Section("Mining", (Table("", header, rows, text_columns=3),), (note, *warnings))


def _data_section(data: ReportData) -> Section:
    skipped = _counts(data.skipped_rows)
    trained = any(system.training for system in data.systems)
    mined = any(system.stages for system in data.systems)
    used = " and ".join([*(["mined"] if mined else []), *(["trained"] if trained else [])]) or "measured"
    notes = [
        f"{used.capitalize()} on: {data.dataset} (fingerprint {data.dataset_fingerprint}).",
        f"Skipped rows: {skipped}." if skipped else "Skipped rows: none.",
    ]
    if data.versions:
        notes.append(
            "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(data.versions.items())) + "."
        )
    return Section("Data and versions", (), tuple(notes))


def _with_deviation(result: SystemResult, metric: str) -> str:
    shown = _shown(result.means[metric])
    deviation = result.deviations.get(metric)
    return shown if deviation is None else f"{shown} ± {_shown(deviation)}"


def _rounded(value: float) -> float:
    """Round to what a table shows, so that values that look equal are marked alike."""
    return round(value, 3)


def _shown(value: float) -> str:
    return f"{value:.3f}"


def _steps(system: System) -> str:
    steps = sorted({run.total_steps for run in system.training})
    if not steps:
        return NOTHING
    return f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,}–{steps[-1]:,}"


def _counts(counts: Mapping[str, int]) -> str:
    """Reasons with their counts, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason}: {count:,}" for reason, count in ordered)
