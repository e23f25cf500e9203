"""Candidates drawn at random: the line every other miner has to beat."""

from __future__ import annotations

import random
from typing import ClassVar

import numpy as np
from haystack import component
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.components.corpus_parameter import check_corpus, open_corpus
from hardneg_plugin.components.parameters import at_least, source_name
from hardneg_plugin.components.released_stores import ReadsCorpus
from hardneg_plugin.records import Corpus, MiningExample, merge_source, table_of, with_table


@component
class RandomNegativeMiner(ReadsCorpus):
    """Adds distinct passages drawn uniformly from the corpus to each example's candidates.

    What is drawn for a query depends on the seed and the query's id alone, never on the batch it comes in.

    ### Usage example

    ```python
    from hardneg_plugin import RandomNegativeMiner

    examples = RandomNegativeMiner(corpus="sample", top_k=10, seed=7).run(examples=examples)["examples"]
    ```

    :param corpus: Dataset spec, or a Haystack document store.
    :param top_k: Candidates per query.
    :param seed: Seed of the draw.
    :param source: Name under which the rank is kept; there is no score.
    :raises ParameterError: If ``top_k`` is below 1, ``corpus`` is no corpus, or ``source`` is blank.
    """

    version: ClassVar[int] = 1
    needs_all_examples: ClassVar[bool] = False

    def __init__(self, corpus: str | DocumentStore, top_k: int = 10, seed: int = 0, source: str = "random") -> None:
        check_corpus("RandomNegativeMiner", corpus)
        at_least("RandomNegativeMiner", "top_k", top_k, 1)
        source_name("RandomNegativeMiner", source)
        self.corpus = corpus
        self.top_k = top_k
        self.seed = seed
        self.source = source
        self._corpus: Corpus | None = None

    def warm_up(self) -> None:
        """Open the corpus."""
        if self._corpus is None:
            self._corpus = open_corpus(self.corpus)

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: Any number.
        :returns: ``examples``: new examples with the source's candidates added.
        """
        if not examples:
            return {"examples": []}
        self.warm_up()
        assert self._corpus is not None
        size = len(self._corpus)
        depth = min(self.top_k, size)
        rows = np.array(
            [random.Random(f"{self.seed}:{example.id}").sample(range(size), depth) for example in examples],  # noqa: S311
            dtype=np.int64,
        )
        no_scores = np.full(rows.shape, np.nan, dtype=np.float32)
        table = merge_source(table_of(examples), self.source, self._corpus, rows, no_scores)
        return {"examples": with_table(examples, table)}
