from __future__ import annotations

import pytest
from dense_models import LetterDocumentEmbedder, LetterTextEmbedder
from haystack.components.retrievers import InMemoryEmbeddingRetriever, MultiRetriever, TextEmbeddingRetriever
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import BM25NegativeMiner, ClusterNegativeMiner, DenseNegativeMiner, RandomNegativeMiner
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner


class LockedStore(InMemoryDocumentStore):
    """A store that holds something, and says when it let it go."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("close")

    async def close_async(self) -> None:
        self.calls.append("close_async")


def dense(store):
    pair = {"text_embedder": LetterTextEmbedder(), "document_embedder": LetterDocumentEmbedder()}
    return DenseNegativeMiner(store, None, similarity="cosine", **pair)


def behind_two(store):
    inner = TextEmbeddingRetriever(retriever=InMemoryEmbeddingRetriever(store), text_embedder=LetterTextEmbedder())
    return RetrieverNegativeMiner(MultiRetriever(retrievers={"dense": inner, "bm25": InMemoryBM25Retriever(store)}))


MINERS = {
    "bm25": BM25NegativeMiner,
    "random": RandomNegativeMiner,
    "dense": dense,
    "cluster": lambda store: ClusterNegativeMiner(store, "model"),
    "retriever": lambda store: RetrieverNegativeMiner(InMemoryBM25Retriever(store)),
    "retriever behind two": behind_two,
}


@pytest.mark.parametrize("name", MINERS)
async def test_close_releases_the_store_of_every_miner(name):
    store = LockedStore()
    miner = MINERS[name](store)
    miner.close()
    assert store.calls == ["close"]
    await miner.close_async()
    assert store.calls == ["close", "close_async"]


@pytest.mark.parametrize("miner", [BM25NegativeMiner, RandomNegativeMiner])
async def test_a_corpus_that_is_no_store_holds_nothing(miner):
    miner("beir:nowhere").close()
    await miner("beir:nowhere").close_async()
