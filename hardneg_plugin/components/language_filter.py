"""Candidates in the language of the query, or in other languages."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from haystack import component

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.mining.passages import declared_language
from hardneg_plugin.records import MiningExample, table_of, with_table

Keep = Literal["same", "other"]


@component
class LanguageFilter(StageComponent):
    """Drops candidates by their language, in a corpus of several.

    Negatives in the query's own language teach what a passage says; negatives in others teach a multilingual model
    that the language of a passage is no sign of its relevance. Reason: ``language: other`` or ``language: same``. What
    a query or passage itself is written in is not guessed: where either carries no language, the candidate stays.

    ### Usage example

    ```python
    from hardneg_plugin import LanguageFilter

    examples = LanguageFilter(keep="same").run(examples=examples)["examples"]
    ```

    :param keep: ``same``: candidates in the example's language; ``other``: those in any other.
    :raises ParameterError: If ``keep`` is neither.
    """

    version: ClassVar[int] = 1

    def __init__(self, keep: Keep = "same") -> None:
        self.keep = keep

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number.
        :returns: ``examples``: new examples without candidates in a language that is not wanted.
        """
        table = table_of(examples)
        kept = np.flatnonzero(table.kept)
        codes: dict[str, int] = {"": 0}
        passages, position = np.unique(table.passages[kept], return_inverse=True)
        spoken = np.array(
            [codes.setdefault(declared_language(table, passage), len(codes)) for passage in passages.tolist()],
            dtype=np.int64,
        )
        asked = np.array([codes.setdefault(example.language, len(codes)) for example in examples], dtype=np.int64)
        candidate, query = spoken[position], asked[table.example_index[kept]]
        unwanted = (candidate != query) if self.keep == "same" else (candidate == query)
        mask = np.zeros(len(table.passages), dtype=bool)
        mask[kept[unwanted & (candidate > 0) & (query > 0)]] = True
        return {"examples": with_table(examples, table.drop(mask, _reason(self.keep)))}


def _reason(keep: Keep) -> str:
    return "language: other" if keep == "same" else "language: same"
