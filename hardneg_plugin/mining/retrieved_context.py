"""Retrieve context passages for a query, without the candidates being judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.search.dense.embedding_store import stored_embeddings
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import Encoder, encode, search_space, similarity_of
from hardneg_plugin.search.dense.vector_space import VectorRows, Vectors
from hardneg_plugin.search.encoder import DualEncoder
from hardneg_plugin.text import normalise

Pool = Literal["negatives", "corpus"]
# Texts that are encoded at a time.
_TEXT_BLOCK = 10_000


class RetrievedContext:
    """The passages of a pool that are nearest to each query.

    :param encoder: Encodes queries and passages.
    :param examples: The examples.
    :param table: Their candidates.
    :param pool: ``negatives``: the kept candidates of all examples; ``corpus``: all passages.
    :param size: Passages of a context.
    :param batch_size: Texts per forward pass.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        examples: Sequence[MiningExample],
        table: CandidateTable,
        *,
        pool: Pool,
        size: int,
        batch_size: int,
    ) -> None:
        self._examples, self._table, self._size = examples, table, size
        self._batch_size = batch_size
        kept = np.flatnonzero(table.kept)
        if pool == "corpus" and table.corpus is not None:
            self._passages = np.arange(len(table.corpus), dtype=np.int64)
            vectors: Vectors | VectorRows = stored_embeddings(encoder, table.corpus, batch_size=batch_size)
        else:
            self._passages = np.unique(table.passages[kept])
            vectors = self._encoded(encoder)
        judged = np.bincount(table.example_index[kept], minlength=len(table)).max(initial=0)
        positives = max((len(example.positives) for example in examples), default=0)
        # Copies under other ids may be among the nearest, too: as many again.
        depth = min(len(self._passages), size + 2 * (int(judged) + positives))
        queries = encode(encoder, [example.query for example in examples], kind="query", batch_size=batch_size)
        self._nearest = nearest(search_space(queries, vectors, depth, similarity_of(encoder)), depth).rows

    def _encoded(self, encoder: Encoder) -> Vectors:
        parts = [
            encode(encoder, passage_texts(self._table, block), kind="passage", batch_size=self._batch_size)
            for block in np.array_split(self._passages, max(1, -(-len(self._passages) // _TEXT_BLOCK)))
        ]
        return np.concatenate(parts)

    def of(self, number: int, rows: Sequence[int]) -> list[str]:
        """Return the context of some candidates of an example, nearest first.

        :param number: Number of the example.
        :param rows: Rows of the candidates, which are no context to themselves, nor are their copies.
        """
        example, table = self._examples[number], self._table
        shown = table.passages[list(rows)]
        texts = [*passage_texts(table, shown), *(positive.content or "" for positive in example.positives)]
        known, found = {normalise(text) for text in texts}, []
        for passage in self._found(number, shown):
            (text,) = passage_texts(table, [passage])
            if normalise(text) not in known:
                known.add(normalise(text))
                found.append(text)
            if len(found) == self._size:
                break
        return found

    def _found(self, number: int, shown: NDArray[np.int64]) -> list[int]:
        positions = self._nearest[number]
        passages = self._passages[positions[positions >= 0]]
        return [int(passage) for passage in passages[~np.isin(passages, shown)]]
