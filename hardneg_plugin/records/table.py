"""The columns that the candidates of a shard of examples share.

One row per passage of an example. 10,000 examples with 50 candidates are a dozen arrays, not 500,000 objects, and a
filter is one array expression over all of them. Every operation returns a new table; arrays are read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.dictionary_column import DictionaryColumn

if TYPE_CHECKING:
    from haystack.dataclasses import Document

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
ABSENT_RANK = 0
DICTIONARY_COLUMNS = ("label", "judge", "prompt", "dropped")
_Column = TypeVar("_Column", NDArray[np.int32], NDArray[np.float32], NDArray[np.int64])


def lengths_to_offsets(lengths: Sequence[int] | NDArray[np.int64]) -> Ints:
    """Return where each of some consecutive lists starts, and where the last one ends; shape ``(len + 1,)``."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def concat_ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the concatenation of ``arange(start, start + length)`` for all pairs."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - ends + lengths, lengths)


def index_within_group(offsets: Ints) -> Ints:
    """Return the number of each element within its list, where lists stand one behind the other."""
    return concat_ranges(np.zeros(len(offsets) - 1, np.int64), np.diff(offsets))


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Candidates of ``n`` examples, ``m`` rows in all.

    :param offsets: Shape ``(n + 1,)``: rows of example ``i`` are ``offsets[i]:offsets[i + 1]``.
    :param passages: Shape ``(m,)``: a row of the corpus, or ``-1 - k`` for the ``k``-th of the own documents.
    :param corpus: The corpus that rows refer to; needed when any passage is 0 or more.
    :param own: Documents that are in no corpus: generated, or found by a document store's retriever; and those of the
        corpus that a retriever gave meta which the corpus does not keep.
    :param ranks: Source → rank in that source's list from 1, 0 where it did not find the passage; in order of run.
    :param source_scores: Source → its own score, NaN where it has none.
    :param scores: Scorer → score of the candidate, NaN where it has none.
    :param positive_offsets: Shape ``(n + 1,)``: scores of the positives of example ``i``.
    :param positive_scores: Scorer → scores of the positives, so that a margin can be applied again later.
    :param label: Verdict of a judge, such as ``false_negative``; empty without one.
    :param label_score: The judge's number, NaN without one.
    :param judge: Name of the judge.
    :param prompt: Hash of the prompt that the judge was asked with.
    :param dropped: Why the candidate was dropped; empty while it is kept.
    :raises RecordError: If the columns are not of one length.
    """

    offsets: Ints
    passages: Ints
    positive_offsets: Ints
    label_score: Floats
    label: DictionaryColumn
    judge: DictionaryColumn
    prompt: DictionaryColumn
    dropped: DictionaryColumn
    corpus: Corpus | None = None
    own: tuple[Document, ...] = ()
    ranks: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    source_scores: Mapping[str, Floats] = field(default_factory=dict)
    scores: Mapping[str, Floats] = field(default_factory=dict)
    positive_scores: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.positive_offsets):
            msg = f"candidates of {len(self.offsets) - 1} examples, positives of {len(self.positive_offsets) - 1}"
            raise RecordError(msg)
        if self.ranks.keys() != self.source_scores.keys():
            msg = f"candidates: ranks of the sources {[*self.ranks]}, but scores of {[*self.source_scores]}"
            raise RecordError(msg)
        self.offsets.flags.writeable = self.positive_offsets.flags.writeable = False
        rows, positives = int(self.offsets[-1]), int(self.positive_offsets[-1])
        _seal({"passages": self.passages, "label_score": self.label_score}, "column", rows)
        _seal({name: getattr(self, name).codes for name in DICTIONARY_COLUMNS}, "column", rows)
        for attribute in ("ranks", "source_scores", "scores", "positive_scores"):
            columns = dict(getattr(self, attribute))
            _seal(columns, attribute, positives if attribute == "positive_scores" else rows)
            object.__setattr__(self, attribute, MappingProxyType(columns))

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: arrays that were pickled would come back writeable.
        values = (getattr(self, field.name) for field in fields(self))
        return CandidateTable, tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)

    @classmethod
    def empty(cls, positives: Sequence[int] = (0,)) -> CandidateTable:
        """Return a table without candidates.

        :param positives: Number of positives of each example.
        """
        return cls(
            offsets=np.zeros(len(positives) + 1, dtype=np.int64),
            passages=np.zeros(0, dtype=np.int64),
            positive_offsets=lengths_to_offsets(list(positives)),
            label_score=np.zeros(0, dtype=np.float32),
            label=DictionaryColumn.empty(0),
            judge=DictionaryColumn.empty(0),
            prompt=DictionaryColumn.empty(0),
            dropped=DictionaryColumn.empty(0),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def example_index(self) -> Ints:
        """Number of the example that each row belongs to, shape ``(m,)``."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Rows that no filter has dropped, shape ``(m,)``."""
        return np.equal(self.dropped.codes, 0)

    def drop(self, mask: NDArray[np.bool_], reason: str) -> CandidateTable:
        """Mark the rows of a mask as dropped; a row that was dropped before keeps its first reason.

        :param mask: Shape ``(m,)``.
        :param reason: What the report counts them under.
        :raises RecordError: If the reason is empty: the rows would stay.
        """
        if not reason:
            msg = "candidates cannot be dropped without a reason"
            raise RecordError(msg)
        mask = mask & self.kept
        return replace(self, dropped=self.dropped.where(mask, reason)) if mask.any() else self

    def take(self, rows: Ints, offsets: Ints, positive_offsets: Ints, positive_rows: Ints) -> CandidateTable:
        """Return other rows of this table; a row of -1 is a new one without any value."""
        new = bool((rows < 0).any())

        def pick(column: _Column, absent: float) -> _Column:
            # One absent value behind the last row lets -1 pick it; without new rows the copy of the column is saved.
            return np.append(column, np.asarray(absent, dtype=column.dtype))[rows] if new else column[rows]

        return replace(
            self,
            offsets=offsets,
            passages=pick(self.passages, 0),
            positive_offsets=positive_offsets,
            ranks={name: pick(column, ABSENT_RANK) for name, column in self.ranks.items()},
            source_scores={name: pick(column, np.nan) for name, column in self.source_scores.items()},
            scores={name: pick(column, np.nan) for name, column in self.scores.items()},
            positive_scores={name: column[positive_rows] for name, column in self.positive_scores.items()},
            label_score=pick(self.label_score, np.nan),
            label=self.label.take(rows),
            judge=self.judge.take(rows),
            prompt=self.prompt.take(rows),
            dropped=self.dropped.take(rows),
        )

    def select(self, examples: Ints) -> CandidateTable:
        """Return the candidates of some examples, in their order."""
        lengths = np.diff(self.offsets)[examples]
        positive_lengths = np.diff(self.positive_offsets)[examples]
        return self.take(
            concat_ranges(self.offsets[examples], lengths),
            lengths_to_offsets(lengths),
            lengths_to_offsets(positive_lengths),
            concat_ranges(self.positive_offsets[examples], positive_lengths),
        )

    def ordered_by(self, values: NDArray[Any], rows: Ints | None = None) -> Ints:
        """Return rows, those of each example together, the lowest value first; NaN last, equal ones as they stand.

        :param values: One for each row of the table, shape ``(m,)``.
        :param rows: The rows that are wanted, ascending; None returns all.
        """
        if rows is None:
            return np.lexsort((values, self.example_index))
        return rows[np.lexsort((values[rows], self.example_index[rows]))]

    def kept_by_rank(self) -> tuple[Ints, Ints]:
        """Return the rows that are kept, best rank first in each example (unranked last), and their offsets."""
        kept, ranks = np.flatnonzero(self.kept), self.best_rank()
        rows = self.ordered_by(np.where(ranks == ABSENT_RANK, np.iinfo(np.int32).max, ranks), kept)
        return rows, lengths_to_offsets(np.bincount(self.example_index[kept], minlength=len(self)))

    def best_rank(self, source: str | None = None) -> NDArray[np.int32]:
        """Return the rank of each row: in one source, or the best over all; 0 where it has none.

        :raises RecordError: If the source did not run.
        """
        if source is not None and source not in self.ranks:
            msg = f"no source {source!r} among the candidates; known sources: {', '.join(self.ranks) or 'none'}"
            raise RecordError(msg)
        columns = [self.ranks[source]] if source is not None else list(self.ranks.values())
        highest = np.iinfo(np.int32).max
        best = np.full(len(self.passages), highest, dtype=np.int32)
        for column in columns:
            best = np.minimum(best, np.where(column == ABSENT_RANK, highest, column))
        return np.where(best == highest, ABSENT_RANK, best).astype(np.int32)


