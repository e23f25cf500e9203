"""Further negatives for queries that kept too few: deeper ranks of the same search, then passages drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from hardneg_plugin.api.stages import run_stages
from hardneg_plugin.records import Candidates, CandidateTable, MiningExample, table_of, with_table

# How much deeper the second search goes, and passages drawn for each negative that is wanted: filters drop some.
_DEEPER, _DRAWN = 10, 20
# Ranks are stored in 32 bits.
_DEEPEST = 1 << 30
_RANDOM = "random"


class Miner(Protocol):
    """A miner whose search and whose adding of what was found are two steps."""

    source: str

    def search(self, examples: list[MiningExample]) -> Any:
        """Find passages."""

    def add(self, examples: list[MiningExample], found: Any) -> list[MiningExample]:
        """Add what was found to the candidates."""


class Filler:
    """Mines again for queries with fewer negatives than asked for.

    Candidates of the second search pass the same filters as those of the first, and so do passages drawn at random.

    :param corpus: The corpus, as the miners take it.
    :param miner: Number of candidates → the miner.
    :param filters: Filters, in their order.
    :param num_negatives: Negatives per query.
    :param range_min: Best ranks to skip.
    :param range_max: Last rank of the first search.
    :param seed: Seed of the random draw.
    """

    def __init__(
        self,
        corpus: str,
        miner: Callable[[int], Miner],
        filters: Sequence[Any],
        *,
        num_negatives: int,
        range_min: int,
        range_max: int,
        seed: int,
    ) -> None:
        self._corpus, self._make, self._filters, self._seed = corpus, miner, filters, seed
        self._wanted, self._range_min, self._depth = num_negatives, range_min, min(range_max * _DEEPER, _DEEPEST)
        self._miner: Miner | None = None

    def fill(self, examples: list[MiningExample]) -> list[MiningExample]:
        """Return the examples, those with too few negatives mined again.

        :param examples: Examples behind the sampler.
        """
        table = table_of(examples)
        kept = np.bincount(table.example_index[table.kept], minlength=len(table))
        short = np.flatnonzero(kept < self._wanted)
        if not len(short):
            return examples
        found = dict(zip(short.tolist(), self._mined([_bare(examples[position]) for position in short]), strict=True))
        return [found.get(position, example) for position, example in enumerate(examples)]

    def _mined(self, examples: list[MiningExample]) -> list[MiningExample]:
        from hardneg_plugin.components import RandomNegativeMiner

        if self._miner is None:
            self._miner = self._make(self._depth)
        drawn = RandomNegativeMiner(self._corpus, top_k=self._wanted * _DRAWN, seed=self._seed, source=_RANDOM)
        # Drawn first, so that a model scores them with the candidates that it finds.
        examples = drawn.run(examples=examples)["examples"]
        examples = self._miner.add(examples, self._miner.search(examples))
        examples = with_table(examples, _behind(table_of(examples), _RANDOM, self._depth))
        examples = run_stages(self._filters, examples)
        return with_table(examples, self._chosen(table_of(examples), self._miner.source))

    def _chosen(self, table: CandidateTable, source: str) -> CandidateTable:
        from hardneg_plugin.components.negative_sampler import mask_last, top_n_per_group

        ranks = table.ranks[source].astype(np.int64)
        table = table.drop((ranks > 0) & (ranks <= self._range_min), "rank window")
        order = mask_last(table.kept, table.best_rank().astype(np.int64))
        return table.drop(~top_n_per_group(table, order, self._wanted), "not sampled")


def _bare(example: MiningExample) -> MiningExample:
    return replace(example, candidates=Candidates())


def _behind(table: CandidateTable, source: str, depth: int) -> CandidateTable:
    """Return the table with the ranks of a source behind all ranks of a search."""
    ranks = table.ranks[source]
    return replace(table, ranks={**table.ranks, source: np.where(ranks > 0, ranks + depth, ranks).astype(ranks.dtype)})
