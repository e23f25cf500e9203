"""Candidates drawn at random: the line every other miner has to beat."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
from haystack import component
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.components.corpus_miner import CorpusMiner
from hardneg_plugin.components.corpus_parameter import OpenCorpus, check_corpus
from hardneg_plugin.records import MiningExample, with_table
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.validation import Count, MetaKeys, Name


@component
class RandomNegativeMiner(CorpusMiner):
    """Adds passages of distinct texts drawn uniformly from the corpus to each example's candidates.

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
    :param filters: Haystack metadata filters that select documents of a store; None takes all.
    :param meta_fields: Keys of ``Document.meta`` that a store's passages keep, such as ``source_id``; None keeps none.
    :raises ParameterError: If ``top_k`` is below 1, ``corpus`` is no corpus, or ``source`` is blank.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        corpus: str | DocumentStore,
        top_k: Count = 10,
        seed: int = 0,
        source: Name = "random",
        filters: dict[str, Any] | None = None,
        meta_fields: MetaKeys | None = None,
    ) -> None:
        check_corpus("RandomNegativeMiner", corpus, filters)
        self.corpus = corpus
        self.top_k = top_k
        self.seed = seed
        self.source = source
        self.filters = filters
        self.meta_fields = meta_fields
        self._open: OpenCorpus = OpenCorpus(corpus, filters, meta_fields)

    def warm_up(self) -> None:
        """Open the corpus; again where a store has another number of documents."""
        self._open.warm_up()

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: Any number.
        :returns: ``examples``: new examples with the source's candidates added.
        """
        if not examples:
            return {"examples": []}
        self.warm_up()
        corpus = self._open.corpus
        equal = EqualTexts.of(corpus)
        texts = equal.distinct(np.arange(len(corpus), dtype=np.int64))
        size, depth = len(texts), min(self.top_k, len(texts))
        positions = np.array(
            [random.Random(f"{self.seed}:{example.id}").sample(range(size), depth) for example in examples],  # noqa: S311
            dtype=np.int64,
        )
        return {"examples": with_table(examples, self._merged(examples, texts[positions]))}
