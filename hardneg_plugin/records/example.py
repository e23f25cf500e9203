"""The one record that flows through every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.candidates import Candidates
from hardneg_plugin.records.table import CandidateTable, Ints, concat

if TYPE_CHECKING:
    from haystack.dataclasses import Document


@dataclass(frozen=True)
class MiningExample:
    """A query with its positives and the candidates for its negatives.

    Components never change an example, they return new ones; a copy, also a deep one, is the example itself.

    :param id: Id of the query.
    :param query: Text of the query.
    :param positives: Passages known to be relevant, with stable ids.
    :param candidates: What miners found, with provenance.
    :param language: ISO 639-1 code, or empty where it is not known.
    :param answers: Short answers, where the dataset has them.
    :param meta: Further JSON-able facts.
    :raises RecordError: If the query is empty, or not a string.
    """

    id: str
    query: str
    positives: tuple[Document, ...] = ()
    candidates: Candidates = field(default_factory=Candidates)
    language: str = ""
    answers: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            msg = f"example {self.id!r}: the query must be a text that is not empty, got {self.query!r}"
            raise RecordError(msg)
        object.__setattr__(self, "positives", tuple(self.positives))
        object.__setattr__(self, "answers", tuple(self.answers))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def __copy__(self) -> MiningExample:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> MiningExample:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.id, self.query, self.positives, self.candidates, self.language, self.answers, dict(self.meta))
        return MiningExample, values

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form; candidates of a corpus are named by row and corpus key."""
        return {
            "id": self.id,
            "query": self.query,
            "positives": [document.to_dict(flatten=False) for document in self.positives],
            "candidates": self.candidates.to_dict(),
            "language": self.language,
            "answers": list(self.answers),
            "meta": dict(self.meta),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MiningExample:
        """Rebuild an example from :meth:`to_dict`.

        :raises RecordError: If a key is missing.
        """
        from haystack.dataclasses import Document

        try:
            return cls(
                id=data["id"],
                query=data["query"],
                positives=tuple(Document.from_dict(document) for document in data["positives"]),
                candidates=Candidates.from_dict(data["candidates"]),
                language=data["language"],
                answers=tuple(data["answers"]),
                meta=data["meta"],
            )
        except KeyError as error:
            msg = f"example without the key {error}"
            raise RecordError(msg) from error


def table_of(examples: Sequence[MiningExample]) -> CandidateTable:
    """Return one table for some examples, row ``i`` of its offsets being ``examples[i]``.

    Examples that share a table in its order, as every component returns them, give that table without a copy.

    :raises RecordError: If there is anything but examples, such as documents or mappings.
    """
    if not examples:
        return CandidateTable.empty(())
    if other := next((one for one in examples if not isinstance(one, MiningExample)), None):
        msg = (
            f"examples must be a list of MiningExample, got a {type(other).__name__} in it; ExampleBuilder makes one "
            "of a query, documents and positives, and MiningExample.from_dict of a mapping that to_dict wrote"
        )
        raise RecordError(msg)
    # Examples by the table they share, so that however they were shuffled each table is cut and copied once.
    positions: dict[int, list[int]] = {}
    for position, example in enumerate(examples):
        positions.setdefault(id(example.candidates.table), []).append(position)
    together = concat([_part([examples[position] for position in group]) for group in positions.values()])
    order = np.concatenate([np.array(group, dtype=np.int64) for group in positions.values()])
    if _counts_up(order):
        return together
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return together.select(back)


def _part(examples: Sequence[MiningExample]) -> CandidateTable:
    """Return the table of examples that share one."""
    table = examples[0].candidates.table
    indexes = np.array([example.candidates.index for example in examples], dtype=np.int64)
    whole = len(table) == len(indexes) and _counts_up(indexes)
    return _with_positives(table if whole else table.select(indexes), examples)


def _counts_up(indexes: Ints) -> bool:
    return bool(np.array_equal(indexes, np.arange(len(indexes))))


def _with_positives(table: CandidateTable, examples: Sequence[MiningExample]) -> CandidateTable:
    """Give an example that came without candidates the place for its positives' scores."""
    wanted = [len(example.positives) for example in examples]
    if np.array_equal(np.diff(table.positive_offsets), wanted):
        return table
    if table.positive_scores:
        msg = "the scores of positives do not fit the positives of the examples: positives were changed after scoring"
        raise RecordError(msg)
    return replace(table, positive_offsets=CandidateTable.empty(wanted).positive_offsets)


def with_table(examples: Sequence[MiningExample], table: CandidateTable) -> list[MiningExample]:
    """Return the examples with the candidates of a new table.

    :raises RecordError: If the table has another number of examples.
    """
    if len(table) != len(examples):
        msg = f"a table of {len(table)} examples cannot be given to {len(examples)}"
        raise RecordError(msg)
    return [_with_candidates(example, Candidates(table, index)) for index, example in enumerate(examples)]


def _with_candidates(example: MiningExample, candidates: Candidates) -> MiningExample:
    # All else was checked when the example was made; to check it again at each stage takes most of a stage's time.
    new = object.__new__(MiningExample)
    new.__dict__.update(example.__dict__, candidates=candidates)
    return new
