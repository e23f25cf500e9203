"""Reports: plain data in, files and terminal output out; nothing here knows a model or a benchmark."""

from hardneg_plugin.report.data import (
    ReportData,
    SeedMeans,
    SplitResults,
    StageCounts,
    System,
    SystemComparison,
    SystemResult,
    TrainingRun,
)
from hardneg_plugin.report.markdown import render_markdown
from hardneg_plugin.report.per_query import QueryValues
from hardneg_plugin.report.results import read_results, write_results
from hardneg_plugin.report.terminal import render_terminal

__all__ = [
    "QueryValues",
    "ReportData",
    "SeedMeans",
    "SplitResults",
    "StageCounts",
    "System",
    "SystemComparison",
    "SystemResult",
    "TrainingRun",
    "read_results",
    "render_markdown",
    "render_terminal",
    "write_results",
]
