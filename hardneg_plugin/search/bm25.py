"""BM25 over a corpus on disk: bm25s scores (Lù, 2024), analysed by language, kept in the cache and memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import Analyzer

# Raised when a change of the code changes the index of the same corpus.
INDEX_VERSION = 1
# Lucene's variant of the BM25 formula. With this analysis k1 = 1.2 measures better than bm25s's 1.5
# (benchmarks/analyzers.py).
METHOD, K1, B = "lucene", 1.2, 0.75
# Compiling bm25s's numba backend takes about 5 s a process; below this many passages its numpy backend is done before.
# The choice depends on the corpus alone, so that the same corpus is always searched by the same code.
NUMBA_FROM_ROWS = 20_000


class BM25Index:
    """A searchable index.

    :param corpus: The passages.
    :param k1: Term saturation, 0 or more.
    :param b: Length normalisation, 0 to 1.
    :param analyzer: Text analysis of passages and queries; part of the index's key.
    :raises ParameterError: If ``k1`` or ``b`` is out of range.
    :raises DatasetError: If no passage has a word.
    """

    def __init__(self, corpus: Corpus, *, k1: float = K1, b: float = B, analyzer: Analyzer | None = None) -> None:
        if k1 < 0 or not 0 <= b <= 1:
            msg = f"BM25 needs k1 >= 0 and 0 <= b <= 1; got k1={k1}, b={b}"
            raise ParameterError(msg)
        self.corpus = corpus
        self._analyzer = analyzer or Analyzer()
        key = index_key(corpus, self._analyzer, k1, b)
        build = partial(_build, corpus=corpus, analyzer=self._analyzer, k1=k1, b=b)
        self._index = _load(build_entry("bm25", key, build), len(corpus))
        self._vocabulary: dict[str, int] = self._index.vocab_dict

    def search(self, queries: Sequence[str], languages: Sequence[str] | None, k: int) -> Hits:
        """Return the best passages that share a term with each query.

        :param queries: Texts.
        :param languages: ISO 639-1 code of each query, empty where it is not known.
        :param k: Passages per query.
        :returns: Hits of shape ``(queries, k)``; scores are BM25 scores above 0. Of equal scores the lowest rows are
            found and come first.
        """
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        terms = [self._known(tokens) for tokens in self._analyzer.tokenize(queries, languages)]
        asked = [number for number, ids in enumerate(terms) if ids]
        if asked:
            best = self._best([terms[number] for number in asked], min(k, len(self.corpus)))
            depth = best.rows.shape[1]
            rows[asked, :depth], scores[asked, :depth] = best.rows, best.scores
        return Hits(rows, scores)

    def _best(self, queries: list[list[int]], depth: int) -> Hits:
        # One more than asked for shows where passages of equal score are cut apart: bm25s keeps any of these.
        deeper = min(depth + 1, len(self.corpus))
        found = self._index.retrieve(queries, k=deeper, show_progress=False, n_threads=-1)
        best = _in_order(found.documents.astype(np.int64), found.scores.astype(np.float32))
        if deeper > depth:
            for number in np.flatnonzero(best.scores[:, depth - 1] == best.scores[:, depth]):
                every = self._index.get_scores_from_ids(queries[number])
                best.rows[number, :depth] = _lowest_rows(every, depth)
        return Hits(best.rows[:, :depth], best.scores[:, :depth])

    def _known(self, tokens: list[str]) -> list[int]:
        vocabulary = self._vocabulary
        return [vocabulary[token] for token in tokens if token in vocabulary]


def index_key(corpus: Corpus, analyzer: Analyzer, k1: float = K1, b: float = B) -> str:
    """Return the fingerprint of all that decides over what an index finds."""
    return fingerprint([INDEX_VERSION, corpus.key, analyzer.fingerprint, METHOD, k1, b])


def _in_order(rows: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> Hits:
    """Sort by score, then row; bm25s fills up with passages that share no term: these become padding."""
    order = np.lexsort((rows, -scores), axis=1)
    rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
    return Hits(np.where(scores > 0, rows, -1), np.where(scores > 0, scores, np.nan))


def _lowest_rows(scores: np.ndarray[Any, Any], depth: int) -> np.ndarray[Any, Any]:
    """Return the rows of the best ``depth`` of all scores; of those that equal the last, the lowest rows."""
    cut = np.partition(scores, -depth)[-depth]
    above = np.flatnonzero(scores > cut)
    above = above[np.lexsort((above, -scores[above]))]
    return np.concatenate([above, np.flatnonzero(scores == cut)[: depth - len(above)]])


def _build(folder: Path, *, corpus: Corpus, analyzer: Analyzer, k1: float, b: float) -> None:
    import bm25s

    vocabulary: dict[str, int] = {}
    documents: list[list[int]] = []
    for texts, languages in corpus.iter_batches():
        for tokens in analyzer.tokenize(texts, languages):
            documents.append([vocabulary.setdefault(token, len(vocabulary)) for token in tokens])
    if not vocabulary:
        msg = f"no passage of corpus {corpus.key} has a word to index"
        raise DatasetError(msg)
    index = bm25s.BM25(method=METHOD, k1=k1, b=b)
    index.index((documents, vocabulary), create_empty_token=False, show_progress=False)
    index.save(folder, show_progress=False)


def _load(folder: Path, rows: int) -> Any:
    import bm25s

    index = bm25s.BM25.load(folder, mmap=True, load_vocab=True)
    index.backend = "numba" if rows >= NUMBA_FROM_ROWS else "numpy"
    return index
