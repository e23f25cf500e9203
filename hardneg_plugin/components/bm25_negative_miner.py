"""Candidates by BM25: passages that share words with the query."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from haystack import component
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.checksums import sums_of
from hardneg_plugin.components.corpus_miner import CorpusMiner
from hardneg_plugin.components.corpus_parameter import OpenCorpus, check_corpus
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import MiningExample, with_table
from hardneg_plugin.search.bm25.build import METHOD
from hardneg_plugin.search.bm25.index import INDEX_VERSION, K1, B, BM25Index
from hardneg_plugin.search.bm25.saved import SavedBM25Index
from hardneg_plugin.search.distinct import distinct_hits
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.validation import Count, FolderName, MetaKeys, Name, NotNegative, Share


@component
class BM25NegativeMiner(CorpusMiner):
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
    :param index: Folder of an index of the same passages, in the order of the corpus's rows, that bm25s saved with its
        vocabulary; its own ``k1`` and ``b`` hold. None builds an index in the cache.
    :raises ParameterError: If a number is out of range, ``corpus`` is no corpus, ``source`` is blank, or ``k1`` or
        ``b`` is given with an ``index``.
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
        index: FolderName | None = None,
    ) -> None:
        check_corpus("BM25NegativeMiner", corpus, filters)
        if index is not None and (k1, b) != (K1, B):
            msg = "BM25NegativeMiner: k1 and b are those that the index was made with; leave them out, or index"
            raise ParameterError(msg)
        self.corpus = corpus
        self.top_k = top_k
        self.k1 = k1
        self.b = b
        self.language = language
        self.source = source
        self.filters = filters
        self.meta_fields = meta_fields
        self.index = index
        self._open: OpenCorpus = OpenCorpus(corpus, filters, meta_fields)
        self._index: BM25Index | SavedBM25Index | None = None

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules outside this class that decide over the result."""
        return [analysis_fingerprint(), METHOD, f"{INDEX_VERSION}", f"k1={K1} b={B}"]

    def identity_of_inputs(self) -> dict[str, object]:
        """Return parameter → what stands for it in a fingerprint: the files of a saved index as they are now.

        :raises ParameterError: If its folder is not there.
        """
        return {} if self.index is None else {"index": sums_of(_folder(self.index))}

    def warm_up(self) -> None:
        """Build the index in the cache, or open it there; again where a store has another number of documents.

        :raises ParameterError: If there is no saved index in the folder ``index``.
        :raises DatasetError: If the saved index has another number of passages than the corpus.
        """
        if self._open.warm_up():
            # Kept, it would be searched with other passages if the next one cannot be made.
            self._index = None
        if self._index is None:
            corpus = self._open.corpus
            self._index = (
                BM25Index(corpus, k1=self.k1, b=self.b)
                if self.index is None
                else SavedBM25Index(_folder(self.index), len(corpus))
            )

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
        index, corpus = self._index, self._open.corpus
        depth = min(self.top_k, len(corpus))

        def search(positions: NDArray[np.int64], k: int) -> Hits:
            asked = [examples[position] for position in positions.tolist()]
            return index.search([one.query for one in asked], [one.language or self.language for one in asked], k)

        return distinct_hits(search, len(examples), depth, EqualTexts.of(corpus))

    def add(self, examples: list[MiningExample], found: Hits) -> list[MiningExample]:
        """Add what was found to the candidates: the other half of :meth:`run`.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        return with_table(examples, self._merged(examples, found.rows, found.scores))


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        msg = f"BM25NegativeMiner: index: there is no folder {name}"
        raise ParameterError(msg)
    return folder
