"""Datasets that are already in memory: pairs in a ``datasets.Dataset``, or queries, passages and judgements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import xxhash

from hardneg_plugin.datasets.base import RetrievalDataset
from hardneg_plugin.datasets.problems import BadRows, RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.errors import DatasetError

if TYPE_CHECKING:
    import datasets

SPLIT = "train"
# Names under which ids and texts are looked for in tables of queries and passages.
ID_COLUMNS, TEXT_COLUMNS = ("_id", "id", "query_id", "corpus_id", "docid", "qid", "pid"), ("text", "query", "passage")
Texts = Mapping[str, str]
Judgements = Mapping[str, Mapping[str, int] | Iterable[str]]


@dataclass
class MemorySource:
    """Rows from functions that start them anew.

    :param name: Name for messages.
    :param passages: Starts the passages.
    :param queries: Starts the queries.
    :param pairs: Starts the judgements.
    """

    name: str
    passages: Callable[[], Iterator[Passage]]
    queries: Callable[[], Iterator[Query]]
    pairs: Callable[[], Iterator[Qrel]]

    @cached_property
    def _digest(self) -> str:
        digest = xxhash.xxh3_128()
        for passage in self.passages():
            digest.update(
                f"{len(passage.id)} {len(passage.text)} {passage.id}{passage.text}".encode("utf-8", "surrogatepass")
            )
        return digest.hexdigest()

    def identity(self) -> dict[str, object]:
        """Return a hash of the passages."""
        return {"kind": "memory", "passages": self._digest}

    def splits(self) -> tuple[str, ...]:
        """Return the one split there is."""
        return (SPLIT,)

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements."""
        return self.pairs()

    def where(self, part: str) -> str:
        """Return the name and the part."""
        return f"{self.name} ({part})"


def from_pairs(
    pairs: datasets.Dataset, anchor: str | None, positive: str | None, corpus: Sequence[str], on_bad_row: BadRows
) -> RetrievalDataset:
    """Return the dataset of a table of pairs: the same text is the same query or passage.

    :param pairs: One row per query and positive.
    :param anchor: Column of the queries; None is the first.
    :param positive: Column of the positives, a text or a list of texts; None is the second.
    :param corpus: Further passages.
    :param on_bad_row: ``error`` or ``skip``.
    :raises DatasetError: If a column is missing or holds no text.
    """
    rows = _Pairs(pairs, _column(pairs, anchor, 0), _column(pairs, positive, 1))

    def passages() -> Iterator[Passage]:
        seen: set[str] = set()
        for text, line in chain(((text, line) for _, text, line in rows), ((text, 0) for text in corpus)):
            identifier = text_id("p", text)
            if identifier not in seen:
                seen.add(identifier)
                yield Passage(identifier, text, line=line)

    def queries() -> Iterator[Query]:
        lines: dict[str, int] = {}
        for query, _, line in rows:
            lines.setdefault(query, line)
        return (Query(text_id("q", query), query, line=line) for query, line in lines.items())

    def qrels() -> Iterator[Qrel]:
        return (Qrel(text_id("q", query), text_id("p", text), 1, line) for query, text, line in rows)

    source = MemorySource("dataset", passages, queries, qrels)
    return RetrievalDataset("dataset of pairs", source, RowProblems(on_bad_row))


class _Pairs:
    """Iterates ``(query, positive, row)`` of a table, from 1; a cell of positives may hold one text or several."""

    def __init__(self, table: datasets.Dataset, anchor: str, positive: str) -> None:
        self._table = table.select_columns(list(dict.fromkeys([anchor, positive])))
        self._anchor, self._positive = anchor, positive

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        for number, row in enumerate(self._table, start=1):
            texts = row[self._positive]
            for text in texts if isinstance(texts, list) else [texts]:
                yield _text(row[self._anchor], self._anchor, number), _text(text, self._positive, number), number


def from_judgements(queries: Any, corpus: Any, qrels: Judgements, on_bad_row: BadRows) -> RetrievalDataset:
    """Return the dataset of queries, passages and judgements.

    :param queries: Id → text, or a ``datasets.Dataset`` with an id and a text column.
    :param corpus: Id → text, or a ``datasets.Dataset`` with an id and a text column.
    :param qrels: Query id → passage id → grade, or query id → ids of relevant passages.
    :param on_bad_row: ``error`` or ``skip``.
    :raises DatasetError: If a table has no such columns.
    """
    query_texts, passage_texts = _texts(queries, "queries"), _texts(corpus, "corpus")

    def judged() -> Iterator[Qrel]:
        for query, relevant in qrels.items():
            grades = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1)
            yield from (Qrel(query, passage, grade) for passage, grade in grades.items())

    source = MemorySource(
        "dataset",
        lambda: (Passage(identifier, text, line=line) for line, (identifier, text) in enumerate(passage_texts(), 1)),
        lambda: (Query(identifier, text, line=line) for line, (identifier, text) in enumerate(query_texts(), 1)),
        judged,
    )
    return RetrievalDataset("queries, corpus and qrels", source, RowProblems(on_bad_row))


def _column(table: datasets.Dataset, name: str | None, position: int) -> str:
    names = table.column_names
    if name is None and len(names) > position:
        return str(names[position])
    if name not in names:
        wanted = f"no column {name!r}" if name else f"no column {position + 1}"
        msg = f"the dataset has {wanted}; columns: {', '.join(names)}"
        raise DatasetError(msg)
    return str(name)


def _text(value: Any, column: str, row: int) -> str:
    if not isinstance(value, str):
        msg = f"dataset, row {row}: expected a text in column {column!r}, got {value!r:.60}"
        raise DatasetError(msg)
    return value


def _texts(table: Any, what: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """Return a function that starts ``(id, text)`` pairs."""
    if isinstance(table, Mapping):
        return lambda: iter(table.items())
    names = getattr(table, "column_names", None) or []
    columns = [next((name for name in known if name in names), None) for known in (ID_COLUMNS, TEXT_COLUMNS)]
    if None in columns:
        expected = "a mapping of ids to texts, or a Dataset with an id and a text column"
        msg = f"{what}: expected {expected}; columns: {', '.join(names)}"
        raise DatasetError(msg)
    identifier, text = columns
    return lambda: ((str(row[identifier]), row[text]) for row in table)
