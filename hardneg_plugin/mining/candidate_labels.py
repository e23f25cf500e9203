"""Human labels, qrels or verdicts on the rows of a candidate table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.labels import read_labels, weights_of
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.llm.verdicts import EASY_NEGATIVE, FALSE_NEGATIVE, HARD_NEGATIVE
from hardneg_plugin.records import CandidateTable, MiningExample

Floats = NDArray[np.float64]
Unjudged = Literal["unknown", "negative"]
VERDICTS = "verdicts"
"""Labels that are the examples' own verdicts."""
_FILES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def is_label_file(labels: str) -> bool:
    """Tell whether labels come from a label file rather than from a dataset's qrels or verdicts."""
    return labels.endswith(_FILES) and not labels.startswith("csv:")


def check_labels(component: str, labels: object, split: object) -> None:
    """Check the parameters that say where labels are; nothing is opened.

    :raises ParameterError: If they are no name, or qrels without a split.
    """
    for name, value in (("labels", labels), ("split", split)):
        if not isinstance(value, str) or not value.strip():
            msg = f"{component}: {name} must be a name, got {value!r}"
            raise ParameterError(msg)


def labels_identity(labels: str, split: str) -> object:
    """Return what stands for labels in a fingerprint: the content of a file or of a dataset's qrels, not its name.

    :raises DatasetError: If there is no such file or dataset.
    """
    if labels == VERDICTS:
        return labels
    if is_label_file(labels):
        try:
            return xxhash.xxh3_64_hexdigest(Path(labels).expanduser().read_bytes())
        except OSError as error:
            msg = f"{labels}: no label file that can be read: {error}"
            raise DatasetError(msg) from error
    qrels = load_dataset(labels).qrels(split)
    pairs = sorted((query, passage, grade) for query, grades in qrels.items() for passage, grade in grades.items())
    return xxhash.xxh3_64_hexdigest(repr(pairs).encode())


class CandidateLabels:
    """Known false negatives among candidates, by label source.

    :param labels: A CSV file of labels, ``verdicts`` (the examples' own), or a dataset spec, whose qrels they are.
    :param split: Split of the dataset whose qrels are taken.
    :param relevance: Lowest grade of qrels that makes a candidate a false negative.
    :param unjudged: What a candidate is that the qrels of its query do not name: ``unknown``, or ``negative`` where
        they are exhaustive.
    :raises DatasetError: If there is no such file or dataset, or it is broken.
    """

    def __init__(self, labels: str, split: str, relevance: int, unjudged: Unjudged) -> None:
        self._of: Mapping[str, Mapping[str, tuple[float, float]]] = {}
        self._verdicts = labels == VERDICTS
        self._exhaustive = False
        if is_label_file(labels):
            by_query: dict[str, dict[str, tuple[float, float]]] = {}
            rows = read_labels(Path(labels).expanduser())
            for row, weight in zip(rows, weights_of(rows), strict=True):
                by_query.setdefault(row.query_id, {})[row.passage_id] = (row.relevant, weight)
            self._of = by_query
        elif not self._verdicts:
            self._exhaustive = unjudged == "negative"
            self._of = {
                query: {passage: (float(grade >= relevance), 1.0) for passage, grade in grades.items()}
                for query, grades in load_dataset(labels).qrels(split).items()
            }

    def of(self, examples: Sequence[MiningExample], table: CandidateTable) -> tuple[Floats, Floats]:
        """Return labels and weights of candidates.

        :param examples: Examples of the table.
        :param table: Their candidates, ``m`` rows.
        :returns: 1 for a false negative, 0 for none, NaN without a label; and how many candidates each label stands
            for. Both of shape ``(m,)``.
        """
        values, weights = np.full(len(table.passages), np.nan), np.ones(len(table.passages))
        if self._verdicts:
            said = {FALSE_NEGATIVE: 1.0, HARD_NEGATIVE: 0.0, EASY_NEGATIVE: 0.0}
            return np.array([said.get(label, np.nan) for label in table.label.values])[table.label.codes], weights
        for number, example in enumerate(examples):
            known = self._of.get(example.id)
            if known is None:
                continue
            unnamed = (0.0 if self._exhaustive else np.nan, 1.0)
            start = int(table.offsets[number])
            for position, candidate in enumerate(example.candidates, start):
                values[position], weights[position] = known.get(candidate.id, unnamed)
        return values, weights
