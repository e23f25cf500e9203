"""The ``corpus`` parameter of miners: a dataset spec, or a Haystack document store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haystack.document_stores.types import DocumentStore

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.records.corpus_writer import CorpusWriter, duplicate_rows, publish_corpus

if TYPE_CHECKING:
    from hardneg_plugin.records import Corpus


def open_corpus(corpus: str | DocumentStore) -> Corpus:
    """Return the passages of a dataset spec, or of the documents in a store; either way from the cache, memory-mapped.

    :param corpus: Spec such as ``beir:data/msmarco``, or a document store.
    :raises DatasetError: If the dataset is bad, or a document has no text.
    """
    if isinstance(corpus, str):
        return load_dataset(corpus).corpus
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            for document in sorted(corpus.filter_documents(), key=lambda document: document.id):
                if not document.content:
                    msg = f"{type(corpus).__name__}: document {document.id!r} has no text; a corpus needs text documents"
                    raise DatasetError(msg)
                writer.add(document.id, document.content, "", str(document.meta.get("language") or ""))
        for _, _, identifier in duplicate_rows(folder):
            msg = f"{type(corpus).__name__}: two documents have the id {identifier!r}"
            raise DatasetError(msg)
        return publish_corpus(folder, writer.key)