def _seal(columns: Mapping[str, NDArray[Any]], what: str, length: int) -> None:
    """Make columns read-only; each must have one value a row."""
    for name, column in columns.items():
        if column.shape != (length,):
            msg = f"candidates: {what} {name!r} has shape {column.shape}, expected ({length},)"
            raise RecordError(msg)
        column.flags.writeable = False


def same_corpus(tables: Sequence[CandidateTable]) -> Corpus | None:
    """Return the one corpus that some tables refer to.

    :raises RecordError: If they refer to several.
    """
    corpora: dict[str, Corpus] = {}
    for corpus in (table.corpus for table in tables if table.corpus is not None):
        corpora[corpus.key] = corpora[corpus.key].with_meta_of(corpus) if corpus.key in corpora else corpus
    if len(corpora) > 1:
        msg = f"candidates refer to different corpora ({', '.join(sorted(corpora))}); mine from one corpus at a time"
        raise RecordError(msg)
    return next(iter(corpora.values()), None)


def concat(tables: Sequence[CandidateTable]) -> CandidateTable:
    """Put the examples of several tables one after the other; a source or scorer that one lacks is absent there.

    :raises RecordError: If the tables refer to different corpora.
    """
    if len(tables) == 1:
        return tables[0]
    own_before = np.cumsum([0, *(len(table.own) for table in tables)])
    passages = [
        np.where(table.passages < 0, table.passages - before, table.passages)
        for table, before in zip(tables, own_before[:-1], strict=True)
    ]

    def columns(
        get: Callable[[CandidateTable], Mapping[str, _Column]], absent: _Column, positive: bool
    ) -> dict[str, _Column]:
        def sizes(table: CandidateTable) -> int:
            return int(table.positive_offsets[-1]) if positive else len(table.passages)

        names = dict.fromkeys(name for table in tables for name in get(table))
        return {
            name: np.concatenate([get(table).get(name, np.repeat(absent, sizes(table))) for table in tables])
            for name in names
        }

    nan, zero = np.array([np.nan], dtype=np.float32), np.array([ABSENT_RANK], dtype=np.int32)
    return CandidateTable(
        offsets=lengths_to_offsets(np.concatenate([np.diff(table.offsets) for table in tables])),
        passages=np.concatenate(passages),
        positive_offsets=lengths_to_offsets(np.concatenate([np.diff(table.positive_offsets) for table in tables])),
        label_score=np.concatenate([table.label_score for table in tables]),
        label=DictionaryColumn.concat([table.label for table in tables]),
        judge=DictionaryColumn.concat([table.judge for table in tables]),
        prompt=DictionaryColumn.concat([table.prompt for table in tables]),
        dropped=DictionaryColumn.concat([table.dropped for table in tables]),
        corpus=same_corpus(tables),
        own=tuple(document for table in tables for document in table.own),
        ranks=columns(lambda table: table.ranks, zero, False),
        source_scores=columns(lambda table: table.source_scores, nan, False),
        scores=columns(lambda table: table.scores, nan, False),
        positive_scores=columns(lambda table: table.positive_scores, nan, True),
    )
