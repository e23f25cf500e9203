"""Runs and judgements as mappings, made from hits and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.datasets.rows import Qrel
from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.search.hits import Hits

Run = Mapping[str, Mapping[str, float]]
"""Query id → passage id → score; larger is better."""

Qrels = Mapping[str, Mapping[str, int]]
"""Query id → passage id → grade; 0 is not relevant."""

PassageIds = Callable[[NDArray[np.int64]], list[str]]
"""Rows of a corpus, shape ``(n,)`` → their ``n`` passage ids."""

# Hits whose ids are looked up at once.
_ID_BLOCK = 100_000


def ranking(results: Mapping[str, float], query: str) -> list[str]:
    """Return the passage ids of one query, best first.

    :param results: Passage id → score.
    :param query: Id of the query, for the message.
    :returns: Ids by descending score; equal scores keep the order of the mapping.
    :raises EvaluationError: When a score is NaN, which has no place in an order.
    """
    broken = [passage for passage, value in results.items() if isnan(value)]
    if broken:
        msg = f"query {query!r}: the score of passage {broken[0]!r} is not a number"
        raise EvaluationError(msg)
    return sorted(results, key=lambda passage: -results[passage])


def hits_to_run(hits: Hits, query_ids: Sequence[str], passage_ids: PassageIds) -> dict[str, dict[str, float]]:
    """Turn hits into a run.

    :param hits: Rows and scores, shape ``(queries, k)``.
    :param query_ids: Ids of the queries, in the order of the hits.
    :param passage_ids: Gives the ids of corpus rows.
    :returns: A run whose mappings are in the order of the hits; a query without hits has an empty mapping.
    :raises EvaluationError: When ids and hits differ in number, or an id occurs twice for one query or as a query.
    """
    if len(query_ids) != len(hits.rows):
        msg = f"expected the hits of {len(query_ids)} queries, got {len(hits.rows)}"
        raise EvaluationError(msg)
    valid = hits.rows >= 0
    rows, scores = hits.rows[valid], hits.scores[valid].tolist()
    ids: list[str] = []
    for start in range(0, len(rows), _ID_BLOCK):
        ids.extend(passage_ids(rows[start : start + _ID_BLOCK]))
    run: dict[str, dict[str, float]] = {}
    end = 0
    for query, count in zip(query_ids, valid.sum(axis=1).tolist(), strict=True):
        start, end = end, end + count
        results = dict(zip(ids[start:end], scores[start:end], strict=True))
        if len(results) != count or query in run:
            msg = f"query {query!r} occurs twice, or one of its {count} hits has the same passage id as another"
            raise EvaluationError(msg)
        run[query] = results
    return run


def qrels_of(judgements: Iterable[Qrel]) -> dict[str, dict[str, int]]:
    """Collect judgements.

    :param judgements: Rows of one split, in any order.
    :returns: Query id → passage id → grade, in the order of the rows.
    :raises EvaluationError: When one pair has two different grades.
    """
    qrels: dict[str, dict[str, int]] = {}
    for judgement in judgements:
        grades = qrels.setdefault(judgement.query_id, {})
        known = grades.setdefault(judgement.passage_id, judgement.grade)
        if known != judgement.grade:
            msg = (
                f"query {judgement.query_id!r} and passage {judgement.passage_id!r} "
                f"have two grades, {known} and {judgement.grade}"
            )
            raise EvaluationError(msg)
    return qrels
