"""Mining a dataset shard by shard, and the rows and statistics of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from hardneg_plugin.api.filling import Filler
from hardneg_plugin.api.pipelined import pipelined
from hardneg_plugin.api.stages import Scoring, filters_of, miner_of, run_stages
from hardneg_plugin.api.statistics import MiningStatistics, ShardStatistics, combined, completed, shard_statistics
from hardneg_plugin.datasets import ExampleShards, RetrievalDataset
from hardneg_plugin.datasets.arrow_dataset import arrow_dataset
from hardneg_plugin.garbage_collector import gc_frozen
from hardneg_plugin.records import MiningExample

if TYPE_CHECKING:
    import datasets

    from hardneg_plugin.components import TripletBuilder


class Selection(NamedTuple):
    """The choice of candidates that become negatives, see :func:`~hardneg_plugin.mine`.

    :param num_negatives: Negatives per query.
    :param strategy: ``top`` or ``random``.
    :param range_min: Best ranks to skip.
    :param range_max: Last rank to consider.
    :param near_duplicate: Lowest similarity to a positive that makes a candidate a copy of it.
    :param fill: Whether queries with too few negatives are mined again.
    :param seed: Seed of the draws.
    """

    num_negatives: int
    strategy: Literal["top", "random"]
    range_min: int
    range_max: int
    near_duplicate: float | None
    fill: bool
    seed: int


def mined_rows(
    data: RetrievalDataset,
    split: str,
    scoring: Scoring,
    bounds: Mapping[str, float | None],
    selection: Selection,
    builder: TripletBuilder,
) -> tuple[datasets.Dataset, MiningStatistics]:
    """Return the rows and the statistics.

    :param data: The dataset.
    :param split: Its split.
    :param scoring: What searches and scores.
    :param bounds: Margins and bounds of scores.
    :param selection: Which candidates become negatives.
    :param builder: What makes rows of examples.
    """
    from hardneg_plugin.components import NegativeSampler
    from hardneg_plugin.components.triplet_builder import fewest_negatives

    wanted, least = selection.num_negatives, 0
    if builder.on_few_negatives == "drop":
        least = fewest_negatives(builder.shape, wanted, np.zeros(0, np.int64))
    sampler = NegativeSampler(wanted, selection.strategy, rank_from=selection.range_min + 1, seed=selection.seed)
    key = f"cache:{data.corpus.key}"
    make, filters = miner_of(scoring, key), filters_of(scoring, bounds, selection.near_duplicate)
    window = {"range_min": selection.range_min, "range_max": selection.range_max}
    filler = Filler(key, make, filters, num_negatives=wanted, seed=selection.seed, **window)
    miner = make(selection.range_max)

    # The positives are passages of the corpus, so this encodes nothing while the next shard's queries are encoded.
    def finish(searched: tuple[list[MiningExample], Any]) -> tuple[Any, ShardStatistics]:
        mined = run_stages([*filters, sampler], miner.add(*searched))
        mined = filler.fill(mined) if selection.fill else mined
        rows = builder.run(examples=mined)["triplets"]
        return rows, shard_statistics(mined, wanted, least, scoring.scorer)

    shards = ExampleShards(data, split)
    with gc_frozen():
        rows, parts = zip(*pipelined(shards, lambda examples: (examples, miner.search(examples)), finish), strict=True)
    table = _concatenated(rows)
    values = {**bounds, **window, "near_duplicate": selection.near_duplicate}
    return table, completed(combined(parts), values, len(table), data.left_out)


def _concatenated(tables: Sequence[Any]) -> datasets.Dataset:
    import pyarrow as pa

    return arrow_dataset(pa.concat_tables([table.data.table for table in tables], promote_options="default"))
