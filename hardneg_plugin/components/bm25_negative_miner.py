"""Candidates by BM25: passages that share words with the query."""

from __future__ import annotations

from typing import ClassVar

from haystack import component
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.components.corpus_parameter import check_corpus, open_corpus
from hardneg_plugin.components.parameters import at_least, in_range, source_name
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table
from hardneg_plugin.search.bm25.build import METHOD
from hardneg_plugin.search.bm25.index import INDEX_VERSION, K1, B, BM25Index
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import analysis_fingerprint


@component
class BM25NegativeMiner:
    """Adds the best passages by BM25 (bm25s, Lucene's formula) to each example's candidates.

    The known positives are among them as a rule: a ``KnownPositiveFilter`` behind the miner drops them with a reason.

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
    :raises ParameterError: If a number is out of range, ``corpus`` is no corpus, or ``source`` is blank.
    """

    version: ClassVar[int] = 1
    needs_all_examples: ClassVar[bool] = False

    def __init__(
        self,
        corpus: str | DocumentStore,
        top_k: int = 100,
        k1: float = K1,
        b: float = B,
        language: str = "",
        source: str = "bm25",
    ) -> None:
        check_corpus("BM25NegativeMiner", corpus)
        at_least("BM25NegativeMiner", "top_k", top_k, 1)
        in_range("BM25NegativeMiner", "k1", k1, 0)
        in_range("BM25NegativeMiner", "b", b, 0, 1)
        source_name("BM25NegativeMiner", source)
        self.corpus = corpus
        self.top_k = top_k
        self.k1 = k1
        self.b = b
        self.language = language
        self.source = source
        self._index: BM25Index | None = None

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules outside this class that decide over the result."""
        return [analysis_fingerprint(), METHOD, f"{INDEX_VERSION}", f"k1={K1} b={B}"]

    def warm_up(self) -> None:
        """Build the index in the cache, or open it there."""
        if self._index is None:
            self._index = BM25Index(open_corpus(self.corpus), k1=self.k1, b=self.b)

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
        languages = [example.language or self.language for example in examples]
        depth = min(self.top_k, len(self._index.corpus))
        return self._index.search([example.query for example in examples], languages, depth)

    def add(self, examples: list[MiningExample], found: Hits) -> list[MiningExample]:
        """Add what was found to the candidates: the other half of :meth:`run`.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        assert self._index is not None
        table = merge_source(table_of(examples), self.source, self._index.corpus, found.rows, found.scores)
        return with_table(examples, table)
