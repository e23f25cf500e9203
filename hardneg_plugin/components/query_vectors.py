"""Embedding many queries with a Haystack text embedder, in batches where that gives the same vectors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from haystack.core.errors import DeserializationError, SerializationError
from haystack.core.serialization import component_to_dict
from haystack.dataclasses import Document

from hardneg_plugin.errors import ParameterError

_AT_ONCE = 256
# Fewer queries are not worth the calls that find out whether batches give the same.
_WORTH_BATCHES = 8
_TOLERANCE = 1e-3


class QueryVectors:
    """Embeds queries with a text embedder.

    A text embedder takes one text a call. Where a document embedder of the same model gives the same vectors, found out
    once by embedding a few of the queries both ways, it embeds the rest in batches.

    :param text_embedder: Haystack component with ``run(text=...)``.
    :param document_embedder: Haystack component with ``run(documents=...)`` that may be of the same model, prompt and
        prefix; None looks for the integration's own beside the text embedder.
    """

    def __init__(self, text_embedder: Any, document_embedder: Any = None) -> None:
        self._text_embedder = text_embedder
        self._document_embedder = document_embedder
        self._batches: bool | None = None

    @property
    def name(self) -> str:
        """Name of the text embedder's class."""
        return type(self._text_embedder).__name__

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, the same for the same text.

        :param texts: Any number.
        :raises ParameterError: If the embedder gives no vector for a text.
        """
        distinct = list(dict.fromkeys(texts))
        vectors = dict(zip(distinct, self._embedded(distinct), strict=True))
        return [vectors[text] for text in texts]

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        if len(texts) < _WORTH_BATCHES and not self._batches:
            return [self._one(text) for text in texts]
        if self._batches is None:
            self._batches = self._same_in_batches(texts)
        if not self._batches:
            return [self._one(text) for text in texts]
        found: list[list[float]] = []
        for start in range(0, len(texts), _AT_ONCE):
            found += self._batch(texts[start : start + _AT_ONCE])
        return found

    def _one(self, text: str) -> list[float]:
        vector = self._text_embedder.run(text=text).get("embedding")
        if vector is None:
            msg = f"{self.name}: no embedding for the query {text!r:.100}"
            raise ParameterError(msg)
        return list(vector)

    def _batch(self, texts: list[str]) -> list[list[float]]:
        documents = [Document(id=str(number), content=text) for number, text in enumerate(texts)]
        answer = self._document_embedder.run(documents=documents)["documents"]
        vectors = {document.id: document.embedding for document in answer}
        if missing := [text for number, text in enumerate(texts) if vectors.get(str(number)) is None]:
            msg = f"{type(self._document_embedder).__name__}: no embedding for {len(missing)} of {len(texts)} queries"
            raise ParameterError(msg)
        return [list(vectors[str(number)]) for number in range(len(texts))]

    def _same_in_batches(self, texts: list[str]) -> bool:
        """Tell whether a document embedder makes the same of the shortest and the longest query."""
        if self._document_embedder is None:
            self._document_embedder = _counterpart(self._text_embedder)
        if self._document_embedder is None:
            return False
        by_length = sorted(texts, key=len)
        probes = [by_length[0], by_length[-1]]
        singly = np.array([self._one(text) for text in probes])
        together = np.array(self._batch(probes))
        if singly.shape != together.shape:
            return False
        return bool(np.linalg.norm(singly - together) <= _TOLERANCE * np.linalg.norm(singly))


def _counterpart(text_embedder: Any) -> Any:
    """Return the document embedder that an integration has beside its text embedder, with the same parameters.

    None where it has none, or none that takes all of them: then it could not be the same.
    """
    cls = type(text_embedder)
    name = cls.__name__.replace("TextEmbedder", "DocumentEmbedder")
    positions = [sys.modules.get(module) for module in (cls.__module__, cls.__module__.rpartition(".")[0])]
    other = next((getattr(position, name) for position in positions if hasattr(position, name)), None)
    if other is None or other is cls or not hasattr(other, "from_dict"):
        return None
    try:
        written = component_to_dict(text_embedder, "text_embedder")
        made = other.from_dict({**written, "type": f"{other.__module__}.{other.__name__}"})
    except (TypeError, ValueError, KeyError, SerializationError, DeserializationError):
        return None
    if hasattr(made, "warm_up"):
        made.warm_up()
    return made
