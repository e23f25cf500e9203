"""Candidates by any Haystack retriever of texts, over any document store."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from haystack import component
from haystack.components.retrievers.types import TextRetriever
from haystack.dataclasses import Document

from hardneg_plugin.components import lifecycle
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import MiningExample, merge_documents, table_of, with_table
from hardneg_plugin.text import normalise
from hardneg_plugin.validation import Count, Name

_NAME = "RetrieverNegativeMiner"


@component
class RetrieverNegativeMiner(StageComponent):
    """Adds what a Haystack retriever finds for the query to each example's candidates.

    A document whose id is in the corpus of the candidates is that passage; any other stays a document of its own. A
    text that stands under several ids is one candidate; where copies take up what was asked for, the retriever is asked
    for more. The positives are among them as a rule: a ``KnownPositiveFilter`` behind the miner drops them with a
    reason.

    ### Usage example

    ```python
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from hardneg_plugin import RetrieverNegativeMiner

    retriever = InMemoryBM25Retriever(InMemoryDocumentStore())
    miner = RetrieverNegativeMiner(retriever=retriever, top_k=50, source="store")
    examples = miner.run(examples=examples)["examples"]
    ```

    :param retriever: A retriever whose ``run`` takes ``query``; wrap one that takes an embedding in a
        ``TextEmbeddingRetriever``.
    :param top_k: Candidates per query; None leaves it to the retriever.
    :param source: Name under which rank and score are kept.
    :param filters: Haystack metadata filters; None passes none.
    :param max_workers: Queries asked at a time by ``run_async``, if the retriever has a ``run_async`` itself; ``run``,
        and a retriever without it, ask one at a time.
    :raises ParameterError: If the retriever takes no query, a number is below 1, or ``source`` is blank.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        retriever: TextRetriever,
        top_k: Count | None = 100,
        source: Name = "retriever",
        filters: dict[str, Any] | None = None,
        max_workers: Count = 3,
    ) -> None:
        _check_retriever(retriever)
        self.retriever = retriever
        self.top_k = top_k
        self.source = source
        self.filters = filters
        self.max_workers = max_workers

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.top_k or 0

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source

    def warm_up(self) -> None:
        """Warm up the retriever."""
        lifecycle.warm_up(self.retriever)

    async def warm_up_async(self) -> None:
        """Warm up the retriever."""
        await lifecycle.warm_up_async(self.retriever)

    def close(self) -> None:
        """Release what the retriever holds."""
        lifecycle.close(self.retriever)

    async def close_async(self) -> None:
        """Release what the retriever holds."""
        await lifecycle.close_async(self.retriever)

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        :raises RecordError: If the retriever answers with anything but documents.
        """
        if not examples:
            return {"examples": []}
        self.warm_up()
        return self._merged(examples, [self._found(example) for example in examples])

    @component.output_types(examples=list[MiningExample])
    async def run_async(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine, asking several queries at a time.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added.
        :raises RecordError: If the retriever answers with anything but documents.
        """
        if not examples:
            return {"examples": []}
        await self.warm_up_async()
        # A retriever that has no run_async never said that it may be asked from several threads.
        free = asyncio.Semaphore(self.max_workers if isinstance(self.retriever, lifecycle.RunsAsync) else 1)

        async def ask(example: MiningExample) -> list[Document]:
            async with free:
                asked = _Asked(self.top_k)
                while not asked.enough:
                    documents = self._documents(
                        example, await lifecycle.run_async(self.retriever, **self._question(example, asked.depth))
                    )
                    asked.take(documents, example)
                return asked.texts

        tasks = [asyncio.create_task(ask(example)) for example in examples]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return self._merged(examples, answers)

    def _found(self, example: MiningExample) -> list[Document]:
        asked = _Asked(self.top_k)
        while not asked.enough:
            answer = self.retriever.run(**self._question(example, asked.depth))
            asked.take(self._documents(example, answer), example)
        return asked.texts

    def _question(self, example: MiningExample, depth: int | None) -> dict[str, Any]:
        # Not every retriever has the parameters that may be left out.
        optional = {"top_k": depth, "filters": self.filters}
        return {"query": example.query, **{name: value for name, value in optional.items() if value is not None}}

    def _merged(self, examples: list[MiningExample], found: Sequence[list[Document]]) -> dict[str, list[MiningExample]]:
        return {"examples": with_table(examples, merge_documents(table_of(examples), self.source, found))}

    def _documents(self, example: MiningExample, answer: Any) -> list[Document]:
        """Return the documents of an answer."""
        documents = answer.get("documents") if isinstance(answer, Mapping) else None
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            name = type(self.retriever).__name__
            msg = (
                f"{_NAME}: {name} must answer with a list of documents, got {answer!r:.200} for example {example.id!r}"
            )
            raise RecordError(msg)
        return documents


class _Asked:
    """What a retriever found for one query.

    :param top_k: Texts that are wanted; None takes what comes.
    """

    def __init__(self, top_k: int | None) -> None:
        self.depth, self._top_k = top_k, top_k
        self.texts: list[Document] = []
        """Documents of distinct texts, each at its best rank."""
        self.enough = False
        self._answered = -1

    def take(self, documents: Sequence[Document], example: MiningExample) -> None:
        """Take an answer; ask for twice as much if too many of its documents are copies of others.

        :param documents: The whole answer, best first.
        :param example: What was asked for; of equal texts its own positive is kept.
        """
        own = {positive.id for positive in example.positives}
        best: dict[str, Document] = {}
        for document in documents:
            text = normalise(document.content or "") or f"\0{document.id}"
            if text not in best or (document.id in own and best[text].id not in own):
                best[text] = document
        self.texts = list(best.values())[: self._top_k]
        more = self.depth is not None and len(documents) >= self.depth and len(documents) > self._answered
        self.enough = not more or len(self.texts) == self._top_k
        self._answered, self.depth = len(documents), None if self.depth is None else 2 * self.depth


def _check_retriever(retriever: object) -> None:
    run = getattr(retriever, "run", None)
    taken = inspect.signature(run).parameters if callable(run) else {}
    if "query" in taken and "query_embedding" not in taken:
        return
    msg = f"{_NAME}: retriever must be a component whose run takes a query, got {type(retriever).__name__}"
    if "query_embedding" in taken:
        msg += "; wrap it in a TextEmbeddingRetriever with the embedder of its query"
    raise ParameterError(msg)
