"""From rows to the features that the losses of sentence-transformers take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardneg_plugin.training.columns import ANCHOR, POSITIVE, TrainingColumns

Preprocess = Callable[..., Mapping[str, Any]]


class TextCollator:
    """Tokenise the anchors, positives and negatives of a batch, and nothing else of its rows.

    With the same number of negatives in every row, each becomes a feature of its own (``negative_1 ... negative_n``),
    as sentence-transformers does it. With ragged rows, all negatives of the batch become one feature of any length: a
    ranking loss concatenates its document features anyway, so the softmax runs over the same set and no negative is
    lost or padded.

    :param preprocess: Tokenises texts; ``SentenceTransformer.preprocess``.
    :param columns: Where the texts are.
    :param ragged: Whether rows have different numbers of negatives.
    :param prompts: Text to put before every text, or one per role (``anchor``, ``positive``, ``negative``).
    """

    def __init__(
        self,
        preprocess: Preprocess,
        columns: TrainingColumns,
        *,
        ragged: bool,
        prompts: str | Mapping[str, str] | None = None,
    ) -> None:
        # The trainer of sentence-transformers asks its collator which columns are labels: none.
        self.valid_label_columns: list[str] = []
        self._preprocess = preprocess
        self._columns = columns
        self._ragged = ragged
        self._prompts = prompts

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return ``{feature}_{key}`` for every feature and every key of the tokeniser's output, the anchor first."""
        texts = {
            (ANCHOR, ANCHOR): [row[ANCHOR] for row in rows],
            (POSITIVE, POSITIVE): [row[POSITIVE] for row in rows],
        }
        negatives = [self._columns.negatives_of(row) for row in rows]
        if self._ragged:
            if together := [text for row in negatives for text in row]:
                texts["negative", "negative"] = together
        else:
            for number, column in enumerate(zip(*negatives, strict=True), start=1):
                texts["negative", f"negative_{number}"] = list(column)
        batch: dict[str, Any] = {}
        for (role, feature), values in texts.items():
            tokenised = self._preprocess(values, prompt=self._prompt(role))
            batch |= {f"{feature}_{key}": value for key, value in tokenised.items()}
        return batch

    def _prompt(self, role: str) -> str | None:
        return self._prompts if isinstance(self._prompts, str) else (self._prompts or {}).get(role)
