"""Candidates by BM25: passages that share words with the query."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from haystack import component
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.corpus_parameter import OpenCorpus, check_corpus
from hardneg_plugin.components.named_hits import named_hits
from hardneg_plugin.components.released_stores import ReadsCorpus
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table
from hardneg_plugin.search.bm25.build import METHOD
from hardneg_plugin.search.bm25.index import INDEX_VERSION, K1, B, BM25Index
from hardneg_plugin.search.distinct import distinct_hits
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.validation import Count, MetaKeys, Name, NotNegative, Share


@component
class BM25NegativeMiner(ReadsCorpus, StageComponent):
    """Adds the best passages by BM25 to each example's candidates.

    The scores are those of bm25s (Lù, 2024) with Lucene's formula, and so is the format of the index; building and
    searching it are this package's own compiled code. An index that bm25s saved is searched by bm25s (``index``).

    A text that stands under several ids is one candidate. The known positives are among them as a rule: a
    ``KnownPositiveFilter`` behind the miner drops them with a reason.

    ### Usage example

    ```python
    from hardneg_plugin import BM25NegativeMiner

    miner = BM25NegativeMiner(corpus="beir:data/msmarco", top_k=100)
    examples = miner.run(examples=examples)["examples"]
    examples[0].candidates[0].sources  # {'bm25': Found(rank=1, score=17.2)}
    ```

    :param corpus: Dataset spec, or a Haystack document store.
    :param top_k: Candidates per query.
    :param k1: Term saturation of BM25, 0 or more.
    :param b: Length normalisation of BM25, 0 to 1.
    :param language: ISO 639-1 code of queries that carry none; empty detects it by script.
    :param source: Name under which rank and score are kept.
    :param filters: Haystack metadata filters that select documents of a store; None takes all.
    :param meta_fields: Keys of ``Document.meta`` that a store's passages keep, such as ``source_id``; None keeps none.
    :raises ParameterError: If a number is out of range, ``corpus`` is no corpus, or ``source`` is blank.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        corpus: str | DocumentStore,
        top_k: Count = 100,
        k1: NotNegative = K1,
        b: Share = B,
        language: str = "",
        source: Name = "bm25",
        filters: dict[str, Any] | None = None,
        meta_fields: MetaKeys | None = None,
    ) -> None:
        check_corpus("BM25NegativeMiner", corpus, filters)
        self.corpus = corpus
        self.top_k = top_k
        self.k1 = k1
        self.b = b
        self.language = language
        self.source = source
        self.filters = filters
        self.meta_fields = meta_fields
        self._open: OpenCorpus = OpenCorpus(corpus, filters, meta_fields)
        self._index: BM25Index | None = None

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.top_k

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules outside this class that decide over the result."""
        return [analysis_fingerprint(), METHOD, f"{INDEX_VERSION}", f"k1={K1} b={B}"]

    def warm_up(self) -> None:
        """Build the index in the cache, or open it there; again where a store has another number of documents."""
        if self._open.warm_up() or self._index is None:
            self._index = BM25Index(self._open.corpus, k1=self.k1, b=self.b)

    def _forget(self) -> None:
        self._open.forget()
        self._index = None

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        """
        return {"examples": self.add(examples, self.search(examples)) if examples else []}

    def search(self, examples: list[MiningExample]) -> Hits:
        """Find the best passages: the first half of :meth:`run`, for whoever adds them while the next search runs.

        :param examples: At least one, at most 10,000 at a time.
        """
        self.warm_up()
        assert self._index is not None
        index = self._index
        depth = min(self.top_k, len(index.corpus))

        def search(positions: NDArray[np.int64], k: int) -> Hits:
            asked = [examples[position] for position in positions.tolist()]
            return index.search([one.query for one in asked], [one.language or self.language for one in asked], k)

        return distinct_hits(search, len(examples), depth, EqualTexts.of(index.corpus))

    def add(self, examples: list[MiningExample], found: Hits) -> list[MiningExample]:
        """Add what was found to the candidates: the other half of :meth:`run`.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        assert self._index is not None
        corpus = self._index.corpus
        rows = named_hits(found.rows, examples, corpus, EqualTexts.of(corpus))
        table = merge_source(table_of(examples), self.source, corpus, rows, found.scores)
        return with_table(examples, table)
