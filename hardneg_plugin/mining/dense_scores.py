"""Scores of all candidates and positives by one dense encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from haystack.dataclasses import Document
from numpy.typing import NDArray

from hardneg_plugin.mining.passages import document_rows
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample
from hardneg_plugin.search.dense.embedding_store import meta_fields_of
from hardneg_plugin.search.dense.search import Encoder, encode
from hardneg_plugin.search.dense.vector_space import Vectors, VectorSpace

Ints = NDArray[np.int64]


class _Pairs(NamedTuple):
    """Pairs of an example and a passage.

    :param example: Number of the example, shape ``(pairs,)``.
    :param rows: Row of the corpus, or -1 where ``documents`` has the passage; same shape.
    :param documents: Document by pair, for passages that are not in the corpus.
    """

    example: Ints
    rows: Ints
    documents: dict[int, Document]


class DenseScorer(NamedTuple):
    """Scores any passages for the examples of a shard, as a search over the corpus would.

    :param encoder: Encodes passages that are not in the corpus.
    :param corpus: The corpus.
    :param space: Vectors of the examples' queries and of the corpus.
    :param batch_size: Texts per forward pass.
    """

    encoder: Encoder
    corpus: Corpus
    space: VectorSpace
    batch_size: int

    def candidates(self, table: CandidateTable, known: Vectors) -> Vectors:
        """Score the candidates, whichever source found them.

        :param table: ``m`` candidates.
        :param known: Scores that a search gave already, NaN elsewhere; shape ``(m,)``.
        :returns: Shape ``(m,)``; NaN for a document without text.
        """
        missing = np.flatnonzero(np.isnan(known))
        passages = table.passages[missing]
        own = np.unique(-1 - passages[passages < 0])
        # An own document may stand for a passage of the corpus, whose vector is stored.
        rows = np.maximum(passages, -1)
        rows_of_own = np.full(len(table.own), -1, dtype=np.int64)
        rows_of_own[own] = document_rows(self.corpus, [table.own[number] for number in own])
        rows[passages < 0] = rows_of_own[-1 - passages[passages < 0]]
        scores = known.copy()
        outside = {position: table.own[-1 - passages[position]] for position in np.flatnonzero(rows < 0).tolist()}
        scores[missing] = self._scores(_Pairs(table.example_index[missing], rows, outside))
        return scores

    def positives(self, examples: Sequence[MiningExample]) -> Vectors:
        """Score the positives of all examples, in their order; NaN for one without text.

        A positive is found in the corpus by its id, and its text there must be the same.
        """
        positives = [positive for example in examples for positive in example.positives]
        counts = [len(example.positives) for example in examples]
        rows = document_rows(self.corpus, positives)
        outside = {position: positives[position] for position in np.flatnonzero(rows < 0).tolist()}
        return self._scores(_Pairs(np.repeat(np.arange(len(examples), dtype=np.int64), counts), rows, outside))

    def _scores(self, pairs: _Pairs) -> Vectors:
        scores = np.full(len(pairs.rows), np.nan, dtype=np.float32)
        stored = np.flatnonzero(pairs.rows >= 0)
        scores[stored] = self.space.score_pairs(pairs.example[stored], pairs.rows[stored])
        fields = meta_fields_of(self.encoder)
        number: dict[str, int] = {}
        passages: list[Any] = []
        texts: list[int] = []
        positions = [position for position, document in pairs.documents.items() if (document.content or "").strip()]
        for position in positions:
            document = pairs.documents[position]
            read = repr([document.content, *map(document.meta.get, fields)]) if fields else str(document.content)
            if read not in number:
                passages.append(document if fields else document.content)
            texts.append(number.setdefault(read, len(number)))
        if passages:
            vectors = encode(self.encoder, passages, kind="passage", batch_size=self.batch_size)
            space = VectorSpace.of(self.space.queries, vectors, self.space.similarity)
            scores[positions] = space.score_pairs(pairs.example[positions], np.array(texts, dtype=np.int64))
        return scores
