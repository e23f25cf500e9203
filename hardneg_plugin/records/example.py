"""The one record that flows through every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.candidates import Candidates
from hardneg_plugin.records.table import CandidateTable, concat

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
    :raises RecordError: If the query is empty.
    """

    id: str
    query: str
    positives: tuple[Document, ...] = ()
    candidates: Candidates = field(default_factory=Candidates)
    language: str = ""
    answers: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.query.strip():
            msg = f"example {self.id!r} has an empty query"
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
    """
    tables = [example.candidates.table for example in examples]
    if not tables:
        return CandidateTable.empty(())
    first = tables[0]
    indexes = np.array([example.candidates.index for example in examples], dtype=np.int64)
    if all(table is first for table in tables):
        whole = len(first) == len(indexes) and bool((indexes == np.arange(len(indexes))).all())
        return _with_positives(first if whole else first.select(indexes), examples)
    parts: list[CandidateTable] = []
    start = 0
    for end in range(1, len(tables) + 1):
        if end == len(tables) or tables[end] is not tables[start]:
            parts.append(_with_positives(tables[start].select(indexes[start:end]), examples[start:end]))
            start = end
    return concat(parts)


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
    return [replace(example, candidates=Candidates(table, index)) for index, example in enumerate(examples)]
