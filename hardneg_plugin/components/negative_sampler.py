"""Choosing the negatives among the candidates that are left."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xxhash
from annotated_types import Ge, Len
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent, lacking
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.mining.score_columns import candidate_scores, reference_scores
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.table import index_within_group
from hardneg_plugin.validation import Count, NotNegative, Words

Strategy = Literal["top", "random", "simans"]
Quotas = Annotated[dict[str, Annotated[int, Ge(0)]], Len(1), Words("a mapping of source to number")]
LAST = np.iinfo(np.int64).max
# The compiled loop inserts each row among the lowest so far: it pays for many rows of which few are kept.
COMPILED_FROM_ROWS, COMPILED_UP_TO = 50_000, 64
_FARTHEST = 1e100
Order = NDArray[np.int64] | NDArray[np.float64]


@component
class NegativeSampler(StageComponent):
    """Keeps a number of candidates per example and drops the rest with a reason.

    Ranks are those of retrieval: a window of 11 to 100 skips the first ten passages that were *retrieved*, whatever
    filters dropped among them. Reasons: ``rank window``, ``source quota`` and ``not sampled``.

    ### Usage example

    ```python
    from hardneg_plugin import NegativeSampler

    sampler = NegativeSampler(num_negatives=3, strategy="random", rank_from=11, rank_to=100, seed=7)
    examples = sampler.run(examples=examples)["examples"]
    mixed = NegativeSampler(num_negatives=4, quotas={"bm25": 2, "dense": 2})
    ```

    :param num_negatives: Candidates to keep per example; one with fewer keeps what it has.
    :param strategy: ``top`` takes the best ranks, and candidates without a rank last; ``random`` draws uniformly, by a
        hash of seed, example and passage, so that the draw depends neither on batch nor on the other candidates;
        ``simans`` draws without replacement by the same hash with weights ``exp(-a (s - s_positive - b)^2)`` (SimANS,
        Zhou et al., 2022): most often candidates that score like the positive plus ``b``.
    :param rank_from: First rank of the window, from 1.
    :param rank_to: Last rank of the window; None has no end.
    :param source: Source whose ranks count; None takes the best rank over all sources.
    :param seed: Seed of the random draw.
    :param scorer: Scores that ``simans`` weighs by, those of a dense miner or a filter such as ``PositiveAwareFilter``.
        Of several positives the best scored counts; an example
        without positives is drawn from uniformly.
    :param simans_a: How sharply the weight falls off, in one over the score's unit squared: 1 suits dot products of
        tens; cosines, a few tenths apart, need 100 or so.
    :param simans_b: Where the weight is highest: this much above the positive's score, below it where negative.
    :param quotas: Source → most candidates it may give; every source must be named. A candidate of several sources
        counts for the first of them in this order. The best of each source by ``strategy`` are taken; those without a
        source have no quota.
    :raises ParameterError: If a parameter is out of range, or ``simans`` has no ``scorer``.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        num_negatives: Count = 3,
        strategy: Strategy = "top",
        rank_from: Count = 1,
        rank_to: Count | None = None,
        source: str | None = None,
        seed: int = 0,
        scorer: str | None = None,
        simans_a: NotNegative = 1.0,
        simans_b: float = 0.0,
        quotas: Quotas | None = None,
    ) -> None:
        if rank_to is not None and rank_to < rank_from:
            msg = f"NegativeSampler: the window ends (rank_to={rank_to}) before it starts (rank_from={rank_from})"
            raise ParameterError(msg)
        if strategy == "simans" and not scorer:
            msg = "NegativeSampler: strategy simans weighs candidates by a score; name it with scorer"
            raise ParameterError(msg)
        self.num_negatives = num_negatives
        self.strategy = strategy
        self.rank_from = rank_from
        self.rank_to = rank_to
        self.source = source
        self.seed = seed
        self.scorer = scorer
        self.simans_a = simans_a
        self.simans_b = simans_b
        self.quotas = quotas

    def unmet(self, sources: list[str], scorers: list[str]) -> dict[str, str]:
        """Return parameter → what it asks for that the stages before do not write."""
        asked = {"source": lacking("source", self.source, sources)} if self.source is not None else {}
        if self.strategy == "simans" and self.scorer is not None:
            asked["scorer"] = lacking("scorer", self.scorer, scorers)
        if self.quotas is not None:
            unnamed = [source for source in sources if source not in self.quotas]
            asked["quotas"] = f"it must name every source; {', '.join(unnamed)} is not there" if unnamed else ""
            asked |= {f"quotas.{source}": lacking("source", source, sources) for source in self.quotas}
        return {name: message for name, message in asked.items() if message}

    def kept_candidates(self, candidates: int) -> int:
        """Return the most candidates of an example that are left of so many."""
        return min(candidates, self.num_negatives)

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result: what was sampled stays valid when they do."""
        return ["seed"] if self.strategy == "top" else []

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Sample.

        :param examples: Any number.
        :returns: ``examples``: new examples with at most ``num_negatives`` kept candidates.
        :raises RecordError: If ``source`` is none of the candidates' sources, ``quotas`` does not name one of them,
            or a candidate or positive has no score by ``scorer``.
        """
        table = table_of(examples)
        ranks = self._ranks(table)
        outside = (ranks < self.rank_from) | (ranks > (self.rank_to or LAST))
        # A generated passage has no rank; a window cannot speak about it.
        table = table.drop(outside & (ranks > 0) if self.source is None else outside, "rank window")
        order = self._order(examples, table, ranks)
        if self.quotas is not None:
            table = table.drop(over_quota(table, order, self.quotas), "source quota")
        chosen = top_n_per_group(table, mask_last(table.kept, order), self.num_negatives)
        return {"examples": with_table(examples, table.drop(~chosen, "not sampled"))}

    def _order(self, examples: list[MiningExample], table: CandidateTable, ranks: NDArray[np.int64]) -> Order:
        """Return a number per row: the lower, the sooner it is taken."""
        if self.strategy == "top":
            return np.where(ranks > 0, ranks, LAST - 1)
        draw = _draw(examples, table, self.seed)
        if self.strategy == "random":
            return draw
        assert self.scorer is not None
        names = ("NegativeSampler", examples, table, self.scorer)
        scores = candidate_scores(*names, "mine or filter with a model first")
        positive = reference_scores(*names, "max")[table.example_index]
        return simans_order(draw, scores - positive, self.simans_a, self.simans_b)

    def _ranks(self, table: CandidateTable) -> NDArray[np.int64]:
        if not len(table.passages):
            return np.zeros(0, dtype=np.int64)
        return table.best_rank(self.source).astype(np.int64)


