"""Dropping candidates that a cross-encoder scores too near the positive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from haystack import component

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.positive_aware_filter import RULES, PositiveAwareFilter, check_a_rule_is_on
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.mining.passages import passage_text
from hardneg_plugin.mining.replay import stored_scores
from hardneg_plugin.mining.score_columns import Reference
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.scores import with_scores
from hardneg_plugin.search.load_failure import load_failure
from hardneg_plugin.validation import Count, Name, NotNegative

_NAME = "CrossEncoderFilter"
_DECIMALS = 4


@component
class CrossEncoderFilter(StageComponent):
    """Scores every kept candidate and every positive by a cross-encoder, and drops candidates too near the positive.

    A cross-encoder reads query and passage together: slower than a dual encoder and nearer to a judgement (Qu et al.,
    2021, RocketQA, drop by it what a dual encoder took for hard). The pairs of all examples are scored together, in
    batches of like length, whichever query they belong to. Scores are the model's logits to four decimals; they stay in
    the examples under ``scorer``, so a :class:`~hardneg_plugin.PositiveAwareFilter` can apply another margin without
    the model.

    Reasons are those of ``PositiveAwareFilter``: ``margin: absolute``, ``margin: relative``, ``score: above max``,
    ``score: below min``, ``margin: no positive``.

    ### Usage example

    ```python
    from hardneg_plugin import CrossEncoderFilter

    judge = CrossEncoderFilter(model="cross-encoder/ms-marco-MiniLM-L6-v2", absolute_margin=3.0)
    examples = judge.run(examples=examples)["examples"]
    ```

    :param model: Folder or hub id of a cross-encoder with one output; no remote code is run.
    :param scorer: Name under which the scores are kept; None is ``cross-encoder:`` and the model's name.
    :param absolute_margin: What a candidate must stay below the positive at least, in logits; 3 is what
        sentence-transformers' MS MARCO training takes.
    :param relative_margin: Share of the positive's score that a candidate must stay below it; None is no such rule.
    :param max_score: Highest score that is kept.
    :param min_score: Lowest score that is kept.
    :param reference: Which of several positives counts: ``max`` or ``min``.
    :param batch_size: Pairs per forward pass.
    :param max_length: Tokens after which a pair is cut; None keeps the model's own limit.
    :param device: Such as ``cuda:0``; None takes the best there is.
    :raises ParameterError: If a number is out of range, no rule is on, or ``model`` is no name.
    """

    version: ClassVar[int] = 1
    replayable: ClassVar[tuple[str, ...]] = RULES

    def __init__(
        self,
        model: Name,
        scorer: Name | None = None,
        absolute_margin: NotNegative | None = 3.0,
        relative_margin: NotNegative | None = None,
        max_score: float | None = None,
        min_score: float | None = None,
        reference: Reference = "max",
        batch_size: Count = 32,
        max_length: Count | None = None,
        device: str | None = None,
    ) -> None:
        check_a_rule_is_on(
            _NAME,
            relative_margin=relative_margin,
            absolute_margin=absolute_margin,
            max_score=max_score,
            min_score=min_score,
        )
        self.model = model
        self.scorer = scorer
        self.absolute_margin = absolute_margin
        self.relative_margin = relative_margin
        self.max_score = max_score
        self.min_score = min_score
        self.reference = reference
        self.batch_size = batch_size
        self.max_length = max_length
        self.device = device
        self._rules = PositiveAwareFilter(
            scorer=self.scorer_name,
            relative_margin=relative_margin,
            absolute_margin=absolute_margin,
            max_score=max_score,
            min_score=min_score,
            reference=reference,
        )
        self._encoder: Any = None

    @property
    def scorer_name(self) -> str:
        """Name under which the scores are kept."""
        folder = Path(self.model).expanduser()
        return self.scorer or f"cross-encoder:{folder.resolve().name if folder.is_dir() else self.model}"

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return [self.scorer_name]

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result."""
        return ["batch_size", "device"]

    def warm_up(self) -> None:
        """Load the model.

        :raises ParameterError: If it cannot be loaded, or has several outputs.
        """
        if self._encoder is None:
            self._encoder = _load(self.model, self.max_length, self.device)

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with scores, whose candidates too near a positive are dropped.
        :raises RecordError: If scores of that name are there already.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        self.warm_up()
        return self._rules.run(examples=with_table(examples, self._scored(examples, table)))

    def replay(self, examples: list[MiningExample], stored: CandidateTable) -> dict[str, list[MiningExample]]:
        """Filter by the scores that an earlier run left, without the model.

        :param examples: Examples as they reach this filter now.
        :param stored: Their candidates behind the earlier run.
        :raises RecordError: If a kept candidate has no stored score.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        scored = stored_scores(_NAME, table, stored, self.scorer_name)
        return self._rules.run(examples=with_table(examples, scored))

    def _scored(self, examples: list[MiningExample], table: CandidateTable) -> CandidateTable:
        kept = np.flatnonzero(table.kept)
        queries = [example.query for example in examples]
        pairs = [
            (queries[position], passage_text(table, passage))
            for position, passage in zip(table.example_index[kept].tolist(), table.passages[kept].tolist(), strict=True)
        ]
        pairs += [(example.query, document.content or "") for example in examples for document in example.positives]
        # One pair is scored once, however many rows it stands in.
        numbers = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
        scores = _scores(self._encoder, list(numbers), self.batch_size)
        values = scores[[numbers[pair] for pair in pairs]]
        column = np.full(len(table.passages), np.nan, dtype=np.float32)
        column[kept] = values[: len(kept)]
        return with_scores(table, self.scorer_name, column, values[len(kept) :])


def _load(model: str, max_length: int | None, device: str | None) -> Any:
    from sentence_transformers import CrossEncoder

    folder = Path(model).expanduser()
    local = folder.is_dir()
    try:
        loaded = CrossEncoder(
            str(folder) if local else model, max_length=max_length, device=device, local_files_only=local
        )
    except (OSError, ValueError, KeyError) as error:
        msg = f"{_NAME}: no cross-encoder can be loaded from {model!r}: {load_failure(error)}"
        raise ParameterError(msg) from error
    if loaded.num_labels != 1:
        msg = f"{_NAME}: {model!r} has {loaded.num_labels} outputs, expected one score"
        raise ParameterError(msg)
    return loaded


def _scores(model: Any, pairs: list[tuple[str, str]], batch_size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    import torch

    scores = model.predict(pairs, batch_size=batch_size, show_progress_bar=False, activation_fn=torch.nn.Identity())
    # What else is in a batch changes the last bits.
    return np.round(np.asarray(scores, dtype=np.float64).reshape(len(pairs)), _DECIMALS).astype(np.float32)
