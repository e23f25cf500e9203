"""Collate rows to the features that the losses of sentence-transformers take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hardneg_plugin.training.columns import ANCHOR, POSITIVE
from hardneg_plugin.training.encoders import PASSAGE_ROUTE, QUERY_ROUTE
from hardneg_plugin.training.prompts import PASSAGE, QUERY
from hardneg_plugin.training.scores import TeacherScores

if TYPE_CHECKING:
    import torch


class Negatives(Protocol):
    """Locations of the negatives of each row."""

    def negatives_of(self, row: Mapping[str, Any]) -> list[str]:
        """Return the negatives that a row has."""


Preprocess = Callable[..., Mapping[str, Any]]
LABEL = "label"  # where the trainer of sentence-transformers looks for what a loss learns


class TextCollator:
    """Tokenise the anchors, positives and negatives of a batch, and nothing else of its rows.

    With the same number of negatives in every row, each becomes a feature of its own (``negative_1 ... negative_n``),
    as sentence-transformers does it. Joined, all negatives of the batch become one feature of any length: a ranking
    loss concatenates its document features anyway, so the softmax runs over the same set and no negative is lost or
    padded.

    :param preprocess: Tokenises texts; ``SentenceTransformer.preprocess``.
    :param columns: Where the texts are.
    :param joined: Whether all negatives of a batch become one feature.
    :param prompts: Texts to put before every ``query`` and before every ``passage``; empty for none.
    :param routed: Whether queries and passages are read by encoders of their own.
    :param scores: Where the teacher's scores are, for a loss that learns them.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        columns: Negatives,
        *,
        joined: bool,
        prompts: Mapping[str, str] | None = None,
        routed: bool = False,
        scores: TeacherScores | None = None,
    ) -> None:
        # The trainer of sentence-transformers asks its collator which columns are labels: none.
        self.valid_label_columns: list[str] = []
        self._preprocess = preprocess
        self._columns = columns
        self._joined = joined
        self._prompts = prompts or {}
        self._routed = routed
        self._scores = scores

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return ``{feature}_{key}`` for every feature and every key of the tokeniser's output, the anchor first.

        With scores, ``label`` holds the teacher's margins: shape ``(rows, most negatives of a row)``, NaN where a row
        has fewer.
        """
        batch = self._features(ANCHOR, [row[ANCHOR] for row in rows], QUERY, QUERY_ROUTE)
        for feature, texts in self._passages(rows).items():
            batch |= self._features(feature, texts, PASSAGE, PASSAGE_ROUTE)
        if self._scores is not None:
            batch[LABEL] = _padded([self._scores.margins_of(row) for row in rows])
        return batch

    def _passages(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
        passages = {POSITIVE: [row[POSITIVE] for row in rows]}
        negatives = [self._columns.negatives_of(row) for row in rows]
        if self._joined:
            if together := [text for row in negatives for text in row]:
                passages["negative"] = together
        else:
            for number, column in enumerate(zip(*negatives, strict=True), start=1):
                passages[f"negative_{number}"] = list(column)
        return passages

    def _features(self, feature: str, texts: list[str], kind: str, route: str) -> dict[str, Any]:
        task = {"task": route} if self._routed else {}
        tokenised = self._preprocess(texts, prompt=self._prompts.get(kind) or None, **task)
        return {f"{feature}_{key}": value for key, value in tokenised.items()}


def _padded(margins: list[list[float]]) -> torch.Tensor:
    import torch

    width = max(map(len, margins))
    return torch.tensor([row + [torch.nan] * (width - len(row)) for row in margins])
