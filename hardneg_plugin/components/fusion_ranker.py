"""Fusing the rankings of several miners into one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Predicate
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent, lacking
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.mining.score_columns import check_larger_better
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.table import index_within_group
from hardneg_plugin.validation import Name, NotNegative, Words

Method = Literal["reciprocal_rank", "score_sum"]
Doubles = NDArray[np.float64]
_NAME = "FusionRanker"


def _are_several(names: list[str]) -> bool:
    return len(set(names)) > 1


SeveralSources = Annotated[list[str], Predicate(_are_several), Words("a list of two or more names")]
Weights = Annotated[dict[str, NotNegative], Words("a mapping of source to number")]


@component
class FusionRanker(StageComponent):
    """Ranks the candidates of several miners together, as a further source that samplers and windows can name.

    ``reciprocal_rank`` adds ``weight / (k + rank)`` over the sources that found a candidate (Cormack, Clarke and
    Büttcher, 2009). ``score_sum`` adds each source's scores, scaled to 0 … 1 among its candidates of the example
    (Fox and Shaw, 1994); a source that did not find a candidate adds 0. It refuses scores that do not fall with the
    ranks, as distances. Candidates that were dropped keep their place, so that a window of ranks means the same
    whatever filters dropped; equal ones stand in their order.

    ### Usage example

    ```python
    from hardneg_plugin import FusionRanker, NegativeSampler

    examples = FusionRanker(sources=["bm25", "dense"]).run(examples=examples)["examples"]
    examples = NegativeSampler(num_negatives=4, source="fused").run(examples=examples)["examples"]
    ```

    :param sources: Sources to fuse; None takes all.
    :param method: How.
    :param k: Constant of ``reciprocal_rank``: the larger, the less the first ranks stand out.
    :param weights: Source → weight, 1 where it is not named.
    :param source: Name under which the fused ranks and scores are kept.
    :raises ParameterError: If a parameter is out of range, or a weight is for a source that is not fused.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        sources: SeveralSources | None = None,
        method: Method = "reciprocal_rank",
        k: NotNegative = 60,
        weights: Weights | None = None,
        source: Name = "fused",
    ) -> None:
        if sources is not None and (others := [name for name in weights or {} if name not in sources]):
            msg = f"{_NAME}: a source of weights must be one of {', '.join(sources)}; got {others[0]!r}"
            raise ParameterError(msg)
        self.sources = sources
        self.method = method
        self.k = k
        self.weights = weights
        self.source = source

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source

    def unmet(self, sources: list[str], scorers: list[str]) -> dict[str, str]:
        """Return parameter → what it asks for that the stages before do not write."""
        asked = {"sources": self.sources or [], "weights": list(self.weights or {})}
        found = {key: [lacking("source", name, sources) for name in names] for key, names in asked.items()}
        return {key: "; ".join(filter(None, messages)) for key, messages in found.items() if any(messages)}

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Fuse.

        :param examples: Any number.
        :returns: ``examples``: new examples whose candidates have a rank and a score by ``source``; those that none of
            the sources found have neither.
        :raises RecordError: If a source did not run, ``source`` is there already, or ``score_sum`` lacks a score or
            would add distances.
        """
        table = table_of(examples)
        if not len(table.passages):
            return {"examples": examples}
        names = self._names(table)
        found = np.any([table.ranks[name] > 0 for name in names], axis=0)
        scores = np.sum([self._weight(name) * self._values(table, name) for name in names], axis=0)
        ranks = np.empty(len(scores), np.int32)
        ranks[table.ordered_by(np.where(found, -scores, np.inf))] = index_within_group(table.offsets) + 1
        fused = replace(
            table,
            ranks={**table.ranks, self.source: np.where(found, ranks, 0).astype(np.int32)},
            source_scores={**table.source_scores, self.source: np.where(found, scores, np.nan).astype(np.float32)},
        )
        return {"examples": with_table(examples, fused)}

    def _names(self, table: CandidateTable) -> list[str]:
        if self.source in table.ranks:
            msg = f"{_NAME}: the candidates already have a source {self.source!r}; give another `source` name"
            raise RecordError(msg)
        names = list(table.ranks) if self.sources is None else self.sources
        if missing := [name for name in [*names, *(self.weights or {})] if name not in table.ranks]:
            msg = f"{_NAME}: no source {missing[0]!r} among the candidates; known sources: {', '.join(table.ranks)}"
            raise RecordError(msg)
        return names

    def _weight(self, name: str) -> float:
        return float((self.weights or {}).get(name, 1))

    def _values(self, table: CandidateTable, name: str) -> Doubles:
        """Return what a source adds to each candidate; 0 where it did not find it."""
        ranks = table.ranks[name]
        found = ranks > 0
        if self.method == "reciprocal_rank":
            return np.where(found, 1.0 / (self.k + np.maximum(ranks, 1)), 0.0)
        scores = table.source_scores[name].astype(np.float64)
        if np.isnan(scores[found]).any():
            msg = f"{_NAME}: source {name!r} has no scores to add; use reciprocal_rank"
            raise RecordError(msg)
        check_larger_better(_NAME, table, name, "use reciprocal_rank, or keep them as negative numbers")
        low, high = np.full(len(table), np.inf), np.full(len(table), -np.inf)
        np.minimum.at(low, table.example_index[found], scores[found])
        np.maximum.at(high, table.example_index[found], scores[found])
        span = (high - low)[table.example_index]
        # Where all are alike, each is as good as the best.
        scaled = np.divide(scores - low[table.example_index], span, out=np.ones_like(scores), where=span > 0)
        return np.where(found, scaled, 0.0)
