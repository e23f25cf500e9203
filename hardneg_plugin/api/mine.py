"""Hard negatives for a dataset, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from hardneg_plugin.api.inputs import read_dataset
from hardneg_plugin.api.mined_rows import Selection, mined_rows
from hardneg_plugin.api.stages import BOUNDS, Scoring, check_call
from hardneg_plugin.api.statistics import MiningStatistics
from hardneg_plugin.datasets.memory import SPLIT
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.garbage_collector import gc_frozen

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer

OutputFormat = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
OnFewNegatives = Literal["drop", "fill", "keep"]


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
    qrels: Any = None,
    cross_encoder: str | None = None,
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
    on_few_negatives: OnFewNegatives = "drop",
    output_scores: bool = False,
    batch_size: int = 32,
    seed: int = 0,
    split: str = SPLIT,
    on_bad_row: Literal["error", "skip"] = "error",
) -> MiningResult:
    """Mine hard negatives with a model, or by BM25 without one.

    The known positives of a query, their near-copies and the query itself never become its negatives; every row can be
    trained on by sentence-transformers' own trainer; the same call gives the same rows.

    >>> rows, statistics = mine(pairs, "models/e5", num_negatives=5, relative_margin=0.05, output_format="n-tuple")
    >>> statistics.hints  # why queries have no rows, and what would keep them

    :param dataset: Pairs: a ``datasets.Dataset``, a data frame, a list of dicts, or a dataset spec or file. Columns are
        found by the names that such files use (``query``, ``anchor``, ``positive``, ``passage``, …); where no column
        has one, the first is the query and the second the positive. With ``corpus`` and ``qrels``: queries as id → text
        or a table with an id and a text column.
    :param model: ``SentenceTransformer``, folder or hub id; None mines by BM25.
    :param corpus: Further passages, or with ``qrels`` all of them: a list of texts or of dicts, id → text,
        id → ``{"title", "text"}``, a table with a column ``text``, a column, series or array, the path of a file, or a
        Haystack document store.
    :param qrels: Query id → passage id → grade, query id → relevant passage ids, a table with ``query-id``,
        ``corpus-id`` and, where grades differ, ``score``; or the path of a file of one.
    :param cross_encoder: Folder or hub id of a cross-encoder: its scores are what margins and bounds compare, and what
        is written. Without a margin or bound a candidate must stay 3 below its positive.
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
    :param on_few_negatives: What becomes of queries with fewer negatives than the shape has places for (an ``n-tuple``
        has ``num_negatives``, a ``triplet`` and a ``labeled-list`` one): ``drop`` leaves them out and counts them;
        ``fill`` mines them deeper, then draws passages at random that pass the same filters, up to ``num_negatives``,
        and leaves out what is still short; ``keep`` writes them with None in the empty places, for hardneg's own
        trainer.
    :param output_scores: Write the model's scores of positives and negatives.
    :param batch_size: Texts the model encodes at a time.
    :param seed: Seed of the random draw.
    :param split: Split of a dataset spec.
    :param on_bad_row: ``error`` stops at a row that cannot be used; ``skip`` leaves it out.
    :returns: The rows and the statistics.
    :raises ParameterError: If parameters do not fit together.
    :raises DatasetError: If the data cannot be read.
    """
    from hardneg_plugin.components import TripletBuilder

    if on_few_negatives not in get_args(OnFewNegatives):
        msg = f"mine: on_few_negatives must be one of {', '.join(get_args(OnFewNegatives))}; got {on_few_negatives!r}"
        raise ParameterError(msg)
    bounds = dict(zip(BOUNDS, (relative_margin, absolute_margin, max_score, min_score), strict=True))
    scoring = Scoring(model, cross_encoder, query_prompt, corpus_prompt, batch_size)
    check_call(scoring, bounds, output_scores, (range_min, range_max))
    builder = TripletBuilder(
        output_format,
        num_negatives,
        scores=scoring.scorer if output_scores else None,
        on_few_negatives="keep" if on_few_negatives == "keep" else "drop",
    )
    fill = on_few_negatives == "fill"
    selection = Selection(num_negatives, sampling_strategy, range_min, range_max, near_duplicate, fill, seed)
    with gc_frozen():
        data = read_dataset(dataset, corpus, qrels, (anchor_column_name, positive_column_name), on_bad_row)
        return MiningResult(*mined_rows(data, split, scoring, bounds, selection, builder))
