"""Read the inputs of an audit: rows, judgements, a person's labels, a test set, a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from hardneg_plugin.datasets import RetrievalDataset, load_dataset
from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.datasets.labels import read_labels
from hardneg_plugin.datasets.spec import spec_of_file
from hardneg_plugin.datasets.training_rows import TrainingRows
from hardneg_plugin.errors import DatasetError, EvaluationError, ParameterError
from hardneg_plugin.evaluation.audit.false_negatives import LabelSources
from hardneg_plugin.evaluation.audit.judgements import (
    Judgements,
    answer_labels,
    judged_labels,
    person_labels,
    verdict_labels,
)
from hardneg_plugin.evaluation.audit.table import AuditTable, Provenance
from hardneg_plugin.run.finished.audit import audited_run, is_run


def read_source(
    source: TrainingRows | str | Any,
    format: str | None,  # noqa: A002
    on_bad_row: Literal["error", "skip"],
    system: str | None,
    split: str = "train",
) -> tuple[TrainingRows, Provenance | None]:
    """Return the rows to audit, and what a run knows of them.

    :param source: Rows, a run folder, or a file, folder, hub dataset or ``datasets.Dataset`` of training rows.
    :param format: Its format; None tells it by its content.
    :param on_bad_row: ``error`` or ``skip``.
    :param system: System of a run.
    :param split: Split of a source that has several.
    """
    if isinstance(source, TrainingRows):
        return source, None
    if isinstance(source, str) and is_run(source):
        if format is not None:
            msg = f"{source} is a run folder: it has no format"
            raise ParameterError(msg)
        return audited_run(source, system)
    if system is not None:
        msg = f"{source} is no run folder: it has no system {system!r}"
        raise ParameterError(msg)
    return read_training_rows(source, format, on_bad_row, split=split), None


def load_split(spec: str, split: str | None, option: str) -> tuple[RetrievalDataset, str]:
    """Return a dataset and one of its splits.

    :param spec: Dataset spec.
    :param split: Name of the split; None takes the only one.
    :param option: What asked for it, for messages.
    :raises DatasetError: If there is no such split, or there are several to choose from.
    """
    dataset = load_dataset(spec_of_file(spec))
    splits = dataset.splits
    if split is None and len(splits) == 1:
        return dataset, splits[0]
    if split not in splits:
        msg = f"{spec}: {option} must be one of its splits ({', '.join(splits)}), got {split!r}"
        raise DatasetError(msg)
    return dataset, split


def judgements_of(dataset: RetrievalDataset, split: str, relevance: int) -> Judgements:
    """Return the judged pairs of a split with their texts."""
    grades = dataset.qrels(split)
    passages = sorted({passage for judged in grades.values() for passage in judged})
    texts = dataset.corpus.texts(dataset.corpus.rows_of(passages))
    queries = {query.id: query.text for query in dataset.queries(split)}
    return Judgements(queries, dict(zip(passages, texts, strict=True)), grades, relevance)


def with_answers(table: AuditTable, dataset: RetrievalDataset, split: str) -> AuditTable:
    """Return the rows with the answers that a dataset knows, for rows that have none."""
    from hardneg_plugin.text import normalise

    answers = {normalise(query.text): query.answers for query in dataset.queries(split) if query.answers}
    if not answers:
        return table
    queries = map(normalise, table.texts.take(table.queries))
    known: Sequence[tuple[str, ...]] = table.provenance.answers or ((),) * len(table)
    found = tuple(own or answers.get(query, ()) for own, query in zip(known, queries, strict=True))
    return replace(table, provenance=replace(table.provenance, answers=found))


def collect_labels(table: AuditTable, judgements: Judgements | None, labels: str | None) -> LabelSources:
    """Return all that is known of the negatives.

    :param table: The rows.
    :param judgements: Judgements, or None.
    :param labels: File of a person's labels, or None.
    :raises EvaluationError: If judgements or labels have nothing to do with the rows.
    """
    judged = None
    if judgements is not None:
        judged = judged_labels(table, judgements)
        if np.isnan(judged).all() and len(judged):
            msg = (
                "the judgements know no query of these rows, neither by text nor by id, or grade none of its negatives"
            )
            raise EvaluationError(msg)
    gold = None
    if labels is not None:
        gold = person_labels(table, read_labels(labels))
        if np.isnan(gold.labels).all():
            msg = f"{labels}: {gold.matched} of its pairs are negatives of these rows, and none of them has a label"
            raise EvaluationError(msg)
    return LabelSources(judged, gold, verdict_labels(table), answer_labels(table))


def test_texts(spec: str, split: str | None, relevance: int) -> tuple[list[str], list[str]]:
    """Return the queries of a test and their relevant passages."""
    dataset, name = load_split(spec, split, "the test's split")
    relevant = {p for judged in dataset.qrels(name).values() for p, grade in judged.items() if grade >= relevance}
    texts = dataset.corpus.texts(dataset.corpus.rows_of(sorted(relevant)))
    return [query.text for query in dataset.queries(name)], list(texts)


def load_encoder(model: Any | None) -> Any | None:
    """Return a loaded model; one that is given loaded comes back as it is."""
    from hardneg_plugin.search.encoder import load_model

    return load_model(model) if isinstance(model, str) else model
