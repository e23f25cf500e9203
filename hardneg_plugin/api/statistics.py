"""Statistics of one call of :func:`mine`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.api.hints import hints
from hardneg_plugin.records import CandidateTable, MiningExample, table_of

Floats = NDArray[np.float32]
_QUANTILES = {"min": 0.0, "25%": 0.25, "median": 0.5, "75%": 0.75, "max": 1.0}


class LeftOut(NamedTuple):
    """A query without rows.

    :param id: Its id.
    :param query: Its text.
    :param reason: ``nothing found``, or the reason that dropped most of its candidates.
    """

    id: str
    query: str
    reason: str


@dataclass(frozen=True)
class MiningStatistics:
    """Counts and scores of one mining.

    :param queries: Queries mined for.
    :param pairs: Pairs of a query and a positive.
    :param candidates: Candidates found.
    :param negatives: Candidates kept as negatives.
    :param dropped: Reason → candidates dropped for it.
    :param short_queries: Queries with fewer negatives than asked for.
    :param scores: ``positive``, ``negative`` and ``difference`` (of each negative to its query's lowest positive) →
        mean, std and quantiles; empty where nothing was scored.
    :param rows: Rows that were written.
    :param left_out: Reason → queries that have no row, since they have too few negatives for the shape.
    :param left_out_queries: Those queries.
    :param skipped: Part of the data → kind of fault → rows of the data that could not be used.
    :param hints: Lines for people: why queries were left out, and what would keep them.
    """

    queries: int
    pairs: int
    candidates: int
    negatives: int
    dropped: Mapping[str, int]
    short_queries: int
    scores: Mapping[str, Mapping[str, float]]
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    left_out_queries: tuple[LeftOut, ...] = ()
    skipped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hints: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = asdict(self)
        return {**found, "left_out_queries": [query._asdict() for query in self.left_out_queries]}


class ShardStatistics(NamedTuple):
    """The part of one shard, small enough to keep while the shard itself is let go."""

    queries: int
    pairs: int
    reasons: Counter[str]
    short_queries: int
    left_out: list[LeftOut]
    scores: Mapping[str, Floats]


def shard_statistics(examples: Sequence[MiningExample], wanted: int, least: int, scorer: str | None) -> ShardStatistics:
    """Return the statistics of one shard.

    :param examples: Examples behind the sampler.
    :param wanted: Negatives asked for per query.
    :param least: Negatives without which a query has no row.
    :param scorer: Scorer whose scores are summarised, or None.
    """
    table = table_of(examples)
    counts = np.bincount(table.dropped.codes, minlength=len(table.dropped.values))
    kept = np.bincount(table.example_index[table.kept], minlength=len(table))
    return ShardStatistics(
        queries=len(table),
        pairs=int(table.positive_offsets[-1]),
        reasons=Counter({reason: int(n) for reason, n in zip(table.dropped.values, counts, strict=True) if n}),
        short_queries=int((kept < wanted).sum()),
        left_out=[_left_out(examples[position], table, position) for position in np.flatnonzero(kept < least).tolist()],
        scores=_scores(table, scorer) if scorer is not None and scorer in table.positive_scores else {},
    )


def combined(shards: Sequence[ShardStatistics]) -> MiningStatistics:
    """Return the statistics of all shards together."""
    reasons = sum((shard.reasons for shard in shards), Counter[str]())
    negatives = reasons.pop("", 0)
    names = dict.fromkeys(name for shard in shards for name in shard.scores)
    scores = {name: np.concatenate([shard.scores[name] for shard in shards if shard.scores]) for name in names}
    left_out = tuple(query for shard in shards for query in shard.left_out)
    return MiningStatistics(
        queries=sum(shard.queries for shard in shards),
        pairs=sum(shard.pairs for shard in shards),
        candidates=negatives + sum(reasons.values()),
        negatives=negatives,
        dropped=dict(sorted(reasons.items())),
        short_queries=sum(shard.short_queries for shard in shards),
        scores={name: _summary(values) for name, values in scores.items() if len(values)},
        left_out=dict(sorted(Counter(query.reason for query in left_out).items())),
        left_out_queries=left_out,
    )


def completed(
    statistics: MiningStatistics,
    values: Mapping[str, float | None],
    rows: int,
    skipped: Mapping[str, Mapping[str, int]],
) -> MiningStatistics:
    """Return the statistics with what is known at the end.

    :param statistics: Those of all shards.
    :param values: Parameter → its value, for the hints.
    :param rows: Rows that were written.
    :param skipped: Part of the data → kind of fault → rows that could not be used.
    """
    left_out = len(statistics.left_out_queries)
    lines = hints(statistics.dropped, statistics.candidates, values, left_out, statistics.queries)
    return replace(statistics, rows=rows, skipped=dict(skipped), hints=lines)


def _left_out(example: MiningExample, table: CandidateTable, position: int) -> LeftOut:
    codes = table.dropped.codes[table.offsets[position] : table.offsets[position + 1]]
    reasons = Counter(table.dropped.values[code] for code in codes.tolist())
    reasons.pop("", None)
    reason = min(reasons, key=lambda name: (-reasons[name], name)) if reasons else "nothing found"
    return LeftOut(example.id, example.query, reason)


def _scores(table: CandidateTable, scorer: str) -> dict[str, Floats]:
    positives, starts = table.positive_scores[scorer], table.positive_offsets[:-1]
    scored = np.diff(table.positive_offsets) > 0
    lowest = np.full(len(table), np.nan, dtype=np.float32)
    if scored.any():
        lowest[scored] = np.minimum.reduceat(positives, starts[scored])
    kept = table.scores[scorer][table.kept]
    return {
        "positive": positives,
        "negative": kept,
        "difference": lowest[table.example_index[table.kept]] - kept,
    }


def _summary(values: Floats) -> dict[str, float]:
    quantiles = {name: float(np.quantile(values, share)) for name, share in _QUANTILES.items()}
    return {"mean": float(values.mean(dtype=np.float64)), "std": float(values.std(dtype=np.float64)), **quantiles}
