"""Hard negatives for a dataset, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hardneg_plugin.api.inputs import read_dataset
from hardneg_plugin.api.pipelined import pipelined
from hardneg_plugin.api.statistics import MiningStatistics, ShardStatistics, combined, shard_statistics
from hardneg_plugin.datasets import ExampleShards, RetrievalDataset
from hardneg_plugin.datasets.arrow_dataset import arrow_dataset
from hardneg_plugin.datasets.memory import SPLIT, Judgements
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.garbage_collector import gc_frozen
from hardneg_plugin.records import MiningExample, table_of

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer

_BOUNDS = ("relative_margin", "absolute_margin", "max_score", "min_score")
OutputFormat = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]


class MiningResult(NamedTuple):
    """Result of :func:`mine`.

    :param dataset: Rows for a sentence-transformers trainer.
    :param statistics: What was found, dropped and kept, and the scores.
    """

    dataset: datasets.Dataset
    statistics: MiningStatistics


def mine(
    dataset: datasets.Dataset | str | Any,
    model: SentenceTransformer | str | None = None,
    *,
    corpus: Any = None,
    qrels: Judgements | None = None,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    num_negatives: int = 3,
    range_min: int = 0,
    range_max: int = 100,
    sampling_strategy: Literal["top", "random"] = "top",
    relative_margin: float | None = None,
    absolute_margin: float | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    near_duplicate: float | None = 0.9,
    query_prompt: str | None = None,
    corpus_prompt: str | None = None,
    output_format: OutputFormat = "triplet",
    output_scores: bool = False,
    batch_size: int = 32,
    seed: int = 0,
    split: str = SPLIT,
    on_bad_row: Literal["error", "skip"] = "error",
) -> MiningResult:
    """Mine hard negatives with a model, or by BM25 without one.

    The known positives of a query, their near-copies and the query itself never become its negatives; a query with
    fewer negatives than asked for keeps its rows; the same call gives the same rows.

    >>> rows, statistics = mine(pairs, "models/e5", num_negatives=5, relative_margin=0.05, output_format="n-tuple")

    :param dataset: Pairs (first column: queries, second: positives, unless the columns are named); or a dataset spec;
        or, with ``corpus`` and ``qrels``, queries as id → text or a table with an id and a text column.
    :param model: ``SentenceTransformer``, folder or hub id; None mines by BM25.
    :param corpus: Further passages (a list of texts, id → text, or a table with a column ``text``), or with ``qrels``
        all passages as id → text or a table with an id and a text column; or either in a Haystack document store.
    :param qrels: Query id → passage id → grade, or query id → relevant passage ids.
    :param anchor_column_name: Column of the queries.
    :param positive_column_name: Column of the positives; a cell may hold a list of texts.
    :param num_negatives: Negatives per query.
    :param range_min: Best retrieval ranks to skip.
    :param range_max: Last retrieval rank to consider: the number of candidates per query.
    :param sampling_strategy: ``top`` or ``random``.
    :param relative_margin: Keep a candidate only if its score is at most the positive's less this share of its size.
    :param absolute_margin: Keep a candidate only if its score is at most the positive's less this.
    :param max_score: Highest score of a candidate.
    :param min_score: Lowest score of a candidate.
    :param near_duplicate: Lowest similarity to a positive that makes a candidate a copy of it; None compares whole
        texts.
    :param query_prompt: Put before queries.
    :param corpus_prompt: Put before passages.
    :param output_format: Shape of the rows, see :class:`~hardneg_plugin.TripletBuilder`.
    :param output_scores: Write the model's scores of positives and negatives.
    :param batch_size: Texts the model encodes at a time.
    :param seed: Seed of the random draw.
    :param split: Split of a dataset spec.
    :param on_bad_row: ``error`` stops at a row that cannot be used; ``skip`` leaves it out.
    :returns: The rows and the statistics.
    :raises ParameterError: If parameters do not fit together.
    :raises DatasetError: If the data cannot be read.
    """
    from hardneg_plugin.components import KnownPositiveFilter, NegativeSampler, TripletBuilder

    bounds = dict(zip(_BOUNDS, (relative_margin, absolute_margin, max_score, min_score), strict=True))
    _check(model, bounds, output_scores, range_min, range_max)
    with gc_frozen():
        data = read_dataset(dataset, corpus, qrels, (anchor_column_name, positive_column_name), on_bad_row)
        miner, scorer = _miner(data, model, range_max, query_prompt, corpus_prompt, batch_size)
        sampler = NegativeSampler(num_negatives, sampling_strategy, rank_from=range_min + 1, seed=seed)
        stages = [KnownPositiveFilter(near_duplicate=near_duplicate), *_margins(scorer, bounds), sampler]
        builder = TripletBuilder(shape=output_format, scores=scorer if output_scores else None)

        # The positives are passages of the corpus, so this encodes nothing while the next shard's queries are encoded.
        def finish(searched: tuple[list[MiningExample], Any]) -> tuple[Any, ShardStatistics]:
            mined = _run(stages, miner.add(*searched))
            rows = builder.run(examples=mined)["triplets"]
            return rows, shard_statistics(table_of(mined), num_negatives, scorer)

        shards = ExampleShards(data, split)
        with gc_frozen():
            rows, parts = zip(
                *pipelined(shards, lambda examples: (examples, miner.search(examples)), finish), strict=True
            )
    return MiningResult(_concatenated(rows), combined(parts))


def _check(model: Any, bounds: Mapping[str, float | None], scores: bool, range_min: int, range_max: int) -> None:
    if model is None and (scores or any(bound is not None for bound in bounds.values())):
        msg = "mine: margins, score bounds and output_scores compare scores of a model; give one"
        raise ParameterError(msg)
    if not 0 <= range_min < range_max:
        msg = f"mine: expected 0 <= range_min < range_max, got range_min={range_min} and range_max={range_max}"
        raise ParameterError(msg)


def _miner(
    data: RetrievalDataset, model: Any, top_k: int, query_prompt: str | None, corpus_prompt: str | None, batch_size: int
) -> tuple[Any, str | None]:
    from hardneg_plugin.components import BM25NegativeMiner, DenseNegativeMiner

    corpus = f"cache:{data.corpus.key}"
    if model is None:
        return BM25NegativeMiner(corpus=corpus, top_k=top_k), None
    miner = DenseNegativeMiner(
        corpus=corpus,
        model=model,
        top_k=top_k,
        query_prompt=query_prompt,
        passage_prompt=corpus_prompt,
        batch_size=batch_size,
        source="dense",
    )
    return miner, "dense"


def _margins(scorer: str | None, bounds: Mapping[str, float | None]) -> list[Any]:
    from hardneg_plugin.components import PositiveAwareFilter

    if scorer is None or all(bound is None for bound in bounds.values()):
        return []
    return [
        PositiveAwareFilter(
            scorer=scorer,
            relative_margin=bounds["relative_margin"],
            absolute_margin=bounds["absolute_margin"],
            max_score=bounds["max_score"],
            min_score=bounds["min_score"],
        )
    ]


def _run(stages: Sequence[Any], examples: list[MiningExample]) -> list[MiningExample]:
    for stage in stages:
        examples = stage.run(examples=examples)["examples"]
    return examples


def _concatenated(tables: Sequence[Any]) -> datasets.Dataset:
    import pyarrow as pa

    return arrow_dataset(pa.concat_tables([table.data.table for table in tables], promote_options="default"))
