"""What goes wrong when a retriever is asked, and what is kept of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from haystack import Document, component, default_to_dict
from haystack.components.retrievers import InMemoryEmbeddingRetriever
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import MiningExample
from hardneg_plugin.cache import entries
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
from hardneg_plugin.errors import RecordError, RetrievalError
from hardneg_plugin.llm.session import RetryPolicy, session

AT_ONCE = RetryPolicy(base=0.0)


@component
class Fragile:
    """Finds three documents; breaks as often as it is told at one query."""

    def __init__(self, at: str = "", times: int = 0, error: type[Exception] = ConnectionError) -> None:
        self.at, self.times, self.error, self.asked = at, times, error, []

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self)

    @component.output_types(documents=list[Document])
    def run(self, query: str) -> dict[str, Any]:
        self.asked.append(query)
        if query == self.at and self.times:
            self.times -= 1
            msg = "the server is gone"
            raise self.error(msg)
        return {"documents": [Document(id=f"{query}-{n}", content=f"{query} {n}", score=9.0 - n) for n in range(3)]}


@component
class Closed(Fragile):
    """One that cannot be serialised."""

    def to_dict(self) -> dict[str, Any]:
        msg = "a token cannot be written"
        raise ValueError(msg)


@component
class Rare:
    """Finds something for some queries."""

    def __init__(self, known: str = "") -> None:
        self.known = known

    @component.output_types(documents=list[Document])
    def run(self, query: str) -> dict[str, Any]:
        return {"documents": [Document(id="d", content="text")] if query in self.known else []}


@component
class TwoStores(Rare):
    """Its asynchronous client has another store."""

    @component.output_types(documents=list[Document])
    def run(self, query: str) -> dict[str, Any]:
        return {"documents": [Document(id="d", content="text")]}

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str) -> dict[str, Any]:
        return {"documents": []}


def asked(queries: str = "abcdefgh") -> list[MiningExample]:
    return [MiningExample(f"q{number}", query) for number, query in enumerate(queries)]


def mine(retriever: Any, examples: list[MiningExample] | None = None) -> list[MiningExample]:
    with session(retries=AT_ONCE):
        return RetrieverNegativeMiner(retriever).run(examples=examples or asked())["examples"]


# Failures


def test_a_failure_that_passes_is_tried_again():
    fragile = Fragile(at="c", times=4)
    assert mine(fragile) == mine(Fragile())
    assert fragile.asked.count("c") == 5


def test_one_that_does_not_names_the_example_and_loses_no_answer():
    fragile = Fragile(at="g", times=99)
    with pytest.raises(
        RetrievalError, match="example 'q6' could not be asked 5 times: ConnectionError: the "
    ) as caught:
        mine(fragile)
    assert caught.value.__notes__ == ["6 of 8 answers are kept in the cache; the same call asks only the rest"]
    again = Fragile()
    assert mine(again) == mine(Fragile())
    assert again.asked == ["g", "h"]


def test_a_mistake_is_not_tried_again():
    fragile = Fragile(at="b", times=1, error=KeyError)
    with pytest.raises(RetrievalError, match="example 'q1' could not be asked: KeyError"):
        mine(fragile)
    assert fragile.asked == ["a", "b"]


def test_kept_answers_are_forgotten_once_all_are_there():
    with pytest.raises(RetrievalError):
        mine(Fragile(at="c", times=99))
    assert [entry.kind for entry in entries()] == ["retrieved"]
    mine(Fragile())
    assert list(entries()) == []


def test_answers_to_other_questions_are_not_taken():
    with pytest.raises(RetrievalError):
        mine(Fragile(at="c", times=99))
    other = Fragile()
    mine(other, asked("abx"))
    assert other.asked == ["a", "b", "x"]


def test_a_retriever_that_cannot_be_written_keeps_nothing_and_says_nothing():
    with pytest.raises(RetrievalError) as caught:
        mine(Closed(at="c", times=99))
    assert not hasattr(caught.value, "__notes__")
    assert list(entries()) == []


async def test_answers_are_kept_asynchronously_too():
    with session(retries=AT_ONCE), pytest.raises(RetrievalError, match="example 'q4'"):
        await RetrieverNegativeMiner(Fragile(at="e", times=99)).run_async(examples=asked())
    again = Fragile()
    with session(retries=AT_ONCE):
        after = (await RetrieverNegativeMiner(again).run_async(examples=asked()))["examples"]
    assert again.asked[:2] == ["e", "f"]
    assert after == mine(Fragile())


def test_a_source_that_is_there_is_refused_before_anything_is_asked():
    fragile = Fragile()
    examples = mine(fragile)
    fragile.asked.clear()
    with pytest.raises(RecordError, match="already have a source 'retriever'; give another `source` name"):
        mine(fragile, examples)
    assert fragile.asked == []


def test_each_distinct_query_is_asked_once():
    fragile = Fragile()
    after = mine(fragile, asked("abab"))
    assert fragile.asked == ["a", "b"]
    assert [[one.id for one in example.candidates] for example in after] == [
        [f"{query}-{n}" for n in range(3)] for query in "abab"
    ]


# Nothing found


def test_examples_for_which_nothing_was_found_are_counted(caplog):
    with caplog.at_level(logging.WARNING):
        mine(Rare(known="ab"))
    assert "Rare found nothing for 6 of 8 examples ('q2': c; 'q3': d; 'q4': e)" in caplog.text
    assert len(caplog.records) == 1


def test_nothing_for_any_is_an_error():
    with pytest.raises(RetrievalError, match="Rare found nothing for 8 of 8 examples .*; look at its filters"):
        mine(Rare())


def test_nothing_after_something_is_a_warning(caplog):
    miner = RetrieverNegativeMiner(Rare(known="a"))
    miner.run(examples=asked("a"))
    with caplog.at_level(logging.WARNING):
        miner.run(examples=asked("xyz"))
    assert "Rare found nothing for 3 of 3 examples" in caplog.text


def test_an_empty_store_is_named():
    retriever = InMemoryBM25Retriever(InMemoryDocumentStore())
    with pytest.raises(
        RetrievalError, match="its InMemoryDocumentStore has no documents; one in memory is empty after"
    ):
        mine(retriever)


async def test_an_asynchronous_client_with_another_store_is_named():
    with pytest.raises(RetrievalError, match="its run finds what its run_async does not"):
        await RetrieverNegativeMiner(TwoStores()).run_async(examples=asked())


# Documents without content, positives without text


def test_a_document_without_content_is_dropped_with_a_reason(tmp_path):
    from hardneg_plugin.records import read_parquet, write_parquet

    store = InMemoryDocumentStore()
    embedding = [1.0, 0.0]
    store.write_documents([Document(id="image", embedding=embedding), Document(id="t", content="t", embedding=[0, 1])])

    @component
    class Same:
        @component.output_types(embedding=list[float])
        def run(self, text: str) -> dict[str, Any]:
            return {"embedding": embedding}

    miner = RetrieverNegativeMiner(InMemoryEmbeddingRetriever(store), text_embedder=Same())
    after = miner.run(examples=asked("a"))["examples"]
    assert [(one.id, one.dropped) for one in after[0].candidates] == [("image", "content: missing"), ("t", "")]
    write_parquet(tmp_path / "part.parquet", after)
    assert read_parquet(tmp_path / "part.parquet") == after


def test_a_positive_known_by_its_id_alone_gets_its_text():
    example = MiningExample("q", "a", (Document(id="a-1"), Document(id="elsewhere")))
    assert [one.content for one in mine(Fragile(), [example])[0].positives] == ["a 1", None]


def test_anything_but_examples_is_named():
    for other in (Document(content="text"), {"query": "a"}):
        with pytest.raises(RecordError, match=f"must be a list of MiningExample, got a {type(other).__name__} in it"):
            mine(Fragile(), [other])