def top_n_per_group(table: CandidateTable, order: Order, number: int) -> NDArray[np.bool_]:
    """Return a mask of the ``number`` lowest rows of each example by ``order``; equal ones by position."""
    mask = np.zeros(len(order), dtype=bool)
    if len(order) < COMPILED_FROM_ROWS or number > COMPILED_UP_TO:
        mask[table.ordered_by(order)[index_within_group(table.offsets) < number]] = True
        return mask
    from hardneg_plugin.mining.table_kernels import mark_first

    mark_first(order, table.offsets, number, mask)
    return mask


def mask_last(mask: NDArray[np.bool_], order: Order) -> Order:
    """Put the rows outside a mask behind all others."""
    return np.where(mask, order, np.inf if order.dtype.kind == "f" else LAST)


def simans_order(draw: NDArray[np.int64], gap: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Order candidates so that the first ``k`` are a weighted draw without replacement (Gumbel top-k, Vieira, 2014).

    :param draw: Pseudo-random numbers of 62 bits, shape ``(m,)``.
    :param gap: Score of the candidate less that of the positive, same shape; NaN counts as 0.
    :param a: How sharply the weight ``exp(-a (gap - b)^2)`` falls off.
    :param b: Gap of the highest weight.
    :returns: Shape ``(m,)``; the lower, the sooner it is drawn.
    """
    uniform = (draw.astype(np.float64) + 0.5) / 2.0**62
    gumbel = -np.log(-np.log(np.clip(uniform, 2.0**-63, 1 - 2.0**-53)))
    # An infinite square times a weight of 0 would have no place in the order.
    off = np.clip(np.nan_to_num(gap) - b, -_FARTHEST, _FARTHEST)
    # Not infinite either: that is the place of those that are not to be drawn.
    with np.errstate(over="ignore"):
        return np.minimum(a * np.square(off) - gumbel, np.finfo(np.float64).max)


def over_quota(table: CandidateTable, order: Order, quotas: dict[str, int]) -> NDArray[np.bool_]:
    """Return a mask of the kept rows that are more than their source may give.

    :param table: ``m`` candidates.
    :param order: Shape ``(m,)``; the lower, the sooner a candidate is taken.
    :param quotas: Source → most candidates of each example.
    :raises RecordError: If a source of kept candidates is not named.
    """
    unnamed = [name for name, ranks in table.ranks.items() if name not in quotas and (ranks[table.kept] > 0).any()]
    if unnamed:
        msg = f"NegativeSampler: quotas must name every source; {', '.join(unnamed)} found candidates and are not there"
        raise RecordError(msg)
    over = np.zeros(len(table.passages), dtype=bool)
    counted = ~table.kept
    for source, most in quotas.items():
        own = ~counted & (table.ranks[source] > 0) if source in table.ranks else np.zeros_like(over)
        over |= own & ~top_n_per_group(table, mask_last(own, order), most)
        counted |= own
    return over


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
