"""The way in from a plain Haystack flow: a query, what retrievers found for it, and its positives."""

from __future__ import annotations

from typing import ClassVar

import xxhash
from haystack import Document, component

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.components.retrieved_documents import with_larger_better, with_positive_texts, without_empty
from hardneg_plugin.records import Candidates, CandidateTable, MiningExample
from hardneg_plugin.records.documents import merge_documents
from hardneg_plugin.validation import Name

_NAME = "ExampleBuilder"


@component
class ExampleBuilder(CheckedParameters):
    """Makes an example of a query, retrieved documents and positives, for the filters and samplers of this package.

    The documents become the candidates, with their order as rank and their ``score`` as score. They may come from any
    retriever, ranker or joiner. Where their scores rise down the list, as distances do, the negative numbers are kept:
    larger is better. A document without content is dropped as ``content: missing``; a positive that is known by its id
    alone gets the text of the document with that id. ``NegativeDocumentBuilder`` leads back to documents.

    ### Usage example

    ```python
    from haystack import Document
    from hardneg_plugin import ExampleBuilder

    builder = ExampleBuilder(source="bm25")
    found = [Document(content="The Nile flows north."), Document(content="The Amazon flows east.")]
    builder.run(query="which way does the Nile flow", documents=found, positives=found[:1])["examples"]
    ```

    :param source: Name under which rank and score are kept.
    :param higher_is_better: Whether a higher score means more relevant; None learns it from the order of the documents.
    :raises ParameterError: If ``source`` is blank, or ``higher_is_better`` is neither true, false nor None.
    """

    version: ClassVar[int] = 2

    def __init__(self, source: Name = "retriever", higher_is_better: bool | None = None) -> None:
        self.source = source
        self.higher_is_better = higher_is_better

    @component.output_types(examples=list[MiningExample])
    def run(
        self,
        query: str,
        documents: list[Document],
        positives: list[Document],
        query_id: str | None = None,
        language: str = "",
    ) -> dict[str, list[MiningExample]]:
        """Build one example.

        :param query: Text of the query.
        :param documents: What was retrieved, best first; of several with one id the first counts.
        :param positives: Passages known to be relevant; they stay among the candidates until a filter drops them.
        :param query_id: Id of the example; None takes a hash of the query, the same in every run.
        :param language: ISO 639-1 code of the query, or empty.
        :returns: ``examples``: a list of one.
        :raises RecordError: If the query is empty, or the order of the documents says the opposite of
            ``higher_is_better``.
        """
        identifier = query_id if query_id is not None else xxhash.xxh3_64_hexdigest(query.encode())
        first: dict[str, Document] = {}
        for document in documents:
            first.setdefault(document.id, document)
        table = merge_documents(CandidateTable.empty([len(positives)]), self.source, [list(first.values())])
        table = without_empty(with_larger_better(_NAME, table, self.source, self.higher_is_better))
        example = MiningExample(identifier, query, tuple(positives), Candidates(table), language)
        return {"examples": with_positive_texts([example], table)}
