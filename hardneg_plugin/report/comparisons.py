"""Show differences between systems and the baseline: significance marks, tables and their legend."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.report.content import Cell, Table
from hardneg_plugin.report.data import SplitResults, SystemComparison

ALPHA = 0.05
ABOVE, BELOW = "▲", "▼"
# Compared in sight beside the first metric of the split; the others are details.
_USUAL = "nDCG@10"


def significance_marks(split: SplitResults) -> dict[tuple[str, str], str]:
    """Return a mark for each value that differs significantly from the baseline's.

    :param split: The split.
    :returns: System and metric → ``▲`` or ``▼``.
    """
    return {
        (comparison.system, comparison.metric): ABOVE if comparison.difference > 0 else BELOW
        for comparison in split.comparisons
        if comparison.p_holm <= ALPHA
    }


def comparison_tables(split: SplitResults) -> list[Table]:
    """Tabulate differences to the baseline, with intervals and p-values.

    :param split: The split.
    :returns: One table with the split's first metric and nDCG@10, and one with the other metrics, which is a detail;
        none where nothing is compared.
    """
    compared = {comparison.metric for comparison in split.comparisons}
    first = [metric for metric in split.metrics if metric in compared and metric in (split.metrics[0], _USUAL)]
    others = [metric for metric in split.metrics if metric in compared and metric not in first]
    title = f"Difference to {split.baseline} [95 % interval]"
    tables = [_table(title, split, first)] if first else []
    return [*tables, _table(f"{title}, other metrics", split, others)._replace(detail=True)] if others else tables


def comparison_notes(split: SplitResults) -> list[str]:
    """Say what marks, intervals and p-values mean, and for how many systems they are corrected.

    :param split: The split.
    :returns: Sentences; none where nothing is compared.
    """
    if not split.comparisons:
        return []
    systems = len({comparison.system for comparison in split.comparisons})
    return [
        f"{ABOVE} {BELOW}: above or below {split.baseline} with p ≤ {ALPHA} in a two-sided paired randomisation test"
        " over queries (values averaged over seeds),"
        f" Holm-corrected over the systems compared in each metric ({systems})."
        " A value without a mark is not shown to differ.",
        "Intervals: 95 %, BCa bootstrap over queries, not corrected.",
    ]


def _table(title: str, split: SplitResults, metrics: Sequence[str]) -> Table:
    found = {(comparison.system, comparison.metric): comparison for comparison in split.comparisons}
    compared = {comparison.system for comparison in split.comparisons}
    rows = tuple(
        (
            Cell(result.system),
            *(cell for metric in metrics for cell in _cells(found[result.system, metric])),
        )
        for result in split.results
        if result.system in compared
    )
    return Table(title, ("System", *(name for metric in metrics for name in (metric, "p (Holm)"))), rows)


def _cells(comparison: SystemComparison) -> tuple[Cell, Cell]:
    low, high = f"{comparison.low:+z.3f}", f"{comparison.high:+z.3f}"
    return Cell(f"{comparison.difference:+z.3f} [{low}, {high}]"), Cell(_probability(comparison.p_holm))


def _probability(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
