"""Build the data of an audit's report from its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hardneg_plugin.evaluation.audit.false_negatives import GroupRate
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.measures import QUANTILES, Measure, Values
from hardneg_plugin.evaluation.audit.table import AuditTable
from hardneg_plugin.report.audit import AuditRate, Breakdown, Distribution, ReadingExample

_BINS = 20
_SHOWN_NEGATIVES = 5


def audit_rate(rate: GroupRate) -> AuditRate:
    """Return the report's view of a rate."""
    group, found = rate.group, rate.estimate
    return AuditRate(
        rate.name,
        group.dimension,
        group.value,
        found.rate,
        found.low,
        found.high,
        found.samples,
        found.gold,
        int(group.mask.sum()),
        found.method,
    )


def distribution(measure: Measure) -> Distribution | None:
    """Return how a measure's values are spread; None where it has none."""
    if not measure.values:
        return None
    every = np.concatenate(list(measure.values.values()))
    edges = _edges(every, measure.logarithmic)
    counts = {role: np.histogram(values, edges)[0] for role, values in measure.values.items()}
    quantiles = {
        role: {f"{share:.0%}": float(np.quantile(values, share)) for share in QUANTILES}
        for role, values in measure.values.items()
    }
    return Distribution(
        measure.name,
        measure.title,
        tuple(edges.tolist()),
        {role: tuple(numbers.tolist()) for role, numbers in counts.items()},
        quantiles,
    )


def _edges(values: Values, logarithmic: bool) -> Values:
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        edges: Values = np.geomspace(max(low, 1.0), max(high, 2.0), _BINS + 1)
        # What is below the first edge belongs into the first bin; rounding must not put the largest outside.
        edges[0], edges[-1] = min(low, edges[0]), max(high, edges[-1])
        return edges
    return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)


def mixes(table: AuditTable, languages: Mapping[str, Counter[str]]) -> Iterator[Breakdown]:
    """Yield how texts are divided by language, and negatives by source."""
    by_role = {role: dict(counts.most_common()) for role, counts in languages.items()}
    yield Breakdown("languages", "Languages, as far as script and function words tell", by_role)
    sources = {name: int((ranks != 0).sum()) for name, ranks in table.provenance.found.items() if name}
    if sources:
        yield Breakdown("sources", "Sources of the negatives", {"negatives": sources})


def figures_of(
    counts: Mapping[str, int],
    findings: Sequence[Finding],
    rates: Sequence[AuditRate],
    further: Mapping[str, float],
) -> dict[str, float]:
    """Return name → value of everything that a gate may compare.

    A finding's name is its share, ``NAME.count`` its count; a rate's name is the rate, ``NAME.low``, ``NAME.high`` and
    ``NAME.samples`` what belongs to it.
    """
    figures: dict[str, float] = dict(counts)
    for rate in rates:
        figures[rate.figure] = rate.rate
        figures.update({f"{rate.figure}.{part}": float(getattr(rate, part)) for part in ("low", "high", "samples")})
    for finding in findings:
        figures[finding.name] = finding.share
        figures[f"{finding.name}.count"] = finding.count
    return {**figures, **further}


def reading_examples(
    table: AuditTable, rows: Mapping[int, tuple[str, ...]], languages: Sequence[str]
) -> Iterator[ReadingExample]:
    """Yield rows to read.

    :param table: All rows.
    :param rows: Row from 0 → what was found in it.
    :param languages: Language of each row.
    """
    for row, why in rows.items():
        positives = range(*table.positives.offsets[row : row + 2].tolist())
        negatives = range(*table.negatives.offsets[row : row + 2].tolist())[:_SHOWN_NEGATIVES]
        yield ReadingExample(
            int(table.numbers[row]),
            why,
            languages[row],
            table.texts.one(table.queries[row]),
            tuple(table.texts.one(table.positives.texts[position]) for position in positives),
            tuple(
                (table.texts.one(table.negatives.texts[position]), _known(table, position)) for position in negatives
            ),
        )


def _known(table: AuditTable, position: int) -> str:
    """Return what is known of a negative, in words."""
    parts = []
    for source, ranks in table.provenance.found.items():
        rank = int(ranks[position])
        if rank and (source or rank > 0):
            parts.append(f"{source} rank {rank}".strip() if rank > 0 else source)
    score = float(table.negatives.scores[position])
    if not np.isnan(score):
        parts.append(f"score {score:.3g}")
    verdicts = table.provenance.verdicts
    if verdicts is not None and (label := verdicts.values[int(verdicts.codes[position])]):
        parts.append(f"verdict {label}")
    return ", ".join(parts)
