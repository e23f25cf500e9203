"""Embedders of a model that needs no file: each word adds a direction that its hash decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xxhash
from haystack import Document, component, default_to_dict

DIMS = 64


def vector_of(text: str) -> list[float]:
    """The sum of the directions of a text's words, of a length that is not 1."""
    words = text.lower().split() or [""]
    directions = [
        np.random.default_rng(xxhash.xxh3_64_intdigest(word.encode())).standard_normal(DIMS) for word in words
    ]
    return (np.sum(directions, axis=0) / len(words)).astype(np.float32).tolist()


@component
class HashTextEmbedder:
    """Embeds one text; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        self.calls += 1
        return {"embedding": vector_of(text)}


@component
class HashDocumentEmbedder:
    """Embeds documents."""

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HashDocumentEmbedder:
        return cls()

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        return {"documents": [replace(one, embedding=vector_of(one.content or "")) for one in documents]}
