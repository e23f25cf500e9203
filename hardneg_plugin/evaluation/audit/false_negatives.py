"""Estimate the rate of false negatives with an interval: overall, by source, language and rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.evaluation.audit.judgements import Gold, Labels
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools
from hardneg_plugin.evaluation.rates import RateEstimate, corrected_rate, gold_rate, judge_rate

BANDS = ((1, 10), (11, 30), (31, 100), (101, 300), (301, 1000))
"""Bands of ranks, both ends included; further ranks are one band."""
ALL = ""
Strings = NDArray[Any]


class Group(NamedTuple):
    """Some of the negatives.

    :param dimension: ``source``, ``language`` or ``rank``; empty for all negatives.
    :param value: Which of it.
    :param mask: The negatives.
    """

    dimension: str
    value: str
    mask: Bools


class GroupRate(NamedTuple):
    """The rate of a group.

    :param name: ``false_negative_rate``; ``judge_rate`` from verdicts alone; ``answer_rate`` from answers alone.
    :param group: The group.
    :param estimate: The rate, its interval and where it comes from.
    """

    name: str
    group: Group
    estimate: RateEstimate


class LabelSources(NamedTuple):
    """Labels of the negatives by source; None for a source without labels.

    :param qrels: By judgements.
    :param gold: By a person.
    :param verdicts: By a judge.
    :param answers: Whether they hold an answer.
    """

    qrels: Labels | None = None
    gold: Gold | None = None
    verdicts: Labels | None = None
    answers: Labels | None = None


def groups_of(table: AuditTable, languages: Sequence[str]) -> Iterator[Group]:
    """Yield all negatives, then those of each source, language and band of ranks that has any.

    :param table: The rows.
    :param languages: Language of each row.
    """
    count = len(table.negatives)
    yield Group(ALL, "", np.ones(count, dtype=bool))
    for source, ranks in table.provenance.found.items():
        if source:
            yield Group("source", source, ranks != 0)
    values, codes = np.unique(np.array(languages), return_inverse=True)
    if len(values) > 1:
        for code, language in enumerate(values.tolist()):
            yield Group("language", language or "unknown", (codes == code)[table.negatives.row])
    ranks = table.ranks
    for low, high in (*BANDS, (BANDS[-1][1] + 1, np.iinfo(np.int64).max)):
        name = f"{low}-{high}" if high < np.iinfo(np.int64).max else f"{low} and more"
        yield Group("rank", name, (ranks >= low) & (ranks <= high))


def rates_of(table: AuditTable, known: LabelSources, languages: Sequence[str]) -> Iterator[GroupRate]:
    """Yield the rates of all groups of which something is known.

    A person's labels and a judge's verdicts together give the corrected rate, labels or judgements alone the rate among
    what they label; verdicts alone give the judge's rate and answers alone the share of negatives with an answer, which
    carry names of their own.

    :param table: The rows.
    :param known: What is known of the negatives.
    :param languages: Language of each row.
    """
    queries = table.asked[table.negatives.row].astype(str)
    for group in groups_of(table, languages):
        if not group.mask.any():
            continue
        for name, estimate in _estimates(known, group.mask, queries):
            yield GroupRate(name, group, estimate)


def _estimates(known: LabelSources, mask: Bools, queries: Strings) -> Iterator[tuple[str, RateEstimate]]:
    if (estimate := _false_negatives(known, mask, queries)) is not None:
        yield "false_negative_rate", estimate
    judged, answered = _there(known.verdicts, mask), _there(known.answers, mask)
    if known.verdicts is not None and judged.any():
        yield "judge_rate", judge_rate(known.verdicts[judged] == 1)
    if known.answers is not None and answered.any():
        yield "answer_rate", gold_rate(known.answers[answered] == 1, "answers", _clusters(queries[answered]))


def _false_negatives(known: LabelSources, mask: Bools, queries: Strings) -> RateEstimate | None:
    """Estimate the rate by a person's labels, else by judgements; None where neither says anything."""
    gold = known.gold.labels if known.gold is not None else known.qrels
    labelled, judged = _there(gold, mask), _there(known.verdicts, mask)
    if gold is None or not labelled.any():
        return None
    if known.verdicts is not None and (judged & labelled).any() and (judged & ~labelled).any():
        # Strata by verdict: which pairs a person labelled may depend on it.
        return corrected_rate(known.verdicts[judged] == 1, gold[judged], population=int(mask.sum()))
    if known.gold is not None:
        return _sampled_rate(known.gold, labelled)
    return gold_rate(gold[labelled] == 1, "qrels", _clusters(queries[labelled]))


def _sampled_rate(gold: Gold, labelled: Bools) -> RateEstimate:
    """Estimate a rate from labels alone: of a stratified sample, each stratum counts for what it stands for."""
    weights, strata = gold.weights[labelled], gold.strata[labelled]
    labels = gold.labels[labelled]
    if np.allclose(weights, weights[0]):
        return gold_rate(labels == 1)
    codes, number = np.unique(strata, return_inverse=True)
    drawn = np.bincount(number)
    sizes = np.maximum(np.round(np.bincount(number, weights)).astype(np.int64), drawn)
    # All pairs that the sample stands for, those without a label behind those with one.
    every = np.concatenate([number, np.repeat(np.arange(len(codes)), sizes - drawn)])
    known = np.concatenate([labels, np.full(len(every) - len(labels), np.nan)])
    estimate = corrected_rate(every, known, population=len(every))
    return replace(estimate, samples=len(labels), method="gold")


def _there(labels: Labels | None, mask: Bools) -> Bools:
    return np.zeros(len(mask), dtype=bool) if labels is None else mask & ~np.isnan(labels)


def _clusters(queries: Strings) -> list[str] | None:
    """Return the query of each pair; None for a single query, which cannot say how queries differ."""
    listed: list[str] = queries.tolist()
    return listed if len(set(listed)) > 1 else None
