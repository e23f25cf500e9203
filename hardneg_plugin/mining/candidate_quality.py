"""Quality rules on candidates, over the table of a shard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.mining.passages import declared_language, passage_text
from hardneg_plugin.mining.text_rules import TextRules
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.text import normalise

Hashes = NDArray[np.uint64]


def drop_invalid_candidates(
    examples: Sequence[MiningExample], table: CandidateTable, rules: TextRules
) -> CandidateTable:
    """Drop candidates whose text breaks a rule; every text is read once for each language it was found for."""
    rows = np.flatnonzero(table.kept)
    codes: dict[str, int] = {}
    language = np.array([codes.setdefault(one.language, len(codes)) for one in examples], dtype=np.int64)
    keys = np.stack([table.passages[rows], language[table.example_index[rows]]], axis=1)
    pairs, position = np.unique(keys, axis=0, return_inverse=True)
    languages = list(codes)
    faults = [_fault(table, int(passage), languages[code], rules) for passage, code in pairs.tolist()]
    return _drop(table, rows, [faults[number] for number in position.ravel().tolist()])


def drop_repeated(table: CandidateTable, digests: Hashes) -> CandidateTable:
    """Drop candidates whose levelled text an earlier candidate of their example has.

    :param table: ``m`` rows.
    :param digests: Shape ``(m,)``, from :func:`text_digests`.
    """
    rows = np.flatnonzero(table.kept)
    keys = np.stack([table.example_index[rows].astype(np.uint64), digests[rows]], axis=1)
    first = np.zeros(len(rows), dtype=bool)
    first[np.unique(keys, axis=0, return_index=True)[1]] = True
    return _drop(table, rows[~first], ["duplicate"] * int((~first).sum()))


def drop_equal_to_positive(examples: Sequence[MiningExample], table: CandidateTable, digests: Hashes) -> CandidateTable:
    """Drop candidates whose levelled text one of their example's positives has.

    :param examples: Examples of the table.
    :param table: ``m`` rows.
    :param digests: Shape ``(m,)``, from :func:`text_digests`.
    """
    equal = np.zeros(len(table.passages), dtype=bool)
    for number, example in enumerate(examples):
        part = slice(table.offsets[number], table.offsets[number + 1])
        positives = [_digest(document.content or "") for document in example.positives]
        equal[part] = np.isin(digests[part], np.array(positives, dtype=np.uint64))
    rows = np.flatnonzero(equal & table.kept)
    return _drop(table, rows, ["equal to a positive"] * len(rows))


def text_digests(table: CandidateTable) -> Hashes:
    """Return hashes of the levelled texts of all kept rows, shape ``(m,)``; 0 for the others."""
    rows = np.flatnonzero(table.kept)
    passages, position = np.unique(table.passages[rows], return_inverse=True)
    values = (_digest(passage_text(table, passage)) for passage in passages.tolist())
    digests = np.zeros(len(table.passages), dtype=np.uint64)
    digests[rows] = np.fromiter(values, dtype=np.uint64, count=len(passages))[position]
    return digests


def _fault(table: CandidateTable, passage: int, language: str, rules: TextRules) -> str:
    text = passage_text(table, passage)
    return rules.fault(text, "passage") or rules.wrong_language(text, language, declared_language(table, passage))


def _drop(table: CandidateTable, rows: NDArray[np.int64], faults: Sequence[str]) -> CandidateTable:
    column = np.array(faults, dtype=object)
    for fault in dict.fromkeys(faults):
        if fault:
            mask = np.zeros(len(table.passages), dtype=bool)
            mask[rows[column == fault]] = True
            table = table.drop(mask, f"negative: {fault}")
    return table


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(normalise(text).encode("utf-8", "surrogatepass"))
