"""Report the use of language models by stages."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.data import System

_COLUMNS = {
    "calls": "Calls",
    "cached": "From cache",
    "unanswered": "Unanswered",
    "prompt_tokens": "Prompt tokens",
    "completion_tokens": "Answer tokens",
    "seconds": "Seconds",
}


def language_model_section(systems: Sequence[System]) -> Section:
    """Return what each stage asked of a language model and what that cost."""
    rows = tuple(
        (
            Cell(system.name),
            Cell(stage.stage),
            *(
                Cell(f"{stage.llm.get(name, 0):,.1f}" if name == "seconds" else f"{stage.llm.get(name, 0):,.0f}")
                for name in _COLUMNS
            ),
        )
        for system in systems
        for stage in system.stages
        if stage.llm
    )
    note = (
        "Calls went to the server; answers from the cache were paid for by an earlier stage or run. Tokens and seconds"
        " are those of the calls, as the server counted them."
    )
    header = ("System", "Stage", *_COLUMNS.values())
    return Section("Language model", (Table("", header, rows, text_columns=2),), (note,))
