"""The candidates of one example: a view of a shared table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.table import DICTIONARY_COLUMNS, CandidateTable, Floats, lengths_to_offsets

if TYPE_CHECKING:
    from haystack.dataclasses import Document


class Verdict(NamedTuple):
    """A judge's verdict on a candidate."""

    label: str
    score: float | None
    judge: str
    prompt: str


@dataclass(frozen=True)
class SourceHit:
    """Rank and score of a candidate in a source's list.

    :param rank: From 1.
    :param score: The source's own score; None where it has none.
    """

    rank: int
    score: float | None


def optional(value: float) -> float | None:
    """Return a Python float, or None for NaN."""
    return None if np.isnan(value) else float(value)


class Candidate:
    """View of one row; its texts are read from the corpus when asked for."""

    __slots__ = ("_row", "_table")

    def __init__(self, table: CandidateTable, row: int) -> None:
        self._table, self._row = table, row

    @property
    def document(self) -> Document:
        """The passage as a Haystack document."""
        passage = int(self._table.passages[self._row])
        if passage < 0:
            return self._table.own[-1 - passage]
        return _corpus(self._table).document(passage)

    @property
    def id(self) -> str:
        """Id of the passage."""
        passage = int(self._table.passages[self._row])
        return self._table.own[-1 - passage].id if passage < 0 else _corpus(self._table).ids([passage])[0]

    @property
    def text(self) -> str:
        """Text of the passage; empty for an own document without content."""
        passage = int(self._table.passages[self._row])
        return (self._table.own[-1 - passage].content or "") if passage < 0 else _corpus(self._table).text(passage)

    @property
    def sources(self) -> Mapping[str, SourceHit]:
        """Sources that found it, in the order they ran."""
        table, row = self._table, self._row
        return {
            name: SourceHit(int(ranks[row]), optional(table.source_scores[name][row]))
            for name, ranks in table.ranks.items()
            if ranks[row]
        }

    @property
    def scores(self) -> Mapping[str, float]:
        """Scores by scorer, without those it lacks."""
        values = ((name, column[self._row]) for name, column in self._table.scores.items())
        return {name: float(value) for name, value in values if not np.isnan(value)}

    @property
    def verdict(self) -> Verdict | None:
        """The judge's verdict, or None."""
        table, row = self._table, self._row
        label = table.label.values[table.label.codes[row]]
        if not label:
            return None
        judge, prompt = (column.values[column.codes[row]] for column in (table.judge, table.prompt))
        return Verdict(label, optional(table.label_score[row]), judge, prompt)

    @property
    def dropped(self) -> str:
        """Reason for dropping it; empty while it is kept."""
        dropped = self._table.dropped
        return dropped.values[int(dropped.codes[self._row])]

    def __repr__(self) -> str:
        return f"Candidate(id={self.id!r}, sources={dict(self.sources)!r}, dropped={self.dropped!r})"


def _optional_lists(columns: Mapping[str, Floats]) -> dict[str, list[float | None]]:
    return {name: [optional(value) for value in column] for name, column in columns.items()}


def _corpus(table: CandidateTable) -> Corpus:
    if table.corpus is None:
        msg = "the candidates name rows of a corpus, but carry no corpus"
        raise RecordError(msg)
    return table.corpus


