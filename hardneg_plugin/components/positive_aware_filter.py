"""Dropping candidates that score too near the positive: likely positives that nobody labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent, lacking
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.mining.replay import stored_scores
from hardneg_plugin.mining.score_columns import (
    Reference,
    candidate_scores,
    check_positives_score_high,
    reference_scores,
)
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.scores import with_scores
from hardneg_plugin.search.dense.embedding_store import StoredVectors, stored_embeddings
from hardneg_plugin.search.dense.pair_scores import score_pairs
from hardneg_plugin.search.encoder import DualEncoder, load_model
from hardneg_plugin.validation import Count, Name, NotNegative

_NAME = "PositiveAwareFilter"
# Parameters that are applied to scores, wherever these come from.
RULES = ("relative_margin", "absolute_margin", "max_score", "min_score", "reference")
_REMEDY = "set `model`, and one model scores the candidates of all sources"


@component
class PositiveAwareFilter(StageComponent):
    """Drops candidates whose score is too near the positive's, or above it (NV-Retriever, Moreira et al., 2024).

    The scores must come from one scorer for all candidates and positives: scores of different sources cannot be
    compared. Either ``model`` scores every candidate that is kept and every positive, by the model's own similarity and
    prompts, or ``scorer`` names scores that are there. The scores stay in the examples, so a later stage can apply
    another margin to them without any model. Larger scores must be better: distances, of which a margin would drop
    every candidate, are refused.

    Reasons: ``margin: relative``, ``margin: absolute``, ``score: above max``, ``score: below min``, and
    ``margin: no positive`` where an example has no positive to compare with.

    ### Usage example

    ```python
    from hardneg_plugin import PositiveAwareFilter

    keep_95 = PositiveAwareFilter(model="minishlab/potion-base-4M", relative_margin=0.05)
    examples = keep_95.run(examples=examples)["examples"]
    stricter = PositiveAwareFilter(scorer="model:minishlab/potion-base-4M", relative_margin=0.1)
    ```

    :param model: Folder or hub id of a sentence-transformers model that scores; no remote code is run.
    :param scorer: Name of the scores: those to use, or with ``model`` those to write (``model:`` and the model's
        name where None), which must not be there yet.
    :param relative_margin: Share of the positive's score that a candidate must stay below it: kept is
        ``score <= positive - |positive| * relative_margin``, for scores of either sign; None is no such rule.
    :param absolute_margin: What a candidate must stay below the positive at least, in the unit of the score.
    :param max_score: Highest score that is kept.
    :param min_score: Lowest score that is kept.
    :param reference: Which of several positives counts. ``max`` lets no wrongly labelled positive remove all
        negatives; ``min``, what sentence-transformers does, is the strictest.
    :param batch_size: Texts the model encodes at a time.
    :raises ParameterError: If a number is out of range, no rule is on, or neither ``model`` nor ``scorer`` is given.
    """

    version: ClassVar[int] = 1
    replayable: ClassVar[tuple[str, ...]] = RULES

    def __init__(
        self,
        model: Name | None = None,
        scorer: Name | None = None,
        relative_margin: NotNegative | None = 0.05,
        absolute_margin: NotNegative | None = None,
        max_score: float | None = None,
        min_score: float | None = None,
        reference: Reference = "max",
        batch_size: Count = 64,
    ) -> None:
        if model is None and scorer is None:
            msg = (
                f"{_NAME}: give `model`, which scores candidates and positives, or `scorer`, a score they have already"
            )
            raise ParameterError(msg)
        check_a_rule_is_on(
            _NAME,
            relative_margin=relative_margin,
            absolute_margin=absolute_margin,
            max_score=max_score,
            min_score=min_score,
        )
        self.model = model
        self.scorer = scorer
        self.relative_margin = relative_margin
        self.absolute_margin = absolute_margin
        self.max_score = max_score
        self.min_score = min_score
        self.reference = reference
        self.batch_size = batch_size
        self._encoder: DualEncoder | None = None
        self._expected = 0

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return [] if self.model is None else [self._scorer_name]

    def unmet(self, sources: list[str], scorers: list[str]) -> dict[str, str]:
        """Return parameter → what it asks for that the stages before do not write."""
        missing = "" if self.model is not None or self.scorer is None else lacking("scorer", self.scorer, scorers)
        return {"scorer": missing} if missing else {}

    def expect(self, examples: int) -> None:
        """Say how many examples will come, in this call and others.

        Where they will have more candidates than the corpus has passages, the corpus is encoded into the cache, once,
        and each call reads from there; otherwise each call encodes its own candidates.

        :param examples: Their number; 0 where it is not known.
        """
        self._expected = examples

    def warm_up(self) -> None:
        """Load the model, if there is one.

        :raises ParameterError: If it cannot be loaded.
        """
        if self.model is not None and self._encoder is None:
            self._encoder = DualEncoder(load_model(self.model))

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number; 10,000 passages are encoded at a time.
        :returns: ``examples``: new examples with scores, whose candidates too near a positive are dropped.
        :raises RecordError: If a kept candidate or a positive has no score by ``scorer``; with ``model``, if scores of
            that name are there already. Also if the scores by ``scorer`` put the positives below
            the candidates, as distances do.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        self.warm_up()
        if self._encoder is not None:
            stored = self._stored_vectors(self._encoder, table)
            table = _scored(self._encoder, examples, table, self._scorer_name, self.batch_size, stored)
        return {"examples": with_table(examples, self._without_near(examples, table))}

    def _stored_vectors(self, encoder: DualEncoder, table: CandidateTable) -> StoredVectors | None:
        """Return the vectors of the corpus where keeping them spares work over all examples that are expected."""
        if table.corpus is None:
            return None
        distinct = np.unique(table.passages[table.kept & (table.passages >= 0)])
        if len(distinct) * max(self._expected / len(table), 1) < len(table.corpus):
            return None
        return stored_embeddings(encoder, table.corpus, batch_size=self.batch_size)

    @property
    def _scorer_name(self) -> str:
        return self.scorer or f"model:{self.model}"

    def replay(self, examples: list[MiningExample], stored: CandidateTable) -> dict[str, list[MiningExample]]:
        """Filter by the scores that an earlier run left, without the model.

        :param examples: Examples as they reach this filter now.
        :param stored: Their candidates behind the earlier run.
        :raises RecordError: If a kept candidate has no stored score.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        if self.model is not None:
            table = stored_scores(_NAME, table, stored, self._scorer_name)
        return {"examples": with_table(examples, self._without_near(examples, table))}

    def _without_near(self, examples: list[MiningExample], table: CandidateTable) -> CandidateTable:
        scorer = self._scorer_name
        scores = candidate_scores(_NAME, examples, table, scorer, _REMEDY)
        if self.relative_margin is not None or self.absolute_margin is not None:
            references = reference_scores(_NAME, examples, table, scorer, self.reference)
            if self.model is None:
                check_positives_score_high(_NAME, table, scorer, scores, references)
            positive = references[table.example_index]
            table = table.drop(np.isnan(positive), "margin: no positive")
            if self.relative_margin is not None:
                table = table.drop(scores > positive - np.abs(positive) * self.relative_margin, "margin: relative")
            if self.absolute_margin is not None:
                table = table.drop(scores > positive - self.absolute_margin, "margin: absolute")
        if self.max_score is not None:
            table = table.drop(scores > self.max_score, "score: above max")
        if self.min_score is not None:
            table = table.drop(scores < self.min_score, "score: below min")
        return table


