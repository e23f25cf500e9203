"""Dropping candidates that contain the answer: false negatives that need no model to be found."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from haystack import component

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.answers import contains_answer, is_telling

# Texts that are read from the corpus together.
_BLOCK = 10_000


@component
class AnswerMatchFilter(StageComponent):
    """Drops candidates that contain one of the example's answers, by DPR's rule (Karpukhin et al., 2020).

    A passage with the answer usually answers, but not always: on TyDi and XQuAD-R the rule finds 98 % of the known
    positives; how many true negatives it takes along depends on the answers, and a year or a country is in many texts.
    Examples without answers, and answers that tell nothing (yes, no, one character), drop nothing. Reason:
    ``answer: contained``.

    ### Usage example

    ```python
    from hardneg_plugin import AnswerMatchFilter

    examples = AnswerMatchFilter().run(examples=examples)["examples"]
    ```
    """

    version: ClassVar[int] = 1

    @staticmethod
    def depends_on() -> list[str]:
        """Return the fingerprint of the rules by which answers are looked for."""
        return [analysis_fingerprint()]

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number; texts are read 10,000 at a time.
        :returns: ``examples``: new examples whose candidates with an answer are dropped.
        """
        table = table_of(examples)
        return {"examples": with_table(examples, table.drop(self._answering(examples, table), "answer: contained"))}

    def _answering(self, examples: list[MiningExample], table: CandidateTable) -> np.ndarray:
        telling = np.array([any(map(is_telling, example.answers)) for example in examples], dtype=bool)
        answering = np.zeros(len(table.passages), dtype=bool)
        of_row = table.example_index
        rows = np.flatnonzero(table.kept & telling[of_row]) if len(examples) else np.zeros(0, dtype=np.int64)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            for row, text in zip(block.tolist(), passage_texts(table, table.passages[block]), strict=True):
                example = examples[of_row[row]]
                answering[row] = contains_answer(text, example.answers, example.language)
        return answering
