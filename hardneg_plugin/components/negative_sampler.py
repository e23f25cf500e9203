"""Choosing the negatives among the candidates that are left."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import numpy as np
import xxhash
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.parameters import at_least, one_of
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table

Strategy = Literal["top", "random"]
LAST = np.iinfo(np.int64).max


@component
class NegativeSampler:
    """Keeps a number of candidates per example and drops the rest with a reason.

    Ranks are those of retrieval: a window of 11 to 100 skips the first ten passages that were *retrieved*, whatever
    filters dropped among them. Reasons: ``rank window`` and ``not sampled``.

    ### Usage example

    ```python
    from hardneg_plugin import NegativeSampler

    sampler = NegativeSampler(num_negatives=3, strategy="random", rank_from=11, rank_to=100, seed=7)
    examples = sampler.run(examples=examples)["examples"]
    ```

    :param num_negatives: Candidates to keep per example; one with fewer keeps what it has.
    :param strategy: ``top`` takes the best ranks, and candidates without a rank last; ``random`` draws uniformly, by a
        hash of seed, example and passage, so that the draw depends neither on batch nor on the other candidates.
    :param rank_from: First rank of the window, from 1.
    :param rank_to: Last rank of the window; None has no end.
    :param source: Source whose ranks count; None takes the best rank over all sources.
    :param seed: Seed of the random draw.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 1
    needs_all_examples: ClassVar[bool] = False

    def __init__(
        self,
        num_negatives: int = 3,
        strategy: Strategy = "top",
        rank_from: int = 1,
        rank_to: int | None = None,
        source: str | None = None,
        seed: int = 0,
    ) -> None:
        at_least("NegativeSampler", "num_negatives", num_negatives, 1)
        at_least("NegativeSampler", "rank_from", rank_from, 1)
        one_of("NegativeSampler", "strategy", strategy, get_args(Strategy))
        if rank_to is not None:
            at_least("NegativeSampler", "rank_to", rank_to, 1)
        if rank_to is not None and rank_to < rank_from:
            msg = f"NegativeSampler: the window ends (rank_to={rank_to}) before it starts (rank_from={rank_from})"
            raise ParameterError(msg)
        self.num_negatives = num_negatives
        self.strategy = strategy
        self.rank_from = rank_from
        self.rank_to = rank_to
        self.source = source
        self.seed = seed

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Sample.

        :param examples: Any number.
        :returns: ``examples``: new examples with at most ``num_negatives`` kept candidates.
        :raises RecordError: If ``source`` is none of the candidates' sources.
        """
        table = table_of(examples)
        ranks = self._ranks(table)
        outside = (ranks < self.rank_from) | (ranks > (self.rank_to or LAST))
        # A generated passage has no rank; a window cannot speak about it.
        table = table.drop(outside & (ranks > 0) if self.source is None else outside, "rank window")
        by_rank = np.where(ranks > 0, ranks, LAST - 1)
        order = by_rank if self.strategy == "top" else _draw(examples, table, self.seed)
        chosen = first_of_each(table, np.where(table.kept, order, LAST), self.num_negatives)
        return {"examples": with_table(examples, table.drop(~chosen, "not sampled"))}

    def _ranks(self, table: CandidateTable) -> NDArray[np.int64]:
        if not len(table.passages):
            return np.zeros(0, dtype=np.int64)
        return table.best_rank(self.source).astype(np.int64)


def first_of_each(table: CandidateTable, order: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
    """Return a mask of the ``number`` lowest rows of each example by ``order``; equal ones by position."""
    by_order = np.lexsort((np.arange(len(order)), order, table.example_index))
    place = np.empty(len(order), dtype=np.int64)
    place[by_order] = np.arange(len(order)) - np.repeat(table.offsets[:-1], np.diff(table.offsets))
    return place < number


def _draw(examples: list[MiningExample], table: CandidateTable, seed: int) -> NDArray[np.int64]:
    """Return one pseudo-random number per row that depends on seed, example id and passage id alone."""
    identifiers = np.zeros(len(table.passages), dtype=np.uint64)
    in_corpus = table.passages >= 0
    identifiers[in_corpus] = table.passages[in_corpus].astype(np.uint64)
    for row in np.flatnonzero(~in_corpus):
        identifiers[row] = xxhash.xxh3_64_intdigest(table.own[-1 - int(table.passages[row])].id.encode())
    seeds = np.array(
        [xxhash.xxh3_64_intdigest(f"{seed}:{example.id}".encode()) for example in examples], dtype=np.uint64
    )
    mixed = _splitmix64(identifiers ^ _splitmix64(seeds)[table.example_index])
    return (mixed >> np.uint64(2)).astype(np.int64)


def _splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (Steele, Lea and Flood, 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
