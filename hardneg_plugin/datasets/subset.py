"""A small collection cut out of a dataset: some queries of a split and the passages judged relevant to them.

Every passage answers one of the queries and nothing else is in the way, so scores on such a collection are far above
those on the whole one, and comparable with nothing but themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from hardneg_plugin.datasets.examples import sample_queries
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, Source
from hardneg_plugin.errors import DatasetError

_SEED = 0


class SubsetSource:
    """Queries of one split, drawn by a hash of their id, and their relevant passages as the whole corpus.

    :param source: The dataset.
    :param split: The split; the collection has no other.
    :param queries: Number of queries to draw; None takes all.
    :raises DatasetError: If there is no such split.
    """

    def __init__(self, source: Source, split: str, queries: int | None) -> None:
        if split not in source.splits():
            msg = f"{source.name}: gold={split}: no such split; splits: {', '.join(source.splits())}"
            raise DatasetError(msg)
        self._source, self._split, self._most = source, split, queries

    @property
    def name(self) -> str:
        """Name of the dataset, with what was cut out."""
        return f"{self._source.name}-gold-{self._split}{self._most or ''}"

    def identity(self) -> dict[str, object]:
        """Identity of the dataset, and what was cut out."""
        return {"gold": [self._source.identity(), self._split, self._most, _SEED]}

    @cached_property
    def _judged(self) -> list[Qrel]:
        """Relevant judgements of the queries that are drawn."""
        relevant = [qrel for qrel in self._source.qrels(self._split) if qrel.grade > 0]
        with_some = {qrel.query_id for qrel in relevant}
        drawn = sample_queries([query for query in self._source.queries() if query.id in with_some], self._most, _SEED)
        chosen = {query.id for query in drawn}
        return [qrel for qrel in relevant if qrel.query_id in chosen]

    def passages(self) -> Iterator[Passage]:
        """Yield the relevant passages in the order of the dataset."""
        wanted = {qrel.passage_id for qrel in self._judged}
        return (passage for passage in self._source.passages() if passage.id in wanted)

    def queries(self) -> Iterator[Query]:
        """Yield the queries that are drawn."""
        wanted = {qrel.query_id for qrel in self._judged}
        return (query for query in self._source.queries() if query.id in wanted)

    def splits(self) -> tuple[str, ...]:
        """Return the one split."""
        return (self._split,)

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the relevant judgements."""
        return iter(self._judged if split == self._split else ())

    def where(self, part: str) -> str:
        """Return the files of a part."""
        return self._source.where(part)