class Candidates:
    """The candidates of one example, read-only.

    :param table: The shard's table.
    :param index: Number of the example in it.
    """

    __slots__ = ("index", "table")

    table: CandidateTable
    index: int

    def __init__(self, table: CandidateTable | None = None, index: int = 0) -> None:
        object.__setattr__(self, "table", _no_candidates() if table is None else table)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name: str, value: object) -> None:
        msg = f"Candidates are read-only; cannot set {name!r}"
        raise AttributeError(msg)

    def __len__(self) -> int:
        return int(self.table.offsets[self.index + 1] - self.table.offsets[self.index])

    def __getitem__(self, position: int) -> Candidate:
        size = len(self)
        if not -size <= position < size:
            msg = f"candidate {position} of {size}"
            raise IndexError(msg)
        return Candidate(self.table, int(self.table.offsets[self.index]) + position % size)

    def __iter__(self) -> Iterator[Candidate]:
        return (self[position] for position in range(len(self)))

    def kept(self) -> list[Candidate]:
        """Return the candidates that no filter has dropped."""
        return [candidate for candidate in self if not candidate.dropped]

    @property
    def positive_scores(self) -> Mapping[str, list[float | None]]:
        """Scorer → scores of the example's positives, in their order."""
        start, end = self.table.positive_offsets[self.index : self.index + 2]
        columns = {name: column[start:end] for name, column in self.table.positive_scores.items()}
        return MappingProxyType(_optional_lists(columns))

    def own_table(self) -> CandidateTable:
        """Return a table of this example alone, without the documents and sources of others."""
        return compact(self.table.select(np.array([self.index], dtype=np.int64)))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able columns; the corpus is named by its key, its texts stay in the cache."""
        table = self.own_table()
        return {
            "corpus": table.corpus.reference if table.corpus else None,
            "passages": table.passages.tolist(),
            "own": [document.to_dict(flatten=False) for document in table.own],
            "ranks": {name: column.tolist() for name, column in table.ranks.items()},
            "source_scores": _optional_lists(table.source_scores),
            "scores": _optional_lists(table.scores),
            "positive_scores": _optional_lists(table.positive_scores),
            "label_score": [optional(value) for value in table.label_score],
            **{name: getattr(table, name).strings() for name in DICTIONARY_COLUMNS},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Candidates:
        """Rebuild candidates from :meth:`to_dict`.

        :raises CacheError: If the cache no longer has their corpus.
        :raises RecordError: If a column is missing or has another length than the rest.
        """
        from haystack.dataclasses import Document

        def floats(values: list[float | None]) -> Floats:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float32)

        try:
            table = CandidateTable(
                offsets=lengths_to_offsets([len(data["passages"])]),
                passages=np.array(data["passages"], dtype=np.int64),
                positive_offsets=lengths_to_offsets([len(next(iter(data["positive_scores"].values()), ()))]),
                label_score=floats(data["label_score"]),
                corpus=Corpus.open(data["corpus"]) if data["corpus"] else None,
                own=tuple(Document.from_dict(document) for document in data["own"]),
                ranks={name: np.array(column, dtype=np.int32) for name, column in data["ranks"].items()},
                source_scores={name: floats(column) for name, column in data["source_scores"].items()},
                scores={name: floats(column) for name, column in data["scores"].items()},
                positive_scores={name: floats(column) for name, column in data["positive_scores"].items()},
                **{name: DictionaryColumn.of(data[name]) for name in DICTIONARY_COLUMNS},
            )
        except KeyError as error:
            msg = f"candidates without the column {error}"
            raise RecordError(msg) from error
        return cls(table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidates) and (
            (self.table is other.table and self.index == other.index) or self.to_dict() == other.to_dict()
        )

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Candidates:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Candidates:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Candidates, (self.own_table(), 0)

    def __repr__(self) -> str:
        return f"Candidates({len(self)}, kept={len(self.kept())}, sources={list(self.table.ranks)})"


def compact(table: CandidateTable) -> CandidateTable:
    """Return a table without own documents that no row refers to, and without sources and scorers that say nothing."""
    used = np.unique(-1 - table.passages[table.passages < 0])
    renumber = np.zeros(len(table.own) + 1, dtype=np.int64)
    renumber[used] = np.arange(len(used))
    own_rows = np.where(table.passages < 0, -1 - table.passages, 0)
    ranks = {name: column for name, column in table.ranks.items() if column.any()}
    return replace(
        table,
        passages=np.where(table.passages < 0, -1 - renumber[own_rows], table.passages),
        own=tuple(table.own[number] for number in used),
        ranks=ranks,
        source_scores={name: table.source_scores[name] for name in ranks},
        scores={name: column for name, column in table.scores.items() if not np.isnan(column).all()},
        positive_scores={name: column for name, column in table.positive_scores.items() if not np.isnan(column).all()},
        corpus=table.corpus if (table.passages >= 0).any() else None,
    )


@cache
def _no_candidates() -> CandidateTable:
    """Return the table of an example that nothing was mined for; tables never change, so one is enough."""
    return CandidateTable.empty()
