"""Candidates from the group of passages that the positive belongs to."""

from __future__ import annotations

import random
from typing import Any, ClassVar, Literal

import numpy as np
from haystack import component
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.components.corpus_miner import CorpusMiner
from hardneg_plugin.components.corpus_parameter import OpenCorpus, check_corpus
from hardneg_plugin.records import MiningExample, with_table
from hardneg_plugin.search.clusters import Clusters, corpus_clusters
from hardneg_plugin.search.dense.search import encode
from hardneg_plugin.search.encoder import DualEncoder, load_model
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.validation import Count, MetaKeys, ModelName, Name

_NAME = "ClusterNegativeMiner"
Around = Literal["positive", "query"]


@component
class ClusterNegativeMiner(CorpusMiner):
    """Adds passages drawn from the cluster of each example's positive, or of its query, to its candidates.

    The corpus is cut into clusters once per model (spherical k-means by FAISS). Passages of one cluster are about like
    things, and few of them are what a nearest-neighbour search would bring up first: less hard than BM25's or a dense
    miner's, and less often false negatives. Rajapakse, Yates and de Rijke (SIGIR 2024) find that training on
    clusters carries over to other data and languages better than BM25 negatives do; TAS-B (Hofstätter et al., 2021)
    makes its batches of them.

    What is drawn for a query depends on the seed and its id alone. Ranks are those of the draw; there is no score.

    ### Usage example

    ```python
    from hardneg_plugin import ClusterNegativeMiner

    miner = ClusterNegativeMiner(corpus="beir:data/msmarco", model="minishlab/potion-base-4M", clusters=200, top_k=20)
    examples = miner.run(examples=examples)["examples"]
    ```

    :param corpus: Dataset spec, or a Haystack document store.
    :param model: Folder or hub id of a sentence-transformers model; no remote code is run.
    :param clusters: Number of clusters; None takes the square root of the number of passages.
    :param top_k: Candidates per query; a smaller cluster gives all it has.
    :param around: ``positive``: the clusters of the example's positives; ``query``: that of the query.
    :param seed: Seed of the clusters and of the draw.
    :param batch_size: Texts per forward pass.
    :param source: Name under which the rank is kept.
    :param filters: Haystack metadata filters that select documents of a store; None takes all.
    :param meta_fields: Keys of ``Document.meta`` that a store's passages keep, such as ``source_id``; None keeps none.
    :raises ParameterError: If a number is below 1, ``around`` is unknown, or ``corpus`` or ``model`` is none.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        corpus: str | DocumentStore,
        model: ModelName,
        clusters: Count | None = None,
        top_k: Count = 20,
        around: Around = "positive",
        seed: int = 0,
        batch_size: Count = 64,
        source: Name = "cluster",
        filters: dict[str, Any] | None = None,
        meta_fields: MetaKeys | None = None,
    ) -> None:
        check_corpus(_NAME, corpus, filters)
        self.corpus = corpus
        self.model = model
        self.clusters = clusters
        self.top_k = top_k
        self.around = around
        self.seed = seed
        self.batch_size = batch_size
        self.source = source
        self.filters = filters
        self.meta_fields = meta_fields
        self._open: OpenCorpus = OpenCorpus(corpus, filters, meta_fields)
        self._encoder: DualEncoder | None = None
        self._clusters: Clusters | None = None

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result."""
        return ["batch_size"]

    def warm_up(self) -> None:
        """Load the model and cluster the corpus, or find its clusters in the cache.

        :raises ParameterError: If the model cannot be loaded, FAISS is not installed, or there are fewer passages than
            clusters.
        """
        if self._open.warm_up():
            # Kept, they would be taken for those of other passages if the next ones cannot be made.
            self._clusters = None
        if self._clusters is None or self._encoder is None:
            corpus, encoder = self._open.corpus, self._encoder or DualEncoder(load_model(self.model))
            number = self.clusters or max(1, round(len(corpus) ** 0.5))
            self._clusters = corpus_clusters(encoder, corpus, number, seed=self.seed, batch_size=self.batch_size)
            self._encoder = encoder

    def _forget(self) -> None:
        self._open.forget()
        self._encoder = self._clusters = None

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        """
        if not examples:
            return {"examples": []}
        self.warm_up()
        assert self._clusters is not None
        corpus = self._open.corpus
        equal = EqualTexts.of(corpus)
        rows = np.full((len(examples), min(self.top_k, len(corpus))), -1, dtype=np.int64)
        for position, (example, clusters) in enumerate(zip(examples, self._clusters_of(examples), strict=True)):
            members = np.concatenate([self._clusters.rows(cluster) for cluster in clusters] or [np.zeros(0, np.int64)])
            drawn = _draw(equal.distinct(members), self.top_k, f"{self.seed}:{example.id}")
            rows[position, : len(drawn)] = drawn
        return {"examples": with_table(examples, self._merged(examples, rows))}

    def _clusters_of(self, examples: list[MiningExample]) -> list[list[int]]:
        """Return the clusters of each example, each once and in order."""
        assert self._encoder is not None
        assert self._clusters is not None
        if self.around == "query":
            vectors = encode(self._encoder, [one.query for one in examples], kind="query", batch_size=self.batch_size)
            return [[cluster] for cluster in self._clusters.nearest(vectors).tolist()]
        counts = [len(example.positives) for example in examples]
        texts = [positive.content or "" for example in examples for positive in example.positives]
        if not texts:
            return [[] for _ in examples]
        vectors = encode(self._encoder, texts, kind="passage", batch_size=self.batch_size)
        nearest = np.split(self._clusters.nearest(vectors), np.cumsum(counts)[:-1])
        return [sorted(set(own.tolist())) for own in nearest]


def _draw(members: NDArray[np.int64], most: int, seed: str) -> NDArray[np.int64]:
    positions = random.Random(seed).sample(range(len(members)), min(most, len(members)))  # noqa: S311 - a draw, no secret
    return members[positions]
