"""Build mining examples from a dataset's split, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

import xxhash

from hardneg_plugin.datasets.base import Qrels, RetrievalDataset
from hardneg_plugin.datasets.rows import Query
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.records import Candidates, CandidateTable, MiningExample
from hardneg_plugin.text import normalise_all

SHARD_SIZE = 10_000
# Key of an example's meta: ids of passages that are judged relevant, but not enough to be positives.
JUDGED_RELEVANT = "judged_relevant"
# Key of an example's meta: ids of passages that are judged relevant for an equal query under another id.
SAME_QUERY = "same_query"


def sample_by_language(queries: Sequence[Query], limit: int | None, seed: int) -> list[Query]:
    """Return at most ``limit`` queries of each language, drawn and ordered as :func:`sample_queries` does."""
    if limit is None:
        return list(queries)
    groups: dict[str, list[Query]] = {}
    for query in queries:
        groups.setdefault(query.language, []).append(query)
    drawn = {query.id for group in groups.values() for query in sample_queries(group, limit, seed)}
    return [query for query in queries if query.id in drawn]


def sample_queries(queries: Sequence[Query], limit: int | None, seed: int) -> list[Query]:
    """Return at most ``limit`` queries, drawn by a hash of seed and id and left in their order.

    Whether a query is drawn depends on its id alone, so the order of the file does not matter.
    """
    if limit is None or limit >= len(queries):
        return list(queries)
    by_hash = sorted(queries, key=lambda query: (xxhash.xxh3_64_intdigest(f"{seed}:{query.id}".encode()), query.id))
    drawn = {query.id for query in by_hash[:limit]}
    return [query for query in queries if query.id in drawn]


class ExampleShards(Sequence[list[MiningExample]]):
    """The examples of a split in shards, made anew whenever one is asked for; none has candidates yet.

    A query without a relevant passage is left out; :attr:`without_positives` counts these, and so does the dataset's
    :attr:`~hardneg_plugin.datasets.RetrievalDataset.left_out`, under the split.

    A passage judged relevant below ``relevance`` is no positive, and no safe negative either: its id goes to the
    example's ``meta["judged_relevant"]`` (only where there is one), and
    :class:`~hardneg_plugin.KnownPositiveFilter` drops it. Passages judged 0 or less may become negatives.

    What is judged relevant for an equal query under another id, whichever shard that is in and whether it was drawn or
    not, goes to ``meta["same_query"]``: queries are equal if their levelled texts are.

    :param dataset: The dataset.
    :param split: The split whose queries become examples.
    :param limit: Draw this many queries; None takes all.
    :param limit_per_language: Draw at most this many of each language first; None takes all.
    :param seed: Seed of the draw.
    :param relevance: Lowest grade that makes a passage a positive.
    :param shard_size: Examples in a shard, at most 10,000.
    :raises DatasetError: If no query is left.
    :raises ParameterError: If the shard size is out of range.
    """

    def __init__(
        self,
        dataset: RetrievalDataset,
        split: str,
        *,
        limit: int | None = None,
        limit_per_language: int | None = None,
        seed: int = 0,
        relevance: int = 1,
        shard_size: int = SHARD_SIZE,
    ) -> None:
        if not 1 <= shard_size <= SHARD_SIZE:
            msg = f"shard_size must be 1 to {SHARD_SIZE:,}, got {shard_size!r}"
            raise ParameterError(msg)
        self._corpus = dataset.corpus
        self._shard_size = shard_size
        self._relevant = {
            query: [passage for passage, grade in grades.items() if grade >= relevance]
            for query, grades in dataset.qrels(split).items()
        }
        self._lower = _between(dataset.qrels(split), relevance) if relevance > 1 else {}
        judged = dataset.queries(split)
        self._same_query = _elsewhere(judged, dataset.qrels(split))
        queries = [query for query in judged if self._relevant[query.id]]
        self.without_positives = len(judged) - len(queries)
        dataset.count_left_out(split, "no relevant passage", self.without_positives)
        if not queries:
            msg = f"{dataset.spec}: no query of split {split!r} has a passage of grade {relevance} or more"
            raise DatasetError(msg)
        self.queries = sample_queries(sample_by_language(queries, limit_per_language, seed), limit, seed)

    def __len__(self) -> int:
        return -(-len(self.queries) // self._shard_size)

    @overload
    def __getitem__(self, number: int) -> list[MiningExample]: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[list[MiningExample]]: ...
    def __getitem__(self, number: int | slice) -> list[MiningExample] | Sequence[list[MiningExample]]:
        """Return one shard (or a list of some)."""
        if isinstance(number, slice):
            return [self[index] for index in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            msg = f"shard {number} of {len(self)}"
            raise IndexError(msg)
        start = number * self._shard_size
        queries = self.queries[start : start + self._shard_size]
        rows = self._corpus.rows_of([passage for query in queries for passage in self._relevant[query.id]])
        positives = iter(self._corpus.documents(rows))
        # One empty table for all of them: the first stage then has nothing to put together.
        table = CandidateTable.empty([len(self._relevant[query.id]) for query in queries])
        return [self._example(query, positives, Candidates(table, index)) for index, query in enumerate(queries)]

    @property
    def pairs(self) -> int:
        """Number of (query, positive) pairs."""
        return sum(len(self._relevant[query.id]) for query in self.queries)

    def _example(self, query: Query, positives: Iterator[Any], candidates: Candidates) -> MiningExample:
        """Return the example of a query, whose positives come next."""
        return MiningExample(
            id=query.id,
            query=query.text,
            positives=tuple(islice(positives, len(self._relevant[query.id]))),
            candidates=candidates,
            language=query.language,
            answers=query.answers,
            meta={
                key: known[query.id]
                for key, known in ((JUDGED_RELEVANT, self._lower), (SAME_QUERY, self._same_query))
                if query.id in known
            },
        )


def _elsewhere(queries: Sequence[Query], qrels: Qrels) -> dict[str, list[str]]:
    """Return by query what is judged relevant for equal queries alone; only where there is something."""
    groups: dict[str, list[str]] = {}
    for query, text in zip(queries, normalise_all([query.text for query in queries]), strict=True):
        if text:
            groups.setdefault(text, []).append(query.id)
    found: dict[str, list[str]] = {}
    for ids in groups.values():
        if len(ids) < 2:
            continue
        relevant = {name: [passage for passage, grade in qrels[name].items() if grade >= 1] for name in ids}
        every = dict.fromkeys(passage for passages in relevant.values() for passage in passages)
        for name in ids:
            own = set(relevant[name])
            if others := [passage for passage in every if passage not in own]:
                found[name] = others
    return found


def _between(qrels: Qrels, relevance: int) -> dict[str, list[str]]:
    """Return by query the passages that are judged relevant, but below ``relevance``; only where there are some."""
    lower = {
        query: [passage for passage, grade in grades.items() if 1 <= grade < relevance]
        for query, grades in qrels.items()
    }
    return {query: passages for query, passages in lower.items() if passages}
