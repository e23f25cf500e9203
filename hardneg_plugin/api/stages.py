"""The stages of one call to mine: what searches, what filters, and what makes rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import MiningExample

DENSE, CROSS_ENCODER = "dense", "cross-encoder"
BOUNDS = ("relative_margin", "absolute_margin", "max_score", "min_score")


class Scoring(NamedTuple):
    """The models that search and score.

    :param model: Model that searches; None searches by BM25.
    :param cross_encoder: Model that scores what was found; None leaves that to the search.
    :param query_prompt: Put before queries.
    :param corpus_prompt: Put before passages.
    :param batch_size: Texts or pairs a model reads at a time.
    """

    model: Any
    cross_encoder: str | None
    query_prompt: str | None
    corpus_prompt: str | None
    batch_size: int

    @property
    def scorer(self) -> str | None:
        """Name of the scores that margins compare; None without a model."""
        if self.cross_encoder is not None:
            return CROSS_ENCODER
        return None if self.model is None else DENSE


def check_call(scoring: Scoring, bounds: Mapping[str, float | None], scores: bool, window: tuple[int, int]) -> None:
    """Check what no stage can check alone.

    :param scoring: What searches and scores.
    :param bounds: Margins and bounds of scores.
    :param scores: Whether scores are written.
    :param window: ``range_min`` and ``range_max``.
    :raises ParameterError: If parameters do not fit together.
    """
    if scoring.scorer is None and (scores or any(bound is not None for bound in bounds.values())):
        msg = "mine: margins, score bounds and output_scores compare scores of a model; give one"
        raise ParameterError(msg)
    given = [name for name in ("query_prompt", "corpus_prompt") if getattr(scoring, name) is not None]
    if scoring.model is None and given:
        msg = f"mine: {' and '.join(given)}: BM25 reads no prompt; give a model"
        raise ParameterError(msg)
    low, high = window
    if not 0 <= low < high:
        msg = f"mine: expected 0 <= range_min < range_max, got range_min={low} and range_max={high}"
        raise ParameterError(msg)


def miner_of(scoring: Scoring, corpus: str) -> Callable[[int], Any]:
    """Return what makes the miner for a number of candidates per query.

    :param scoring: What searches.
    :param corpus: The corpus, as miners take it.
    """
    from hardneg_plugin.components import BM25NegativeMiner, DenseNegativeMiner

    if scoring.model is None:
        return lambda top_k: BM25NegativeMiner(corpus=corpus, top_k=top_k)
    return lambda top_k: DenseNegativeMiner(
        corpus=corpus,
        model=scoring.model,
        top_k=top_k,
        query_prompt=scoring.query_prompt,
        passage_prompt=scoring.corpus_prompt,
        batch_size=scoring.batch_size,
        source=DENSE,
    )


def filters_of(scoring: Scoring, bounds: Mapping[str, float | None], near_duplicate: float | None) -> list[Any]:
    """Return the filters, in their order.

    :param scoring: What scores.
    :param bounds: Margins and bounds of scores; a cross-encoder without any has its filter's own margin.
    :param near_duplicate: Lowest similarity to a positive that makes a candidate a copy of it.
    """
    from hardneg_plugin.components import CrossEncoderFilter, KnownPositiveFilter, PositiveAwareFilter

    known: list[Any] = [KnownPositiveFilter(near_duplicate=near_duplicate)]
    given = any(bound is not None for bound in bounds.values())
    if scoring.cross_encoder is not None:
        rules: dict[str, Any] = dict(bounds) if given else {}
        judge = CrossEncoderFilter(scoring.cross_encoder, scorer=CROSS_ENCODER, batch_size=scoring.batch_size, **rules)
        return [*known, judge]
    margins: dict[str, Any] = dict(bounds)
    return [*known, PositiveAwareFilter(scorer=DENSE, **margins)] if given else known


def run_stages(stages: Sequence[Any], examples: list[MiningExample]) -> list[MiningExample]:
    """Return the examples behind some components, each run on what the one before returned."""
    for stage in stages:
        examples = stage.run(examples=examples)["examples"]
    return examples
