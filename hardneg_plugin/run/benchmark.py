"""Running a benchmark suite: its recipes one after the other, then the tables over all of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.outputs import refuse_foreign, write_marked
from hardneg_plugin.report.latex import latex_page
from hardneg_plugin.report.plots import plots_of
from hardneg_plugin.report.suite import CellReport, result_files, suite_csv, suite_markdown, suite_sections
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.run.suite import Suite
from hardneg_plugin.run.workspace import IfExists


def run_suite(
    suite: Suite,
    runs: Path,
    results: Path,
    *,
    if_exists: IfExists = "reuse",
    progress: Progress | None = None,
    tell: Callable[[CellReport], None] = lambda cell: None,
) -> list[CellReport]:
    """Run all cells of a suite and write its results.

    A cell is a run folder of its own, so that a suite that was stopped goes on where it was.

    :param suite: The suite.
    :param runs: Folder of run folders.
    :param results: Folder for ``<suite>.md``, ``.csv`` and ``.tex``, and for ``<suite>/``: charts, and a folder
        for each system with a file for each dataset.
    :param if_exists: ``reuse`` goes on with earlier runs, ``overwrite`` starts anew, ``error`` refuses earlier ones.
    :param progress: Where progress is shown.
    :param tell: Called with each cell's report as soon as it is there.
    :raises HardnegError: If a cell cannot be run, or a file that others wrote stands where a result would.
    """
    progress = progress or Progress()
    if if_exists == "error" and (results / f"{suite.page}.md").exists():
        msg = f"{results / f'{suite.page}.md'} exists; --if-exists reuse goes on with it, overwrite starts anew"
        raise WorkspaceError(msg)
    refuse_foreign(results, _pages(suite))
    cells = []
    for number, cell in enumerate(suite.cells, 1):
        progress.say(f"{suite.name}: cell {number} of {len(suite.cells)}, {cell.name}")
        tasks = progress.tasks
        report = run_recipe(cell.recipe, runs, if_exists=if_exists, progress=progress)
        if progress.tasks == tasks:
            progress.say(f"{cell.name}: finished before; nothing was to do")
        cells.append(CellReport(cell.name, cell.about, report, cell.published))
        tell(cells[-1])
        # Written after every cell: what is measured is there, whatever becomes of the others.
        _write(suite, cells, results)
    return cells


def _write(suite: Suite, cells: list[CellReport], results: Path) -> None:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(suite_csv(cells))
    texts = (
        suite_markdown(suite.name, _paragraphs(suite), cells),
        latex_page(suite_sections(cells)),
        table.getvalue(),
    )
    for name, text in zip(_pages(suite), texts, strict=True):
        write_marked(results, name, text)
    for name, drawing in plots_of(cells[-1].name, cells[-1].report):
        write_marked(results, f"{suite.page}/{name}", drawing)
    for system, dataset, result in result_files(suite.name, cells[-1]):
        text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
        write_marked(results, f"{suite.page}/{_file_name(system)}/{_file_name(dataset)}.json", text + "\n")


def _pages(suite: Suite) -> list[str]:
    return [f"{suite.page}.{ending}" for ending in ("md", "tex", "csv")]


def _paragraphs(suite: Suite) -> list[str]:
    return [text for text in (suite.about, suite.published) if text]


def _file_name(name: str) -> str:
    return re.sub("[^A-Za-z0-9._-]", "-", name)
