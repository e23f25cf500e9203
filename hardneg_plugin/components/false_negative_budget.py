"""Keeping so much that the rate of false negatives stays under a budget."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Lt
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.same_query import SameQuery
from hardneg_plugin.errors import EvaluationError, RecordError
from hardneg_plugin.evaluation.candidate_features import BUDGET_SCORER, CandidateFeatures
from hardneg_plugin.evaluation.false_negative_budget import BudgetChoice, choose_threshold, fewest_labels
from hardneg_plugin.evaluation.false_negative_model import CrossFittedClassifier
from hardneg_plugin.messages import tell
from hardneg_plugin.mining.candidate_labels import (
    VERDICTS,
    CandidateLabels,
    Unjudged,
    check_labels,
    labels_identity,
)
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.search.dense.search import Encoder
from hardneg_plugin.search.encoder import DualEncoder, load_model
from hardneg_plugin.validation import Count, Name

Unsupported = Literal["error", "drop"]
_NAME = "FalseNegativeBudget"
REASON = "over the false-negative budget"
# Examples whose numbers are held at once: 500,000 candidates of 50 numbers are 100 MB.
_BLOCK = 10_000


class Predictions(NamedTuple):
    """Predicted probabilities of kept candidates, and a person's labels of some.

    :param probability: P(false negative), shape ``(m,)``; NaN for candidates that were dropped before.
    :param labels: 1, 0 or NaN, same shape; NaN for those too.
    :param weights: Candidates that each label stands for.
    :param queries: Query id of each, same shape.
    """

    probability: NDArray[np.float64]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64]
    queries: NDArray[np.object_]

    def known(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str], NDArray[np.float64]]:
        """Return probabilities, labels, queries and weights of the labelled ones."""
        rows = ~np.isnan(self.labels)
        return self.probability[rows], self.labels[rows] == 1, self.queries[rows].tolist(), self.weights[rows]


@component
class FalseNegativeBudget(StageComponent):
    """Keeps as many candidates as a rate of false negatives allows, with 95 % confidence, and says what that costs.

    A model of P(false negative) is fitted on labels of some candidates: by their scores and those of the positive,
    ranks, verdict and texts (:class:`~hardneg_plugin.evaluation.candidate_features.CandidateFeatures`). Every candidate
    is scored by a model that saw no label of its query. Kept are those up to the loosest P whose labelled candidates
    have an upper bound of the rate within the budget (:func:`~hardneg_plugin.evaluation.false_negative_budget.
    choose_threshold`). The rate is that among candidates like the labelled ones: of all where these were drawn from all
    (``hardneg calibrate`` draws such a sample), of the judged ones where labels are qrels, and with ``verdicts`` it is
    the judge's rate. P stays in the examples as the score ``budget``. Reason: ``over the false-negative budget``.

    ### Usage example

    ```python
    from hardneg_plugin import FalseNegativeBudget

    budget = FalseNegativeBudget(labels="labels.csv", rate=0.05)
    examples = budget.run(examples=examples)["examples"]
    ```

    :param labels: CSV file of labels (columns ``query_id``, ``passage_id``, ``label``), a dataset spec whose qrels are
        the labels, or ``verdicts``: what the judge said of some candidates is foretold for the others.
    :param rate: The budget: the highest share of false negatives among what is kept.
    :param if_unsupported: What happens where the labels are too few, or cannot show of any threshold that it keeps the
        budget: ``error``, or ``drop`` all candidates. They are never kept all the same.
    :param split: Split whose qrels are taken.
    :param relevance: Lowest grade of qrels that makes a candidate a false negative.
    :param unjudged: What a candidate is that the qrels of its query do not name: ``unknown``, or ``negative`` where
        they are exhaustive.
    :param texts: Whether the model sees how the texts overlap; without, nothing is read from the corpus.
    :param model: Folder or hub id of a sentence-transformers model that says how near candidates are to the positive;
        no remote code is run. None is no such number.
    :param seed: Seed of folds and models.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 2
    needs_all_examples = True

    def __init__(
        self,
        labels: Name,
        rate: Annotated[float, Gt(0), Lt(1)] = 0.05,
        if_unsupported: Unsupported = "error",
        split: str = "train",
        relevance: Count = 1,
        unjudged: Unjudged = "unknown",
        texts: bool = True,
        model: Name | None = None,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        check_labels(_NAME, labels, split)
        self.labels = labels
        self.rate = rate
        self.if_unsupported = if_unsupported
        self.split = split
        self.relevance = relevance
        self.unjudged = unjudged
        self.texts = texts
        self.model = model
        self.seed = seed
        self._encoder: Encoder | None = None

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return [BUDGET_SCORER]

    def warm_up(self) -> None:
        """Load the model, if there is one.

        :raises ParameterError: If it cannot be loaded.
        """
        if self.model is not None and self._encoder is None:
            self._encoder = DualEncoder(load_model(self.model))

    def identity_of_inputs(self) -> dict[str, object]:
        """Return parameter → what stands for it in a fingerprint: the labels that are in the file now.

        :raises DatasetError: If there is no such file or dataset.
        """
        return {"labels": labels_identity(self.labels, self.split)}

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Fit, choose and drop.

        :param examples: All examples: the labels of some decide over all.
        :returns: ``examples``: new examples with the score ``budget``, whose candidates over the budget are dropped.
        :raises DatasetError: If the labels cannot be read.
        :raises RecordError: If they cannot show of any threshold that it keeps the budget.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        examples = with_table(examples, table)
        try:
            foretold = self.predict_proba(examples)
            choice = self._choice(foretold)
        except EvaluationError as error:
            if self.if_unsupported == "error":
                msg = f"{_NAME}: {error}; if_unsupported: drop keeps nothing in place of this error"
                raise RecordError(msg) from error
            self._say(f"{error}: nothing is kept")
            return {"examples": with_table(examples, table.drop(table.kept, REASON))}
        over = table.kept & (foretold.probability > choice.threshold)
        self._report(table, foretold, choice, over)
        return {"examples": with_table(examples, _with_probability(table, foretold.probability).drop(over, REASON))}

    def predict_proba(self, examples: list[MiningExample]) -> Predictions:
        """Return P(false negative) of all kept candidates beside the labels.

        :param examples: All examples.
        :raises DatasetError: If the labels cannot be read.
        :raises EvaluationError: If they are too few for a model.
        """
        table = table_of(examples)
        examples = with_table(examples, table)
        labels, weights = CandidateLabels(self.labels, self.split, self.relevance, self.unjudged).of(examples, table)
        labels[~table.kept] = np.nan
        # Equal queries under several ids are one: none is foretold by a model that saw labels of another.
        group = SameQuery.of(examples).group[table.example_index]
        queries = np.array([example.id for example in examples], dtype=object)[group]
        self.warm_up()
        verdicts = self.labels != VERDICTS
        features = CandidateFeatures(examples, table, verdicts=verdicts, texts=self.texts, encoder=self._encoder)
        known = ~np.isnan(labels)
        numbers = [features.of(part, of_part, known[rows]) for part, of_part, rows in _blocks(examples, table)]
        model = CrossFittedClassifier(np.concatenate(numbers), labels[known] == 1, queries[known].tolist(), self.seed)
        probability = np.full(len(labels), np.nan)
        for part, of_part, rows in _blocks(examples, table):
            kept = table.kept[rows]
            if kept.any():
                values = model.probability(features.of(part, of_part, kept), queries[rows][kept].tolist())
                probability[rows][kept] = values
        return Predictions(probability, labels, weights, queries)

    def _choice(self, foretold: Predictions) -> BudgetChoice:
        probability, labels, queries, weights = foretold.known()
        choice = choose_threshold(probability, labels, queries, self.rate, weights)
        if choice is None:
            msg = (
                f"{len(labels):,} labels ({labels.mean():.1%} false negatives) cannot show that any part of the "
                f"candidates keeps a rate of {self.rate:.1%}: it takes {fewest_labels(self.rate):,} kept ones without "
                "any false negative, and several times as many with some; label more, or raise the budget"
            )
            raise EvaluationError(msg)
        return choice

    def _report(
        self, table: CandidateTable, foretold: Predictions, choice: BudgetChoice, over: NDArray[np.bool_]
    ) -> None:
        lost = float((1 - foretold.probability[over]).sum())
        share = lost / float((1 - foretold.probability[table.kept]).sum())
        rate_of = "judge's rate" if self.labels == VERDICTS else "rate of false negatives"
        self._say(
            f"keeps {int(table.kept.sum() - over.sum()):,} of {int(table.kept.sum()):,} candidates (P up to "
            f"{choice.threshold:.3f}): the {rate_of} is {choice.rate:.1%} among {choice.labelled:,} labelled ones, at "
            f"most {choice.upper:.1%} with 95 % confidence; it costs about {lost:,.0f} true negatives ({share:.1%})"
        )

    def _say(self, line: str) -> None:
        tell(_NAME, line, logging.INFO)


def _blocks(
    examples: list[MiningExample], table: CandidateTable
) -> Iterator[tuple[list[MiningExample], CandidateTable, slice]]:
    """Yield some examples at a time, their table, and their rows in the whole one."""
    for start in range(0, len(examples), _BLOCK):
        end = min(start + _BLOCK, len(examples))
        rows = slice(int(table.offsets[start]), int(table.offsets[end]))
        part = examples[start:end]
        own = table if end - start == len(examples) else table.select(np.arange(start, end, dtype=np.int64))
        yield with_table(part, own), own, rows


def _with_probability(table: CandidateTable, probability: NDArray[np.float64]) -> CandidateTable:
    """Return the table with P as a score; one of an earlier budget is replaced."""
    positives = np.full(int(table.positive_offsets[-1]), np.nan, dtype=np.float32)
    return replace(
        table,
        scores={**table.scores, BUDGET_SCORER: probability.astype(np.float32)},
        positive_scores={**table.positive_scores, BUDGET_SCORER: positives},
    )
