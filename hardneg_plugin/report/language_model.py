"""Report the use of language models by stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import StageCounts, System

_COLUMNS = {
    "calls": "Calls",
    "cached": "From cache",
    "unanswered": "Unanswered",
    "prompt_tokens": "Prompt tokens",
    "completion_tokens": "Answer tokens",
    "seconds": "Seconds",
}
# Of the sums of a stage: all verdicts, and the beginning of those that are undecided for a reason.
_VERDICTS, _UNDECIDED = "verdicts", "undecided: "
_ALARMING = 0.5


def language_model_section(systems: Sequence[System]) -> Section:
    """Return what each stage asked of a language model, what that cost, and which verdicts are undecided and why."""
    asked = list(_asked_once(systems))
    rows = tuple(
        (
            Cell(system),
            Cell(stage.stage),
            *(
                Cell(f"{stage.llm.get(name, 0):,.1f}" if name == "seconds" else f"{stage.llm.get(name, 0):,.0f}")
                for name in _COLUMNS
            ),
        )
        for system, stage in asked
    )
    note = (
        "Calls went to the server, or to the recording that stands for it; answers from the cache were paid for by an"
        " earlier stage or run. Tokens and seconds are those of the calls, as the server counted them. What systems"
        " share was asked once."
    )
    header = ("System", "Stage", *_COLUMNS.values())
    tables = (Table("", header, rows, text_columns=2), *_verdicts(asked))
    return Section("Language model", tables, (note,))


def _asked_once(systems: Sequence[System]) -> Iterator[tuple[str, StageCounts]]:
    """Yield the stages that asked, each with the systems that share it: what they asked is the same in every number."""
    sharing: dict[str, list[str]] = {}
    stages: dict[str, StageCounts] = {}
    for system in systems:
        for stage in system.stages:
            if stage.llm:
                key = f"{stage.stage} {sorted(stage.llm.items())}"
                sharing.setdefault(key, []).append(system.name)
                stages.setdefault(key, stage)
    for key, names in sharing.items():
        yield ", ".join(names), stages[key]


def undecided_of(stage: StageCounts) -> dict[str, int]:
    """Return reason → undecided verdicts of a stage."""
    return {
        name.removeprefix(_UNDECIDED): int(count) for name, count in stage.llm.items() if name.startswith(_UNDECIDED)
    }


def alarms(systems: Sequence[System]) -> list[str]:
    """Return a sentence for each stage that left most of its verdicts undecided.

    :param systems: The systems of a report.
    """
    lines = []
    for system, stage in _asked_once(systems):
        reasons, verdicts = undecided_of(stage), int(stage.llm.get(_VERDICTS, 0))
        if sum(reasons.values()) > _ALARMING * verdicts:
            shown = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
            lines.append(
                f"{system}: {stage.stage}: {sum(reasons.values()):,} of {verdicts:,} verdicts undecided: {shown}"
            )
    return lines


def _verdicts(asked: Sequence[tuple[str, StageCounts]]) -> tuple[Table, ...]:
    judged = [(system, stage) for system, stage in asked if stage.llm.get(_VERDICTS)]
    reasons = sorted({reason for _, stage in judged for reason in undecided_of(stage)})
    if not reasons:
        return ()
    rows = tuple(
        (
            Cell(system),
            Cell(stage.stage),
            Cell(f"{stage.llm[_VERDICTS]:,.0f}"),
            *(Cell(f"{undecided_of(stage).get(reason, 0):,}") for reason in reasons),
        )
        for system, stage in judged
    )
    return (Table("Undecided verdicts", ("System", "Stage", "Verdicts", *reasons), rows, text_columns=2),)
