"""Sixty passages about made-up things, twenty queries, and what an exact search finds for them."""

from __future__ import annotations

import random

import numpy as np
from hash_embedders import HashDocumentEmbedder, vector_of
from haystack import Document

from hardneg_plugin import MiningExample
from hardneg_plugin.search.dense.search import exact_search

PASSAGES, QUERIES, TOP_K = 60, 20, 8
_WORDS = [f"word{number}" for number in range(40)]


def _texts() -> list[str]:
    draw = random.Random(7)
    return [" ".join(draw.sample(_WORDS, 9)) for _ in range(PASSAGES)]


def documents() -> list[Document]:
    """The passages with vectors; every third is Korean, ten neighbours are of one source."""
    given = [
        Document(
            id=f"d{number}",
            content=text,
            meta={"language": "ko" if number % 3 == 0 else "en", "source_id": f"s{number // 10}"},
        )
        for number, text in enumerate(_texts())
    ]
    return HashDocumentEmbedder().run(given)["documents"]


def examples() -> list[MiningExample]:
    """Queries made of five words of their positive and two others."""
    draw = random.Random(11)
    made = []
    for number, document in enumerate(documents()[:QUERIES]):
        words = [*draw.sample((document.content or "").split(), 5), *draw.sample(_WORDS, 2)]
        positive = Document(id=document.id, content=document.content, meta=document.meta)
        made.append(MiningExample(f"q{number}", " ".join(words), (positive,)))
    return made


def similarities(similarity: str) -> np.ndarray:
    """Similarity of each query to each passage, larger is better; shape ``(queries, passages)``."""
    queries = np.array([vector_of(example.query) for example in examples()], dtype=np.float32)
    vectors = np.array([document.embedding for document in documents()], dtype=np.float32)
    hits = exact_search(queries, vectors, PASSAGES, similarity)
    found = np.empty((QUERIES, PASSAGES), dtype=np.float32)
    np.put_along_axis(found, hits.rows, hits.scores, axis=1)
    return found
