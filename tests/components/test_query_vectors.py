from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from dense_models import LetterDocumentEmbedder, LetterTextEmbedder
from haystack import Document, component, default_to_dict

from hardneg_plugin.components.query_vectors import QueryVectors
from hardneg_plugin.errors import ParameterError

TEXTS = [f"{letter}bad" * number for number, letter in enumerate("abcdefghij", start=1)]
EXPECTED = [LetterTextEmbedder().run(text)["embedding"] for text in TEXTS]


class Counting(LetterTextEmbedder):
    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.calls = 0

    def run(self, text: str) -> dict[str, Any]:
        self.calls += 1
        return LetterTextEmbedder.run(self, text)


def test_a_document_embedder_that_makes_the_same_embeds_in_batches():
    embedder = Counting()
    vectors = QueryVectors(embedder, LetterDocumentEmbedder())
    assert vectors(TEXTS) == EXPECTED
    assert embedder.calls == 2
    assert vectors(TEXTS[:2]) == EXPECTED[:2]
    assert embedder.calls == 2


def test_one_with_another_prompt_or_none_does_not():
    for other in (LetterDocumentEmbedder(weight=2), None):
        embedder = Counting()
        assert QueryVectors(embedder, other)(TEXTS) == EXPECTED
        assert embedder.calls >= len(TEXTS)


def test_a_few_texts_and_repeated_ones():
    embedder = Counting()
    assert QueryVectors(embedder, LetterDocumentEmbedder())(TEXTS[:3] + TEXTS[:3]) == EXPECTED[:3] * 2
    assert embedder.calls == 3


def test_the_document_embedder_of_the_same_integration_is_found(monkeypatch):
    @component
    class WordTextEmbedder(Counting):
        def to_dict(self) -> dict[str, Any]:
            return default_to_dict(self, weight=self.weight)

    @component
    class WordDocumentEmbedder:
        def __init__(self, weight: float = 1.0) -> None:
            self.weight, self.warm = weight, False

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> WordDocumentEmbedder:
            return cls(**data["init_parameters"])

        def warm_up(self) -> None:
            self.warm = True

        @component.output_types(documents=list[Document])
        def run(self, documents: list[Document]) -> dict[str, Any]:
            assert self.warm
            return LetterDocumentEmbedder(self.weight).run(documents)

    package = types.ModuleType("words")
    package.WordTextEmbedder, package.WordDocumentEmbedder = WordTextEmbedder, WordDocumentEmbedder
    monkeypatch.setitem(sys.modules, "words", package)
    WordTextEmbedder.__module__ = "words.text_embedder"
    WordDocumentEmbedder.__module__ = "words.document_embedder"
    embedder = WordTextEmbedder(weight=3)
    assert QueryVectors(embedder)(TEXTS) == [[3 * value for value in vector] for vector in EXPECTED]
    assert embedder.calls == 2


def test_a_text_without_a_vector_is_named():
    class Broken:
        def run(self, text: str) -> dict[str, Any]:
            return {"embedding": None}

    with pytest.raises(ParameterError, match="Broken: no embedding for the query 'abad'"):
        QueryVectors(Broken())(TEXTS)
    with pytest.raises(ParameterError, match="LetterDocumentEmbedder: no embedding for 1 of 2 queries"):
        QueryVectors(LetterTextEmbedder(), LetterDocumentEmbedder(skip=TEXTS[0]))(TEXTS)
