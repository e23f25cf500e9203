"""The way in from a plain Haystack flow: a query, what retrievers found for it, and its positives."""

from __future__ import annotations

from typing import ClassVar

import xxhash
from haystack import Document, component

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.records import Candidates, CandidateTable, MiningExample
from hardneg_plugin.records.documents import merge_documents
from hardneg_plugin.validation import Name


@component
class ExampleBuilder(CheckedParameters):
    """Makes an example of a query, retrieved documents and positives, for the filters and samplers of this package.

    The documents become the candidates, with their order as rank and their ``score`` as score. They may come from any
    retriever, ranker or joiner. ``NegativeDocumentBuilder`` leads back to documents.

    ### Usage example

    ```python
    from haystack import Document
    from hardneg_plugin import ExampleBuilder

    builder = ExampleBuilder(source="bm25")
    found = [Document(content="The Nile flows north."), Document(content="The Amazon flows east.")]
    builder.run(query="which way does the Nile flow", documents=found, positives=found[:1])["examples"]
    ```

    :param source: Name under which rank and score are kept.
    :raises ParameterError: If it is blank.
    """

    version: ClassVar[int] = 1

    def __init__(self, source: Name = "retriever") -> None:
        self.source = source

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
        :raises RecordError: If the query is empty.
        """
        identifier = query_id if query_id is not None else xxhash.xxh3_64_hexdigest(query.encode())
        first: dict[str, Document] = {}
        for document in documents:
            first.setdefault(document.id, document)
        table = merge_documents(CandidateTable.empty([len(positives)]), self.source, [list(first.values())])
        example = MiningExample(identifier, query, tuple(positives), Candidates(table), language)
        return {"examples": [example]}
