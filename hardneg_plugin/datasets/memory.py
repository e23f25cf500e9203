"""Datasets that are already in memory: pairs in a ``datasets.Dataset``, or queries, passages and judgements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any

import xxhash

from hardneg_plugin.datasets.base import MAX_TEXT_CHARS, RetrievalDataset
from hardneg_plugin.datasets.columns import Columns
from hardneg_plugin.datasets.pairs import Pair, reporter_of, valid_pairs_of
from hardneg_plugin.datasets.problems import BadRows, RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.errors import DatasetError

if TYPE_CHECKING:
    import datasets

SPLIT = "train"
_BATCH = 1_000
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
    pairs: datasets.Dataset, anchor: str | None, positive: str | None, corpus: Iterable[str], on_bad_row: BadRows
) -> RetrievalDataset:
    """Return the dataset of a table of pairs: the same text is the same query or passage.

    :param pairs: One row per query and positive.
    :param anchor: Column of the queries; None is the first.
    :param positive: Column of the positives, a text or a list of texts; None is the second.
    :param corpus: Further passages; read more than once, so no iterator.
    :param on_bad_row: ``error`` or ``skip``; a bad row is left out as a whole and counted once, under ``corpus``.
    :raises DatasetError: If a column is missing, or one column is asked to be both.
    """
    columns = Columns(_column(pairs, anchor, 0), _column(pairs, positive, 1))
    if columns.anchor == columns.positive:
        msg = f"column {columns.anchor!r} cannot be both query and positive; columns: {', '.join(pairs.column_names)}"
        raise DatasetError(msg)
    problems = RowProblems(on_bad_row)
    rows = _PairRows(pairs.select_columns([columns.anchor, columns.positive]), columns, corpus, problems)
    source = MemorySource("dataset", rows.passages, rows.queries, rows.judgements)
    return RetrievalDataset("dataset of pairs", source, problems)


@dataclass
class _PairRows:
    """Starts the passages, queries and judgements of a table of pairs.

    :param table: The pairs.
    :param columns: Its columns.
    :param further: Passages that are in no pair.
    :param problems: Takes the bad rows.
    """

    table: datasets.Dataset
    columns: Columns
    further: Iterable[str]
    problems: RowProblems

    def passages(self) -> Iterator[Passage]:
        paired = ((pair.line, "", text) for pair in self._pairs("corpus") for text in pair.positives)
        seen: set[str] = set()
        for line, file, text in chain(paired, _further(self.further, self.problems)):
            identifier = text_id("p", text)
            if identifier not in seen:
                seen.add(identifier)
                yield Passage(identifier, text, "", "", line, file)

    def queries(self) -> Iterator[Query]:
        return (Query(text_id("q", query), query, line=line) for query, line in self._judged[0].items())

    def judgements(self) -> Iterator[Qrel]:
        return iter(self._judged[1])

    @cached_property
    def _judged(self) -> tuple[dict[str, int], list[Qrel]]:
        """The line of each query, and all judgements: both are held by the dataset anyway, and read at once."""
        lines: dict[str, int] = {}
        judged: list[Qrel] = []
        for pair in self._pairs("queries"):
            passages = [text_id("p", text) for text in pair.positives]
            for query in pair.anchors:
                lines.setdefault(query, pair.line)
                identifier = text_id("q", query)
                judged.extend(Qrel(identifier, passage, 1, pair.line) for passage in passages)
        return lines, judged

    def _pairs(self, part: str) -> Iterator[Pair]:
        problems, first, location = reporter_of(part, self.problems), 1, "dataset, row {}".format
        # A row at a time takes several times as long.
        for batch in self.table.iter(batch_size=_BATCH):
            yield from valid_pairs_of(batch, first, self.columns, problems, location=location, max_chars=MAX_TEXT_CHARS)
            first += len(batch[self.columns.anchor])


def from_judgements(queries: Any, corpus: Any, qrels: Judgements, on_bad_row: BadRows) -> RetrievalDataset:
    """Return the dataset of queries, passages and judgements.

    :param queries: Id → text, or a ``datasets.Dataset`` with an id and a text column.
    :param corpus: Id → text, or a ``datasets.Dataset`` with an id and a text column.
    :param qrels: Query id → passage id → grade, or query id → ids of relevant passages.
    :param on_bad_row: ``error`` or ``skip``.
    :raises DatasetError: If a table has no such columns, or ``qrels`` is no such mapping.
    """
    problems = RowProblems(on_bad_row)
    query_texts, passage_texts = _texts(queries, "queries", problems), _texts(corpus, "corpus", problems)
    source = MemorySource(
        "dataset",
        lambda: (Passage(identifier, text, line=row) for row, identifier, text in passage_texts()),
        lambda: (Query(identifier, text, line=row) for row, identifier, text in query_texts()),
        lambda: (Qrel(*judgement, number) for number, judgement in enumerate(_judgements(qrels), start=1)),
    )
    return RetrievalDataset("queries, corpus and qrels", source, problems)


def _column(table: datasets.Dataset, name: str | None, position: int) -> str:
    names = table.column_names
    if name is None and len(names) > position:
        return str(names[position])
    if name not in names:
        wanted = f"no column {position + 1}" if name is None else f"no column {name!r}"
        msg = f"the dataset has {wanted}; columns: {', '.join(names)}"
        raise DatasetError(msg)
    return str(name)


def _further(texts: Iterable[Any], problems: RowProblems) -> Iterator[tuple[int, str, str]]:
    """Yield ``(line, file, text)`` of what is a text at all; the importer looks into it."""
    for number, text in enumerate(texts, start=1):
        if isinstance(text, str):
            yield number, "corpus", text
        else:
            problems.bad("corpus", "no text", f"corpus:{number}", f"expected a text, got {text!r:.60}")


def _texts(table: Any, part: str, problems: RowProblems) -> Callable[[], Iterator[tuple[int, str, str]]]:
    """Return a function that starts ``(row, id, text)`` of a part."""
    if isinstance(table, Mapping):
        return lambda: _identified(table.items(), part, problems)
    names = getattr(table, "column_names", None) or []
    columns = [next((name for name in known if name in names), None) for known in (ID_COLUMNS, TEXT_COLUMNS)]
    if None in columns:
        expected = "a mapping of ids to texts, or a Dataset with an id and a text column"
        got = f"columns: {', '.join(names)}" if names else f"got {type(table).__name__}"
        msg = f"{part}: expected {expected} ({', '.join(ID_COLUMNS)}; {', '.join(TEXT_COLUMNS)}); {got}"
        raise DatasetError(msg)
    identifier, text = columns
    return lambda: _identified(((row[identifier], row[text]) for row in table), part, problems)


def _identified(pairs: Iterable[tuple[Any, Any]], part: str, problems: RowProblems) -> Iterator[tuple[int, str, str]]:
    for row, (identifier, text) in enumerate(pairs, start=1):
        location = f"dataset ({part}):{row}"
        if not isinstance(identifier, str | int):
            problems.bad(part, "no id", location, f"expected an id, got {identifier!r:.60}")
        elif not isinstance(text, str):
            problems.bad(part, "no text", location, f"{identifier!r}: expected a text, got {text!r:.60}")
        else:
            yield row, str(identifier), text


def _judgements(qrels: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield ``(query id, passage id, grade)``; ids are texts, as everywhere else."""
    for query, relevant in qrels.items():
        if isinstance(relevant, str) or not isinstance(relevant, Iterable):
            expected = "passage ids, or a mapping of them to grades"
            msg = f"qrels of query {query!r}: expected {expected}; got {relevant!r:.60}"
            raise DatasetError(msg)
        # A set has another order in every process.
        listed = sorted(relevant, key=str) if isinstance(relevant, Set) else relevant
        grades = relevant if isinstance(relevant, Mapping) else dict.fromkeys(listed, 1)
        for passage, grade in grades.items():
            if not isinstance(grade, Integral):
                msg = f"qrels of query {query!r}: expected a whole number for passage {passage!r}, got {grade!r:.60}"
                raise DatasetError(msg)
            yield str(query), str(passage), int(grade)
