from __future__ import annotations

import asyncio
import copy
import json
import threading
from typing import Any

import pytest
from dense_models import LetterDocumentEmbedder, LetterTextEmbedder
from haystack import Document, component, default_to_dict
from haystack.components.retrievers import InMemoryEmbeddingRetriever, TextEmbeddingRetriever
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.core.serialization import component_from_dict, component_to_dict
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import BM25NegativeMiner, KnownPositiveFilter, MiningExample, load_dataset
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
from hardneg_plugin.errors import RecordError, RetrievalError
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.records.candidates import SourceHit

TYPE = "hardneg_plugin.components.retriever_negative_miner.RetrieverNegativeMiner"


@component
class Shelf:
    """Finds documents named after the query; says what it was asked."""

    def __init__(self, size: int = 3) -> None:
        self.size, self.asked, self.running, self.peak = size, [], 0, 0

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, size=self.size)

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int = 2) -> dict[str, Any]:
        self.asked.append((query, top_k))
        found = [Document(id=f"{query}-{n}", content=f"{query} {n}", score=9.0 - n) for n in range(self.size)]
        return {"documents": found}


@component
class SlowShelf(Shelf):
    """The same for several queries at a time; early queries take longest."""

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int = 2) -> dict[str, Any]:
        return Shelf.run(self, query, top_k)

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: int = 2) -> dict[str, Any]:
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(0.02 if query in "abc" else 0.001)
        self.running -= 1
        return Shelf.run(self, query, top_k)


@pytest.fixture
def store(spec) -> InMemoryDocumentStore:
    """The passages of the tiny dataset and one that it has not."""
    corpus = load_dataset(spec).corpus
    store = InMemoryDocumentStore()
    documents = [*map(corpus.document, range(len(corpus))), Document(id="extra", content="the longest river of Asia")]
    store.write_documents(LetterDocumentEmbedder().run(documents)["documents"])
    return store


def asked(count: int) -> list[MiningExample]:
    return [MiningExample(f"q{number}", query) for number, query in enumerate("abcdefgh"[:count])]


def distinct(documents: list[Document], example: MiningExample) -> list[Document]:
    """The documents without those of the tiny dataset that have the text of another; a positive stands for its text."""
    copies = {"p2": "p9", "p9": "p2", "k1": "k4", "k4": "k1"}
    left_out = {copies[positive.id] for positive in example.positives if positive.id in copies}
    chosen: list[Document] = []
    for document in documents:
        if document.id not in left_out and copies.get(document.id) not in [one.id for one in chosen]:
            chosen.append(document)
    return chosen


def ids(example):
    return [candidate.id for candidate in example.candidates]


def mine(retriever, given, **parameters):
    return RetrieverNegativeMiner(retriever, **parameters).run(examples=given)["examples"]


# Mining


def test_a_bm25_retriever_over_the_in_memory_store(store, examples):
    retriever = InMemoryBM25Retriever(store)
    after = mine(retriever, examples, top_k=3, source="store")
    for example in after:
        expected = distinct(retriever.run(query=example.query, top_k=6)["documents"], example)[:3]
        assert ids(example) == [document.id for document in expected]
        found = [candidate.sources["store"] for candidate in example.candidates]
        assert found == [SourceHit(rank, pytest.approx(one.score)) for rank, one in enumerate(expected, 1)]
    assert "extra" in ids(after[0])


def test_a_dense_retriever_over_the_in_memory_store(store, examples):
    retriever = TextEmbeddingRetriever(
        retriever=InMemoryEmbeddingRetriever(store), text_embedder=LetterTextEmbedder(weight=2)
    )
    after = mine(retriever, examples[:1], top_k=4)[0]
    expected = distinct(retriever.run(query=examples[0].query, top_k=8)["documents"], examples[0])[:4]
    assert ids(after) == [document.id for document in expected]
    assert after.candidates[0].document.embedding is None


def test_passages_of_the_corpus_are_recognised(spec, store, examples):
    mined = BM25NegativeMiner(spec).run(examples=examples)["examples"]
    after = mine(InMemoryBM25Retriever(store), mined, top_k=3, source="store")[0]
    both = {candidate.id: list(candidate.sources) for candidate in after.candidates}
    assert both["p1"] == both["p3"] == ["bm25", "store"]
    assert both["extra"] == ["store"]
    assert after.candidates.table.corpus.key == load_dataset(spec).corpus.key


def test_positives_stay_and_are_dropped_by_the_filter_behind(store, examples):
    after = KnownPositiveFilter().run(examples=mine(InMemoryBM25Retriever(store), examples, top_k=2))["examples"]
    assert {one.id: one.dropped for one in after[1].candidates}["p2"] == "positive: id"


def test_parameters_that_are_left_out_are_not_passed():
    for top_k, expected in ((None, 2), (1, 1)):
        shelf = Shelf()
        mine(shelf, asked(1), top_k=top_k)
        assert shelf.asked == [("a", expected)]


def test_filters_reach_the_retriever(store, examples):
    filters = {"field": "meta.language", "operator": "==", "value": "ko"}
    after = mine(InMemoryBM25Retriever(store), examples, filters=filters)
    assert {identifier[0] for example in after for identifier in ids(example)} == {"k"}


