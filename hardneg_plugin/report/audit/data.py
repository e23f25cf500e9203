"""Data of an audit's report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hardneg_plugin.evaluation.audit.findings import Finding


@dataclass(frozen=True)
class AuditRate:
    """A rate of some of the negatives, with its 95 % interval.

    :param name: ``false_negative_rate``, ``judge_rate`` or ``answer_rate``.
    :param dimension: ``source``, ``language`` or ``rank``; empty for all negatives.
    :param value: Which of it.
    :param rate: From 0 to 1.
    :param low: Lower end of the interval.
    :param high: Upper end.
    :param samples: Negatives it was estimated from.
    :param gold: How many of them have a label that is not a judge's.
    :param of: Negatives of the group.
    :param method: Where it comes from.
    """

    name: str
    dimension: str
    value: str
    rate: float
    low: float
    high: float
    samples: int
    gold: int
    of: int
    method: str

    @property
    def figure(self) -> str:
        """Name of the rate among the figures, such as ``false_negative_rate[source=bm25]``."""
        return f"{self.name}[{self.dimension}={self.value}]" if self.dimension else self.name


@dataclass(frozen=True)
class Distribution:
    """Distribution of values, by role.

    :param name: Such as ``length``.
    :param title: The same for people, with its unit.
    :param edges: Edges of the bins.
    :param counts: Role → values in each bin; one fewer than edges.
    :param quantiles: Role → quantile, such as ``50 %`` → value.
    """

    name: str
    title: str
    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]
    quantiles: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Breakdown:
    """Breakdown of texts into groups.

    :param name: Such as ``languages``.
    :param title: The same for people.
    :param counts: Role → kind → texts.
    """

    name: str
    title: str
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class ReadingExample:
    """A row to read.

    :param row: Its number in the file.
    :param why: What was found in it; empty for a row drawn at random.
    :param language: Its language.
    :param query: Query.
    :param positives: Positives.
    :param negatives: Negatives, each with what is known of it, such as its source and rank.
    """

    row: int
    why: tuple[str, ...]
    language: str
    query: str
    positives: tuple[str, ...]
    negatives: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AuditReport:
    """An audit.

    :param source: What was audited.
    :param format: Its format.
    :param counts: What there is → how many: rows, queries, positives, negatives, …
    :param findings: All findings, also those that found nothing.
    :param rates: Rates of false negatives, by group.
    :param figures: Name → value of everything that a gate may compare.
    :param distributions: Lengths, words in common, hardness.
    :param mixes: Languages, sources.
    :param examples: Rows to read.
    :param notes: What a reader must know to read the figures.
    """

    source: str
    format: str
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    rates: tuple[AuditRate, ...]
    figures: Mapping[str, float]
    distributions: tuple[Distribution, ...] = ()
    mixes: tuple[Breakdown, ...] = ()
    examples: tuple[ReadingExample, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def finding(self, name: str) -> Finding:
        """Return a finding.

        :raises KeyError: If there is none of that name.
        """
        return {finding.name: finding for finding in self.findings}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: all row numbers of all findings among them."""
        data = asdict(self)
        for finding, written in zip(self.findings, data["findings"], strict=True):
            written["share"] = finding.share
        return data

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON, ending with a newline."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
