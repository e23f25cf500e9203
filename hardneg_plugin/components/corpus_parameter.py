"""The ``corpus`` parameter of miners: a dataset spec, or a Haystack document store."""

from __future__ import annotations

from haystack.document_stores.types import DocumentStore

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.base import MAX_TEXT_CHARS
from hardneg_plugin.datasets.importer import validate_text
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.records import Corpus
from hardneg_plugin.records.corpus_writer import CorpusWriter, duplicate_rows, publish_corpus


def check_corpus(component: str, corpus: object) -> None:
    """Check that a corpus is a spec or a document store; neither is opened.

    :raises ParameterError: If it is neither.
    """
    if not isinstance(corpus, str) and not callable(getattr(corpus, "filter_documents", None)):
        msg = f"{component}: corpus must be a dataset spec or a document store, got {corpus!r}"
        raise ParameterError(msg)


def open_corpus(corpus: str | DocumentStore) -> Corpus:
    """Return the passages of a dataset spec, or of the documents in a store; either way from the cache, memory-mapped.

    :param corpus: Spec such as ``beir:data/msmarco``, ``cache:KEY`` for a corpus in the cache, or a document store.
    :raises DatasetError: If the dataset is bad, the store is empty, or a document's text is missing or broken.
    """
    if isinstance(corpus, str):
        kind, _, key = corpus.partition(":")
        return Corpus.open(key) if kind == "cache" else load_dataset(corpus).corpus
    store = type(corpus).__name__
    documents = sorted(corpus.filter_documents(), key=lambda document: document.id)
    if not documents:
        msg = f"{store}: the store has no documents; a corpus needs some"
        raise DatasetError(msg)
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            for document in documents:
                text = document.content or ""
                if fault := validate_text(text, MAX_TEXT_CHARS):
                    msg = f"{store}: document {document.id!r} cannot be in a corpus: {fault[1]}"
                    raise DatasetError(msg)
                writer.add(document.id, text, "", str(document.meta.get("language") or ""))
        for _, _, identifier in duplicate_rows(folder):
            msg = f"{store}: two documents have the id {identifier!r}"
            raise DatasetError(msg)
        return publish_corpus(folder, writer.key)