def test_more_than_was_asked_for_is_cut():
    assert ids(mine(Shelf(size=5), asked(1), top_k=2)[0]) == ["a-0", "a-1"]


def test_a_document_found_twice_counts_once_at_its_best_rank():
    @component
    class Stutter:
        @component.output_types(documents=list[Document])
        def run(self, query: str, top_k: int = 10) -> dict[str, Any]:
            return {"documents": [Document(id=name, content=name) for name in ("x", "y", "x", "z")]}

    example = mine(Stutter(), asked(1), top_k=3)[0]
    assert [(one.id, one.sources["retriever"]) for one in example.candidates] == [
        ("x", SourceHit(1, None)),
        ("y", SourceHit(2, None)),
        ("z", SourceHit(3, None)),
    ]


@pytest.mark.parametrize("answer", [None, {}, {"documents": None}, {"documents": ["text"]}, [Document(content="x")]])
def test_an_answer_without_documents_is_named(answer):
    @component
    class Broken:
        @component.output_types(documents=list[Document])
        def run(self, query: str) -> dict[str, Any]:
            return answer

    with pytest.raises(RecordError, match="Broken must answer with a list of documents, got .* for example 'q0'"):
        mine(Broken(), asked(1), top_k=None)


def test_no_examples_ask_nothing():
    shelf = Shelf()
    assert mine(shelf, []) == []
    assert asyncio.run(RetrieverNegativeMiner(shelf).run_async(examples=[])) == {"examples": []}
    assert shelf.asked == []


# Asynchronously


@pytest.mark.parametrize("max_workers", [1, 2, 5])
async def test_several_queries_at_a_time_and_no_more(max_workers):
    shelf = SlowShelf()
    miner = RetrieverNegativeMiner(shelf, max_workers=max_workers)
    after = (await miner.run_async(examples=asked(8)))["examples"]
    assert shelf.peak == max_workers
    assert after == mine(Shelf(), asked(8))


async def test_a_retriever_without_run_async_is_asked_in_a_thread_one_query_at_a_time():
    @component
    class Thread(Shelf):
        @component.output_types(documents=list[Document])
        def run(self, query: str, top_k: int = 2) -> dict[str, Any]:
            assert threading.current_thread() is not threading.main_thread()
            self.running += 1
            self.peak = max(self.peak, self.running)
            answer = Shelf.run(self, query, top_k)
            self.running -= 1
            return answer

    shelf = Thread()
    assert (await RetrieverNegativeMiner(shelf).run_async(examples=asked(8)))["examples"] == mine(Shelf(), asked(8))
    assert (len(shelf.asked), shelf.peak) == (8, 1)


async def test_an_error_stops_the_other_queries():
    @component
    class Failing(Shelf):
        @component.output_types(documents=list[Document])
        def run(self, query: str, top_k: int = 2) -> dict[str, Any]:
            return {"documents": []}

        @component.output_types(documents=list[Document])
        async def run_async(self, query: str, top_k: int = 2) -> dict[str, Any]:
            self.asked.append(query)
            if query == "b":
                msg = "the server is gone"
                raise ConnectionError(msg)
            await asyncio.sleep(0.01)
            return {"documents": []}

    failing = Failing()
    with (
        session(retries=RetryPolicy(tries=1)),
        pytest.raises(RetrievalError, match="example 'q1' could not be asked: ConnectionError: the server is gone"),
    ):
        await RetrieverNegativeMiner(failing, max_workers=2).run_async(examples=asked(8))
    await asyncio.sleep(0.05)
    assert len(failing.asked) < 8


async def test_the_lifecycle_is_handed_on():
    class Life(Shelf):
        def __init__(self) -> None:
            super().__init__()
            self.calls = []

        def warm_up(self) -> None:
            self.calls.append("warm_up")

        def close(self) -> None:
            self.calls.append("close")

    class AsyncLife(Life):
        async def warm_up_async(self) -> None:
            self.calls.append("warm_up_async")

        async def close_async(self) -> None:
            self.calls.append("close_async")

    for life, expected in ((Life(), ["warm_up", "close"] * 2), (AsyncLife(), None), (Shelf(), None)):
        miner = RetrieverNegativeMiner(life)
        miner.warm_up()
        miner.close()
        await miner.warm_up_async()
        await miner.close_async()
        if isinstance(life, AsyncLife):
            expected = ["warm_up", "close", "warm_up_async", "close_async"]
        assert getattr(life, "calls", None) == expected


# Serialisation


def test_a_retriever_of_parts_survives_a_round_trip_through_json():
    retriever = TextEmbeddingRetriever(
        retriever=InMemoryEmbeddingRetriever(InMemoryDocumentStore()), text_embedder=LetterTextEmbedder()
    )
    filters = {"field": "meta.language", "operator": "==", "value": "ko"}
    miner = RetrieverNegativeMiner(retriever, top_k=None, source="pg", filters=filters, max_workers=1)
    written = json.loads(json.dumps(component_to_dict(miner, "it")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "dense_models")
        # Haystack's own retrievers build nested objects in place: the copy is what they may change.
        again = component_from_dict(RetrieverNegativeMiner, copy.deepcopy(written), "it")
    assert isinstance(again.retriever, TextEmbeddingRetriever)
    assert (again.top_k, again.source, again.filters, again.max_workers) == (None, "pg", filters, 1)
    assert component_to_dict(again, "it") == written
