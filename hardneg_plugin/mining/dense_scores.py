"""Scores of all candidates and positives by one dense encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.mining.passages import document_rows
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample
from hardneg_plugin.search.dense.search import Encoder, encode
from hardneg_plugin.search.dense.vector_space import Vectors, VectorSpace

Ints = NDArray[np.int64]


class _Pairs(NamedTuple):
    """Pairs of an example and a passage.

    :param example: Number of the example, shape ``(pairs,)``.
    :param rows: Row of the corpus, or -1 where ``texts`` has the passage; same shape.
    :param texts: Text by pair, for passages that are not in the corpus; empty where the passage has none.
    """

    example: Ints
    rows: Ints
    texts: dict[int, str]


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
        own = {
            position: table.own[-1 - passages[position]].content or ""
            for position in np.flatnonzero(passages < 0).tolist()
        }
        scores = known.copy()
        pairs = _Pairs(table.example_index[missing], np.maximum(passages, -1), own)
        scores[missing] = self._scores(pairs)
        return scores

    def positives(self, examples: Sequence[MiningExample]) -> Vectors:
        """Score the positives of all examples, in their order; NaN for one without text.

        A positive is found in the corpus by its id, and its text there must be the same.
        """
        positives = [positive for example in examples for positive in example.positives]
        counts = [len(example.positives) for example in examples]
        rows = document_rows(self.corpus, positives)
        texts = {position: positives[position].content or "" for position in np.flatnonzero(rows < 0).tolist()}
        return self._scores(_Pairs(np.repeat(np.arange(len(examples), dtype=np.int64), counts), rows, texts))

    def _scores(self, pairs: _Pairs) -> Vectors:
        scores = np.full(len(pairs.rows), np.nan, dtype=np.float32)
        stored = np.flatnonzero(pairs.rows >= 0)
        scores[stored] = self.space.score_pairs(pairs.example[stored], pairs.rows[stored])
        number: dict[str, int] = {}
        positions = np.array([position for position, text in pairs.texts.items() if text.strip()], dtype=np.int64)
        if len(positions):
            texts = [number.setdefault(pairs.texts[position], len(number)) for position in positions.tolist()]
            vectors = encode(self.encoder, list(number), kind="passage", batch_size=self.batch_size)
            space = VectorSpace.of(self.space.queries, vectors, self.space.similarity)
            scores[positions] = space.score_pairs(pairs.example[positions], np.array(texts, dtype=np.int64))
        return scores
