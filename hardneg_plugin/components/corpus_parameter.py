"""The ``corpus`` parameter of miners: a dataset spec, or a Haystack document store."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from haystack.dataclasses import Document
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.components import lifecycle
from hardneg_plugin.components.store_documents import counted, stored_documents
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.base import MAX_TEXT_CHARS
from hardneg_plugin.datasets.importer import id_fault, validate_text
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.records import Corpus
from hardneg_plugin.records.corpus_meta import packed
from hardneg_plugin.records.corpus_sorting import Sorted, UnsortedCorpus
from hardneg_plugin.search.dense.embedding_store import StoredVectors
from hardneg_plugin.search.dense.vector_space import Similarity
from hardneg_plugin.search.encoder import IdentifiedEncoder
from hardneg_plugin.search.given_vectors import GivenVectors, store_given

NO_CONTENT, EMPTY = "no content", "empty text"
_EXAMPLES = 3

logger = logging.getLogger(__name__)


def check_corpus(component: str, corpus: object, filters: Mapping[str, Any] | None = None) -> None:
    """Check that a corpus is a spec or a document store, and that filters go with a store; neither is opened.

    :raises ParameterError: If it is neither, or filters cannot be used.
    """
    store = not isinstance(corpus, type) and callable(getattr(corpus, "filter_documents", None))
    if not isinstance(corpus, str) and not store:
        msg = f"{component}: corpus must be a dataset spec or a document store, got {corpus!r:.200}"
        raise ParameterError(msg)
    if filters is not None and (not store or not isinstance(filters, Mapping)):
        msg = f"{component}: filters select documents of a store, as Haystack writes them; got {filters!r:.200}"
        raise ParameterError(msg + ("" if store else f" for the corpus {corpus!r:.80}"))


def open_corpus(
    corpus: str | DocumentStore, filters: dict[str, Any] | None = None, meta_fields: Sequence[str] | None = None
) -> Corpus:
    """Return the passages of a dataset spec, or of the documents in a store; either way from the cache, memory-mapped.

    :param corpus: Spec such as ``beir:data/msmarco``, ``cache:KEY`` for a corpus in the cache, or a document store.
    :param filters: Which documents of a store; None takes all.
    :param meta_fields: Keys of the meta of a store's documents that are kept.
    :raises DatasetError: If the dataset is bad, a document's text is broken, no document has a text, or a store does
        not give all of its documents.
    """
    opened = OpenCorpus(corpus, filters, meta_fields)
    opened.warm_up()
    return opened.corpus


class OpenCorpus:
    """A corpus that is opened once, and read again when its document store has another number of documents.

    Documents without content (images, empty pages) are left out, counted, and named in a warning. A document that was
    changed in its place is not noticed, since a store tells no more than its number of documents: :meth:`close`, and
    the next :meth:`warm_up` reads the store again.

    :param corpus: Dataset spec or document store.
    :param filters: Which documents of a store; None takes all.
    :param meta_fields: Keys of the meta of a store's documents that are kept.
    """

    def __init__(
        self,
        corpus: str | DocumentStore,
        filters: dict[str, Any] | None = None,
        meta_fields: Sequence[str] | None = None,
    ) -> None:
        self._source, self._filters = corpus, filters
        self._fields = tuple(dict.fromkeys(meta_fields or ()))
        self._corpus: Corpus | None = None
        self._count: int | None = None
        self.order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.left_out: dict[str, int] = {}

    @property
    def corpus(self) -> Corpus:
        """The passages."""
        assert self._corpus is not None
        return self._corpus

    def warm_up(self, takes: Callable[[Document], None] | None = None) -> bool:
        """Open the corpus unless it is open and its store has as many documents as then; tells whether it did.

        :param takes: Is given each document of a store that becomes a passage, in the order they are read.
        """
        source = self._source
        if isinstance(source, str):
            if self._corpus is None:
                self._corpus = _of_spec(source, self._fields)
                return True
            return False
        count = counted(source, self._filters)
        if self._corpus is not None and count == self._count:
            return False
        if self._corpus is not None:
            logger.warning(
                "%s: the store has %s documents, and had %s when it was read; it is read again. Examples that were "
                "mined from it before refer to other passages: mine them again",
                *(type(source).__name__, count, self._count),
            )
        self._count = count
        self._corpus, self.order = self._read(source, takes)
        return True

    def forget(self) -> None:
        """Let the corpus go: it is opened again by the next :meth:`warm_up`."""
        self._corpus = None

    def close(self) -> None:
        """Let the corpus go, and what a store holds."""
        self.forget()
        lifecycle.close(self._source)

    def _read(self, store: DocumentStore, takes: Callable[[Document], None] | None) -> Sorted:
        name = type(store).__name__
        left_out: Counter[str] = Counter()
        examples: list[str] = []
        with staging_folder("corpus") as folder:
            with UnsortedCorpus(folder, self._fields) as passages:
                for document in stored_documents(store, self._filters):
                    reason = _without_text(document)
                    if reason:
                        left_out[reason] += 1
                        examples += [document.id] if len(examples) < _EXAMPLES else []
                        continue
                    language, meta = _checked(name, document, self._fields)
                    if takes is not None:
                        takes(document)
                    passages.add(document.id, document.content or "", language, meta)
            _tell(name, passages.rows, left_out, examples, self._filters)
            self.left_out = dict(left_out)
            try:
                return passages.publish()
            except DatasetError as error:
                msg = f"{name}: {error}"
                raise DatasetError(msg) from error


def stored_vectors(
    corpus: OpenCorpus, encoder: IdentifiedEncoder, similarity: Similarity, batch_size: int
) -> StoredVectors | None:
    """Open a corpus, and return the vectors that its document store holds; None where it is open already.

    :param corpus: A corpus of a document store.
    :param encoder: The encoder that the vectors were made with.
    :param similarity: What they are compared by.
    :param batch_size: Texts per forward pass, for those that have no vector.
    :raises ParameterError: If the vectors are not the encoder's.
    """
    with staging_folder("embeddings") as folder:
        with GivenVectors(folder) as given:
            if not corpus.warm_up(lambda document: given.add(document.id, document.embedding)):
                return None
        try:
            vectors = given.of(corpus.order)
            return store_given(vectors, encoder, corpus.corpus, similarity=similarity, batch_size=batch_size)
        except ParameterError:
            # Read anew once the vectors are right, or others are asked for.
            corpus.forget()
            raise


def _of_spec(spec: str, fields: Sequence[str]) -> Corpus:
    kind, _, key = spec.partition(":")
    corpus = Corpus.open(key) if kind == "cache" else load_dataset(spec).corpus
    lost = [field for field in fields if field not in ("title", "language", *corpus.meta_fields)]
    if lost:
        msg = f"the corpus of the dataset {spec} keeps no meta {', '.join(map(repr, lost))}, only title and language"
        raise DatasetError(msg)
    return corpus


def _without_text(document: Document) -> str:
    """Return the reason why a document cannot be a passage; empty where it can."""
    if document.content is None:
        return NO_CONTENT
    return EMPTY if not document.content or document.content.isspace() else ""


def _checked(store: str, document: Document, fields: Sequence[str]) -> tuple[str, str]:
    """Return the language of a document, and its meta that is kept.

    :raises DatasetError: If its text, id, language or meta cannot be kept.
    """
    language = str(document.meta.get("language") or "")
    fault = validate_text(document.content or "", MAX_TEXT_CHARS) or id_fault(document.id, language)
    if fault:
        msg = f"{store}: document {document.id!r} cannot be in a corpus: {fault[1]}"
        raise DatasetError(msg)
    try:
        return language, packed(document.meta, fields)
    except (TypeError, ValueError) as error:
        msg = f"{store}: meta of document {document.id!r} cannot be kept ({error}); meta_fields: {', '.join(fields)}"
        raise DatasetError(msg) from error


def _tell(store: str, kept: int, left_out: Mapping[str, int], examples: Sequence[str], filters: object) -> None:
    """Warn of the documents that are left out.

    :raises DatasetError: If no document is left.
    """
    counts = ", ".join(f"{reason}: {count:,}" for reason, count in left_out.items())
    if not kept:
        selected = "" if filters is None else " that the filters select"
        reason = f"; left out: {counts}" if counts else ""
        msg = f"{store}: the store has no documents{selected} with a text{reason}; a corpus needs some"
        raise DatasetError(msg if counts else f"{store}: the store has no documents{selected}; a corpus needs some")
    if left_out:
        total = sum(left_out.values())
        named = ", ".join(map(repr, examples))
        logger.warning("%s: left out %d of %d documents (%s), such as %s", store, total, total + kept, counts, named)
