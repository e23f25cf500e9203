"""Base of the miners that search a corpus themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.corpus_parameter import OpenCorpus
from hardneg_plugin.components.named_hits import named_hits
from hardneg_plugin.components.released_stores import ReadsCorpus
from hardneg_plugin.records import CandidateTable, MiningExample, merge_source, table_of
from hardneg_plugin.text.equal_texts import EqualTexts


class CorpusMiner(ReadsCorpus, StageComponent):
    """Base of miners that add up to ``top_k`` passages of their corpus under the name ``source``."""

    top_k: int
    source: Any
    _open: OpenCorpus

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.top_k

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return str(self.source)

    def _forget(self) -> None:
        self._open.forget()

    def _merged(
        self, examples: list[MiningExample], rows: NDArray[np.int64], scores: NDArray[np.float32] | None = None
    ) -> CandidateTable:
        """Return the candidates of examples with what was found for them.

        :param examples: What it was found for.
        :param rows: Shape ``(examples, k)``: rows of distinct texts; -1 behind the last.
        :param scores: As ``rows``; None where nothing was scored.
        """
        corpus = self._open.corpus
        named = named_hits(rows, examples, corpus, EqualTexts.of(corpus))
        if scores is None:
            scores = np.full(rows.shape, np.nan, dtype=np.float32)
        return merge_source(table_of(examples), self.added_source, corpus, named, scores)
