"""Datasets that are already in memory: tables of pairs, or queries, passages and judgements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import xxhash

from hardneg_plugin.datasets.base import MAX_TEXT_CHARS, RetrievalDataset
from hardneg_plugin.datasets.columns import Columns, by_position, choose_columns
from hardneg_plugin.datasets.further import with_further
from hardneg_plugin.datasets.judgements import judgements_of
from hardneg_plugin.datasets.memory_tables import Table, table_of_values
from hardneg_plugin.datasets.pair_source import PairSource, PairTable
from hardneg_plugin.datasets.pairs import Pair, reporter_of, valid_pairs_of
from hardneg_plugin.datasets.problems import BadRows, RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, Source
from hardneg_plugin.datasets.texts_of import texts_of
from hardneg_plugin.errors import DatasetError

logger = logging.getLogger(__name__)
SPLIT = "train"


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
            sizes = f"{len(passage.id)} {len(passage.title)} {len(passage.text)} {len(passage.language)}"
            row = f"{sizes} {passage.id}{passage.title}{passage.text}{passage.language}"
            digest.update(row.encode("utf-8", "surrogatepass"))
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
    pairs: Any, anchor: str | None, positive: str | None, corpus: Any, on_bad_row: BadRows
) -> RetrievalDataset:
    """Return the dataset of a table of pairs, read as a file of pairs is: the same text is the same query or passage.

    :param pairs: A ``datasets.Dataset``, a data frame, a list of dicts or a dict of columns; one row per query and
        positive, with negatives, languages and answers where it has such columns.
    :param anchor: Column of the queries; None finds it by its name, or takes the first where no name is known.
    :param positive: Column of the positives, a text or a list of texts; None likewise, or takes the next.
    :param corpus: Further passages, see :func:`~hardneg_plugin.datasets.texts_of.texts_of`; None for none.
    :param on_bad_row: ``error`` or ``skip``; a bad row is left out as a whole and counted once, under ``corpus``.
    :raises DatasetError: If there is no such table, a column is missing or could be several, or one column is asked to
        be both.
    """
    table = table_of_values(pairs)
    if table is None:
        hint = f"; give one split: {', '.join(map(str, pairs))}" if hasattr(pairs, "column_names") else ""
        expected = "a datasets.Dataset of pairs, a data frame, a list of dicts or a dataset spec"
        msg = f"mine: expected {expected}, got {type(pairs).__name__}{hint}"
        raise DatasetError(msg)
    columns = _pair_columns(table.names, anchor, positive)
    problems = RowProblems(on_bad_row)
    read = PairTable("", partial(_pairs, table, columns, problems), columns.language is not None)
    rows = PairSource({SPLIT: read})
    source: Source = MemorySource("dataset", rows.passages, rows.queries, partial(rows.qrels, SPLIT))
    return RetrievalDataset("dataset of pairs", with_further(source, corpus, problems), problems)


def _pair_columns(names: list[str], anchor: str | None, positive: str | None) -> Columns:
    wanted = {role: name for role, name in (("anchor", anchor), ("positive", positive)) if name is not None}
    if len(set(wanted.values())) < len(wanted):
        msg = f"column {anchor!r} cannot be both query and positive; columns: {', '.join(names)}"
        raise DatasetError(msg)
    placed = by_position(names, wanted)
    columns = choose_columns(names, {**wanted, **placed}, "the dataset", None)
    if placed:
        said = ", ".join(f"{name!r} as the {role}" for role, name in placed.items())
        logger.warning("the columns %s are read by their place: %s", ", ".join(names), said)
    return columns


def _pairs(table: Table, columns: Columns, problems: RowProblems, part: str) -> Iterator[Pair]:
    reported, first, location = reporter_of(part, problems), 1, "dataset, row {}".format
    used = [name for name in (*columns[:2], *columns.negatives, columns.language, columns.answers) if name is not None]
    # A row at a time takes several times as long.
    for batch in table.batches():
        chosen = {name: batch[name] for name in used}
        yield from valid_pairs_of(chosen, first, columns, reported, location=location, max_chars=MAX_TEXT_CHARS)
        first += len(batch[columns.anchor])


def from_judgements(queries: Any, corpus: Any, qrels: Any, on_bad_row: BadRows) -> RetrievalDataset:
    """Return the dataset of queries, passages and judgements.

    :param queries: Id → text, a table with an id and a text column, or the path of a file of one.
    :param corpus: The same of passages, or id → ``{"title", "text"}``.
    :param qrels: Query id → passage id → grade, query id → ids of relevant passages, a table, or the path of a file,
        see :func:`~hardneg_plugin.datasets.judgements.judgements_of`.
    :param on_bad_row: ``error`` or ``skip``.
    :raises DatasetError: If a table has no such columns, or ``qrels`` is no such mapping.
    """
    problems = RowProblems(on_bad_row)
    query_texts = texts_of(queries, "queries", problems, ids=True)
    passage_texts = texts_of(corpus, "corpus", problems, ids=True)
    judged = judgements_of(qrels, problems)
    source = MemorySource(
        "dataset",
        lambda: (
            Passage(text.id or "", text.text, text.title, text.language, text.line) for text in passage_texts.start()
        ),
        lambda: (Query(text.id or "", text.text, text.language, line=text.line) for text in query_texts.start()),
        judged,
    )
    return RetrievalDataset("queries, corpus and qrels", source, problems)
