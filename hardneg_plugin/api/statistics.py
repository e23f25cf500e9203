"""Statistics of one call of :func:`mine`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.records import CandidateTable

Floats = NDArray[np.float32]
_QUANTILES = {"min": 0.0, "25%": 0.25, "median": 0.5, "75%": 0.75, "max": 1.0}


@dataclass(frozen=True)
class MiningStatistics:
    """Counts and scores of one mining.

    :param queries: Queries mined for.
    :param pairs: Pairs of a query and a positive.
    :param candidates: Candidates found.
    :param negatives: Candidates kept as negatives.
    :param dropped: Reason → candidates dropped for it.
    :param short_queries: Queries with fewer negatives than asked for; their rows are kept.
    :param scores: ``positive``, ``negative`` and ``difference`` (of each negative to its query's lowest positive) →
        mean, std and quantiles; empty where nothing was scored.
    """

    queries: int
    pairs: int
    candidates: int
    negatives: int
    dropped: Mapping[str, int]
    short_queries: int
    scores: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class ShardStatistics(NamedTuple):
    """The part of one shard, small enough to keep while the shard itself is let go."""

    queries: int
    pairs: int
    reasons: Counter[str]
    short_queries: int
    scores: Mapping[str, Floats]


def shard_statistics(table: CandidateTable, wanted: int, scorer: str | None) -> ShardStatistics:
    """Return the statistics of one shard.

    :param table: Candidates behind the sampler.
    :param wanted: Negatives asked for per query.
    :param scorer: Scorer whose scores are summarised, or None.
    """
    counts = np.bincount(table.dropped.codes, minlength=len(table.dropped.values))
    kept = np.bincount(table.example_index[table.kept], minlength=len(table))
    return ShardStatistics(
        queries=len(table),
        pairs=int(table.positive_offsets[-1]),
        reasons=Counter({reason: int(n) for reason, n in zip(table.dropped.values, counts, strict=True) if n}),
        short_queries=int((kept < wanted).sum()),
        scores=_scores(table, scorer) if scorer else {},
    )


def combined(shards: Sequence[ShardStatistics]) -> MiningStatistics:
    """Return the statistics of all shards together."""
    reasons = sum((shard.reasons for shard in shards), Counter[str]())
    negatives = reasons.pop("", 0)
    names = dict.fromkeys(name for shard in shards for name in shard.scores)
    scores = {name: np.concatenate([shard.scores[name] for shard in shards]) for name in names}
    return MiningStatistics(
        queries=sum(shard.queries for shard in shards),
        pairs=sum(shard.pairs for shard in shards),
        candidates=negatives + sum(reasons.values()),
        negatives=negatives,
        dropped=dict(sorted(reasons.items())),
        short_queries=sum(shard.short_queries for shard in shards),
        scores={name: _summary(values) for name, values in scores.items() if len(values)},
    )


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
