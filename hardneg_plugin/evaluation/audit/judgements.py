"""Collect labels of negatives: judgements, a person's labels, a judge's verdicts, contained answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.datasets.labels import LabelRow
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints, Keys, paired
from hardneg_plugin.llm.verdicts import DECIDED, FALSE_NEGATIVE
from hardneg_plugin.text import normalise
from hardneg_plugin.text.answers import contains_answer, is_telling

Labels = NDArray[np.float64]
"""One value per negative: 1 for a false negative, 0 for none, NaN where nothing is known."""


@dataclass(frozen=True)
class Judgements:
    """Judged pairs of query and passage, with all their texts.

    :param queries: Id → text.
    :param passages: Id → text.
    :param grades: Query id → passage id → grade.
    :param relevance: Lowest grade that is relevant.
    """

    queries: Mapping[str, str]
    passages: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]
    relevance: int = 1

    @property
    def judges_negatives(self) -> bool:
        """Check that the judgements include passages that are not relevant."""
        return any(grade < self.relevance for grades in self.grades.values() for grade in grades.values())


def judged_labels(table: AuditTable, judgements: Judgements) -> Labels:
    """Label the negatives by judgements, matched by normalised text, or by id where both sides have ids.

    Where the judgements name relevant passages alone, every other passage of a judged query counts as not relevant;
    where they grade others too, a passage without a grade has no label.

    :param table: The rows.
    :param judgements: The judgements.
    """
    of_row = _judged_queries(table, judgements)
    rows = table.negatives.row
    known, grades = _pairs(judgements, {identifier: _key(text) for identifier, text in judgements.passages.items()})
    labels = _looked_up(known, grades, of_row[rows], table.keys_of(table.negatives.texts))
    if table.negatives.ids is not None:
        ids = np.array([_id_key(identifier) for identifier in table.negatives.ids.to_pylist()], dtype=np.uint64)
        known, grades = _pairs(judgements, {identifier: _id_key(identifier) for identifier in judgements.passages})
        labels = np.fmax(labels, _looked_up(known, grades, of_row[rows], ids))
    relevant = np.where(np.isnan(labels), np.nan, labels >= judgements.relevance)
    if judgements.judges_negatives:
        return relevant
    return np.where(np.isnan(relevant) & (of_row[rows] >= 0), 0.0, relevant)


def _judged_queries(table: AuditTable, judgements: Judgements) -> Ints:
    """Return for each row the number of its query among the judged ones, by text and else by id, or -1."""
    texts = {_key(judgements.queries[identifier]): number for number, identifier in enumerate(judgements.grades)}
    numbers = {identifier: number for number, identifier in enumerate(judgements.grades)}
    keys = table.keys_of(table.queries).tolist()
    ids = table.rows.table.column("query_id").to_pylist()
    found = [texts.get(key, numbers.get(identifier, -1)) for key, identifier in zip(keys, ids, strict=True)]
    return np.array(found, dtype=np.int64)


def _pairs(judgements: Judgements, keys: Mapping[str, int]) -> tuple[Keys, Labels]:
    """Return the judged pairs, in ascending order, and the highest grade of each."""
    pairs: dict[int, int] = {}
    for number, grades in enumerate(judgements.grades.values()):
        wanted = np.array([keys[passage] for passage in grades], dtype=np.uint64)
        for pair, grade in zip(paired(np.full(len(wanted), number), wanted).tolist(), grades.values(), strict=True):
            pairs[pair] = max(pairs.get(pair, grade), grade)
    ordered = sorted(pairs)
    return np.array(ordered, dtype=np.uint64), np.array([pairs[pair] for pair in ordered], dtype=np.float64)


def _looked_up(known: Keys, grades: Labels, queries: Ints, passages: Keys) -> Labels:
    if not len(known):
        return np.full(len(queries), np.nan)
    wanted = paired(queries, passages)
    positions = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where((known[positions] == wanted) & (queries >= 0), grades[positions], np.nan)


def _key(text: str) -> int:
    return xxhash.xxh3_64_intdigest(normalise(text).encode("utf-8", "surrogatepass"))


def _id_key(identifier: str | None) -> int:
    return xxhash.xxh3_64_intdigest((identifier or "").encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Gold:
    """A person's labels of some negatives.

    :param labels: 1, 0 or NaN for each negative.
    :param strata: Code of the stratum that each labelled one was drawn from.
    :param weights: How many negatives each labelled one stands for.
    :param matched: Rows of the label file that are among the negatives.
    """

    labels: Labels
    strata: Ints
    weights: Labels
    matched: int


def person_labels(table: AuditTable, rows: Sequence[LabelRow]) -> Gold:
    """Label the negatives by a label sample: by the ids of query and passage where the rows have them, else by texts.

    :param table: The rows.
    :param rows: The sample.
    """
    by_ids = {(row.query_id, row.passage_id): number for number, row in enumerate(rows)}
    by_texts = {(_key(row.query), _key(row.passage)): number for number, row in enumerate(rows) if row.passage}
    numbers = np.full(len(table.negatives), -1, dtype=np.int64)
    queries = table.keys_of(table.queries).tolist()
    query_ids = table.rows.table.column("query_id").to_pylist()
    ids = table.negatives.ids.to_pylist() if table.negatives.ids is not None else [None] * len(numbers)
    passages = table.keys_of(table.negatives.texts).tolist()
    for position, (row, identifier, key) in enumerate(zip(table.negatives.row.tolist(), ids, passages, strict=True)):
        found = by_ids.get((query_ids[row], identifier), -1)
        numbers[position] = found if found >= 0 else by_texts.get((queries[row], key), -1)
    known = {name: code for code, name in enumerate(dict.fromkeys(row.stratum for row in rows))}
    # The last value is that of a negative without a row of the sample: -1 picks it.
    labels = np.array([*(row.relevant for row in rows), np.nan])[numbers]
    strata = np.array([*(known[row.stratum] for row in rows), 0], dtype=np.int64)[numbers]
    weights = np.array([*(row.weight for row in rows), np.nan])[numbers]
    return Gold(labels, strata, weights, len(np.unique(numbers[numbers >= 0])))


def verdict_labels(table: AuditTable) -> Labels | None:
    """Return what a judge said of each negative; undecided ones have no label. None without any verdict."""
    verdicts = table.provenance.verdicts
    if verdicts is None:
        return None
    decided = np.isin(verdicts.codes, [code for code, label in enumerate(verdicts.values) if label in DECIDED])
    false = np.isin(verdicts.codes, [code for code, label in enumerate(verdicts.values) if label == FALSE_NEGATIVE])
    return np.where(decided, false.astype(np.float64), np.nan) if decided.any() else None


def answer_labels(table: AuditTable) -> Labels | None:
    """Return whether each negative holds a short answer to its query (the rule of DPR, Karpukhin et al., 2020).

    :param table: The rows.
    :returns: No label where the answers tell nothing; None where no row has answers that do.
    """
    answers = table.provenance.answers
    telling: Bools = np.array([any(map(is_telling, known)) for known in answers], dtype=bool)
    if not telling.any():
        return None
    labels = np.full(len(table.negatives), np.nan)
    positions = np.flatnonzero(telling[table.negatives.row])
    for position, text in zip(positions.tolist(), table.texts.take(table.negatives.texts[positions]), strict=True):
        row = int(table.negatives.row[position])
        labels[position] = contains_answer(text, answers[row], table.languages[row])
    return labels