def check_a_rule_is_on(component: str, **rules: float | None) -> None:
    """Check that a filter by scores drops anything.

    :raises ParameterError: If all of its rules are None.
    """
    if all(value is None for value in rules.values()):
        msg = f"{component}: no rule is on; give one of {', '.join(rules)}"
        raise ParameterError(msg)


def _scored(
    model: DualEncoder,
    examples: Sequence[MiningExample],
    table: CandidateTable,
    scorer: str,
    batch_size: int,
    stored: StoredVectors | None,
) -> CandidateTable:
    """Return the table with the scores of its kept rows and of all positives."""
    kept = np.flatnonzero(table.kept)
    positives = [document.content or "" for example in examples for document in example.positives]
    # Positives are numbered behind the corpus; own documents are below 0.
    first = 0 if table.corpus is None else len(table.corpus)
    passages = np.concatenate([table.passages[kept], first + np.arange(len(positives), dtype=np.int64)])
    of_positive = np.repeat(np.arange(len(table), dtype=np.int64), np.diff(table.positive_offsets))
    queries = np.concatenate([table.example_index[kept], of_positive])

    def texts(numbers: NDArray[np.int64]) -> list[str]:
        mined = numbers[numbers < first]
        return passage_texts(table, mined) + [positives[n - first] for n in numbers[len(mined) :].tolist()]

    asked = [example.query for example in examples]
    values = score_pairs(model, asked, texts, (queries, passages), batch_size, stored)
    column = np.full(len(table.passages), np.nan, dtype=np.float32)
    column[kept] = values[: len(kept)]
    return with_scores(table, scorer, column, values[len(kept) :])
