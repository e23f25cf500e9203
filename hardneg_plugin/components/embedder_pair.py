"""A Haystack text embedder and document embedder as one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from haystack.components.embedders.types import DocumentEmbedder, TextEmbedder
from haystack.core.serialization import component_to_dict
from haystack.dataclasses import Document

from hardneg_plugin.components import lifecycle
from hardneg_plugin.components.query_vectors import QueryVectors
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense.search import Kind, encode

# Scripts, letter case, and a length that most models cut.
_PROBES = ["hard negatives", "Which river flows NORTH?", "한강은 어디로 흐르나", "ما هي عاصمة مصر", "word " * 2_000]


class EmbedderPair:
    """Encodes queries with a text embedder and passages with a document embedder.

    :param text_embedder: Haystack component with ``run(text=...)``.
    :param document_embedder: Haystack component with ``run(documents=...)``, of the same model.
    """

    def __init__(self, text_embedder: TextEmbedder, document_embedder: DocumentEmbedder) -> None:
        self._text_embedder, self._document_embedder = text_embedder, document_embedder
        self._query_vectors = QueryVectors(text_embedder, document_embedder)

    def warm_up(self) -> None:
        """Load what the embedders load."""
        for embedder in (self._text_embedder, self._document_embedder):
            lifecycle.warm_up(embedder)

    @property
    def similarity_fn_name(self) -> str:
        """An embedder names no similarity.

        :raises ParameterError: Always.
        """
        msg = "similarity: embedders do not say for which one they were trained; give cosine, dot or euclidean"
        raise ParameterError(msg)

    def encode_query(self, inputs: list[str], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Embed queries, to an array of shape ``(texts, dimensions)``.

        They go in batches where the document embedder makes the same vectors of them.
        """
        return np.asarray(self._query_vectors(inputs), dtype=np.float32)

    @property
    def meta_fields(self) -> tuple[str, ...]:
        """Keys of a document's meta that the document embedder reads beside its text."""
        return read_meta(self._document_embedder)

    def encode_document(self, inputs: Sequence[str | Document], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Embed passages to an array of shape ``(texts, dimensions)``; the embedder's own batch size is used.

        :param inputs: Texts, or documents with the meta that the embedder reads.
        """
        name = type(self._document_embedder).__name__
        documents = [
            Document(id=str(number), content=given)
            if isinstance(given, str)
            else Document(id=str(number), content=given.content, meta=given.meta)
            for number, given in enumerate(inputs)
        ]
        embedded = {
            document.id: document.embedding
            for document in self._document_embedder.run(documents=documents)["documents"]
        }
        return _stacked(name, [embedded.get(document.id) for document in documents], len(inputs))

    def identity(self, kind: Kind) -> dict[str, object]:
        """Return the embedder's parameters and what it makes of some texts.

        A service names its model, and may put another behind the name: its vectors tell. One that gives slightly
        different vectors at each call is therefore never taken for the one that was asked before.
        """
        embedder = self._text_embedder if kind == "query" else self._document_embedder
        vectors = encode(self, _PROBES, kind=kind, batch_size=len(_PROBES))
        return {
            "embedder": component_to_dict(embedder, kind),
            "kind": kind,
            "probes": [vector.tobytes().hex() for vector in vectors],
        }


def read_meta(embedder: object) -> tuple[str, ...]:
    """Return the keys of a document's meta that a document embedder reads beside its text."""
    return tuple(getattr(embedder, "meta_fields_to_embed", None) or ())


def _stacked(embedder: str, vectors: list[Any], count: int) -> Any:
    missing = sum(vector is None for vector in vectors)
    if missing:
        msg = f"{embedder}: no embedding for {missing} of {count} texts"
        raise ParameterError(msg)
    return np.asarray(vectors, dtype=np.float32)
