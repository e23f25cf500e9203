"""Candidates by any Haystack retriever, over any document store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from haystack import component
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever, TextRetriever
from haystack.dataclasses import Document
from tqdm import tqdm  # type: ignore[import-untyped]

from hardneg_plugin.components import lifecycle
from hardneg_plugin.components.asked_retriever import AskedRetriever, Asker, askers_of
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.inner_components import empty_store_in
from hardneg_plugin.components.kept_answers import KeptAnswers
from hardneg_plugin.components.query_vectors import QueryVectors
from hardneg_plugin.components.released_stores import release, release_async
from hardneg_plugin.components.retrieved_documents import (
    DistinctTexts,
    check_positives_first,
    documents_of,
    with_larger_better,
    with_positive_texts,
    without_empty,
)
from hardneg_plugin.components.retriever_faults import (
    NothingFound,
    asked_again,
    asked_again_async,
    check_something_found,
    failed,
)
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import MiningExample, merge_documents, table_of, with_table
from hardneg_plugin.validation import Count, Name

_NAME = "RetrieverNegativeMiner"
# Queries that are embedded together and then asked: an error loses no more vectors than these.
_CHUNK = 256


@component
class RetrieverNegativeMiner(StageComponent):
    """Adds what a Haystack retriever finds for the query to each example's candidates, in the retriever's order.

    A document whose id is in the corpus of the candidates is that passage; any other stays a document of its own. A
    text that stands under several ids is one candidate; where copies take up what was asked for, the retriever is asked
    for more. The positives are among them as a rule: a ``KnownPositiveFilter`` behind the miner drops them with a
    reason. A document without content is dropped as ``content: missing``. A positive that is known by its id alone gets
    its text.

    Larger scores are better, whatever the store's are: distances are kept as negative numbers. Which they are is
    learned from the order in which the retriever itself answers. ``TextEmbeddingRetriever`` would turn the order of
    distances around: its embedder and its retriever are asked one after the other instead.

    Each distinct query is asked once, and queries are embedded in batches where the embedder's integration has a
    document embedder that makes the same vectors. A failure that may pass is tried again. After any other the answers
    so far are kept in the cache, and the same call asks only the rest: ``hardneg cache --clear retrieved`` forgets
    them, which is needed where the store has changed in between. A store whose client belongs to one event loop, such
    as pgvector's asynchronous connection, serves one ``asyncio.run``: call ``close_async`` before the loop ends.

    ### Usage example

    ```python
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from hardneg_plugin import RetrieverNegativeMiner

    retriever = InMemoryBM25Retriever(InMemoryDocumentStore())
    miner = RetrieverNegativeMiner(retriever=retriever, top_k=50, source="store")
    examples = miner.run(examples=examples)["examples"]
    ```

    :param retriever: A component that takes ``query``, a SuperComponent too, or with ``text_embedder`` one that takes
        ``query_embedding``; it requires no other input.
    :param top_k: Candidates per query; None leaves it to the retriever, as a retriever without that input does.
    :param source: Name under which rank and score are kept.
    :param filters: Haystack metadata filters; None passes none.
    :param max_workers: Queries asked at a time by ``run_async``, if the retriever has a ``run_async`` itself; ``run``,
        and a retriever without it, ask one at a time.
    :param higher_is_better: Whether a higher score means more relevant; None learns it.
    :param text_embedder: Embeds the queries of a retriever that takes ``query_embedding``.
    :raises ParameterError: If the retriever cannot be asked with a query alone, a number is below 1, or ``source`` is
        blank.
    """

    version: ClassVar[int] = 3

    def __init__(
        self,
        retriever: TextRetriever | EmbeddingRetriever,
        top_k: Count | None = 100,
        source: Name = "retriever",
        filters: dict[str, Any] | None = None,
        max_workers: Count = 3,
        higher_is_better: bool | None = None,
        text_embedder: TextEmbedder | None = None,
    ) -> None:
        self._asked = AskedRetriever(_NAME, retriever, text_embedder)
        if filters is not None and not self._asked.has_input("filters"):
            msg = f"{_NAME}: filters: {self._asked.name} takes none; set them on the retriever"
            raise ParameterError(msg)
        self.retriever = retriever
        self.top_k = top_k
        self.source = source
        self.filters = filters
        self.max_workers = max_workers
        self.higher_is_better = higher_is_better
        self.text_embedder = text_embedder
        self._vectors = QueryVectors(self._asked.text_embedder)
        self._order_checked = False
        self._found_any = False

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.top_k or 0

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source

    def warm_up(self) -> None:
        """Warm up the retriever and the embedder."""
        for part in (self._asked.text_embedder, self.retriever):
            lifecycle.warm_up(part)

    async def warm_up_async(self) -> None:
        """Warm up the retriever and the embedder."""
        for part in (self._asked.text_embedder, self.retriever):
            await lifecycle.warm_up_async(part)

    def close(self) -> None:
        """Release what the retriever and its document store hold; one that is asked again opens anew."""
        release(self)

    async def close_async(self) -> None:
        """Release what the retriever and its document store hold."""
        await release_async(self)

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        :raises RecordError: If there is such a source already, the retriever answers with anything but documents, or
            the order of what it found is upside down.
        :raises RetrievalError: If it cannot be asked, or found nothing for any example.
        """
        if not self._ready(examples):
            return {"examples": []}
        self.warm_up()
        first = askers_of(examples)
        answers, kept = self._start(first)
        try:
            for chunk in self._chunks(first, answers):
                for query, question in self._questions(chunk).items():
                    found = self._wanted(first[query])
                    while not found.enough:
                        deep = self._deep(question, found)
                        answer = asked_again(_NAME, self._asked.retriever.run, deep, first[query].name)
                        found.take(self._documents(first[query], answer))
                    answers[query] = found.texts
        except BaseException as error:
            failed(error, kept, answers, len(first))
            raise
        return self._finish(examples, answers, kept, asynchronous=False)

    @component.output_types(examples=list[MiningExample])
    async def run_async(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine, asking several queries at a time.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        :raises RecordError: If there is such a source already, the retriever answers with anything but documents, or
            the order of what it found is upside down.
        :raises RetrievalError: If it cannot be asked, or found nothing for any example.
        """
        if not self._ready(examples):
            return {"examples": []}
        await self.warm_up_async()
        first = askers_of(examples)
        answers, kept = self._start(first)
        try:
            for chunk in self._chunks(first, answers):
                await self._ask_async(await asyncio.to_thread(self._questions, chunk), first, answers)
        except BaseException as error:
            failed(error, kept, answers, len(first))
            raise
        asynchronous = isinstance(self._asked.retriever, lifecycle.RunsAsync)
        return await asyncio.to_thread(self._finish, examples, answers, kept, asynchronous=asynchronous)

    async def _ask_async(
        self, questions: dict[str, dict[str, Any]], first: dict[str, Asker], answers: dict[str, list[Document]]
    ) -> None:
        asynchronous = getattr(self._asked.retriever, "run_async", None)
        # A retriever that has no run_async never said that it may be asked from several threads.
        free = asyncio.Semaphore(self.max_workers if asynchronous else 1)

        async def ask(query: str, question: dict[str, Any]) -> None:
            run, found = asynchronous or self._asked.retriever.run, self._wanted(first[query])
            async with free:
                while not found.enough:
                    answer = await asked_again_async(_NAME, run, self._deep(question, found), first[query].name)
                    found.take(self._documents(first[query], answer))
            answers[query] = found.texts

        tasks = [asyncio.create_task(ask(query, question)) for query, question in questions.items()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def _ready(self, examples: list[MiningExample]) -> bool:
        """Check what can be checked before anything is asked; return whether there is something to ask."""
        if self.source in table_of(examples).ranks:
            msg = f"{_NAME}: the candidates already have a source {self.source!r}; give another `source` name"
            raise RecordError(msg)
        return bool(examples)

    def _start(self, first: dict[str, Asker]) -> tuple[dict[str, list[Document]], KeptAnswers]:
        if not self._order_checked:
            self._asked.check_order_inside(next(iter(first)))
            self._order_checked = True
        parts = {"retriever": self._asked.retriever, "text_embedder": self._asked.text_embedder}
        kept = KeptAnswers(
            parts,
            {"top_k": self.top_k, "filters": self.filters},
            [[query, *sorted(one.own)] for query, one in first.items()],
        )
        return kept.read(), kept

    def _chunks(self, first: dict[str, Asker], answers: dict[str, list[Document]]) -> Iterator[dict[str, Asker]]:
        """Yield the queries that are not answered yet, some at a time, and show how far they are on a terminal."""
        waiting = [query for query in first if query not in answers]
        with tqdm(total=len(waiting), desc=f"{self.source}: queries", disable=None, leave=False) as bar:
            for start in range(0, len(waiting), _CHUNK):
                chunk = waiting[start : start + _CHUNK]
                yield {query: first[query] for query in chunk}
                bar.update(len(chunk))

    def _wanted(self, asker: Asker) -> DistinctTexts:
        return DistinctTexts(self.top_k, asker.own, can_ask_more=self._asked.has_input("top_k"))

    def _deep(self, question: dict[str, Any], found: DistinctTexts) -> dict[str, Any]:
        # Not every retriever has the parameters that may be left out.
        asked = found.depth is not None and self._asked.has_input("top_k")
        return {**question, "top_k": found.depth} if asked else question

    def _questions(self, chunk: dict[str, Asker]) -> dict[str, dict[str, Any]]:
        """Return query → what the retriever is asked with, but for ``top_k``."""
        further = {} if self.filters is None else {"filters": self.filters}
        inputs: Sequence[Any] = list(chunk)
        if self._asked.text_embedder is not None:
            askers = list(chunk.values())
            about = f"the embedder {self._vectors.name} for {askers[0].name} … {askers[-1].name}"
            inputs = asked_again(_NAME, self._vectors, {"texts": inputs}, about)
        taken = self._asked.takes
        return {query: {taken: value, **further} for query, value in zip(chunk, inputs, strict=True)}

    def _documents(self, asker: Asker, answer: Any) -> list[Document]:
        documents = documents_of(answer)
        if documents is None:
            msg = (
                f"{_NAME}: {self._asked.name} must answer with a list of documents, got {answer!r:.200} "
                f"for {asker.name}"
            )
            raise RecordError(msg)
        return documents

    def _finish(
        self,
        examples: list[MiningExample],
        answers: dict[str, list[Document]],
        kept: KeptAnswers,
        *,
        asynchronous: bool,
    ) -> dict[str, list[MiningExample]]:
        def again() -> Any:
            (question,) = self._questions(dict([next(iter(askers_of(examples).items()))])).values()
            return self._asked.retriever.run(**question)

        found = [answers[example.query] for example in examples]
        nothing = NothingFound(
            _NAME, self._asked.name, again if asynchronous else None, lambda: empty_store_in(self._asked.retriever)
        )
        check_something_found(nothing, examples, found, found_before=self._found_any)
        self._found_any = True
        check_positives_first(_NAME, self._asked.name, examples, found)
        table = merge_documents(table_of(examples), self.source, found)
        table = without_empty(with_larger_better(_NAME, table, self.source, self.higher_is_better))
        kept.drop()
        return {"examples": with_table(with_positive_texts(examples, table), table)}
