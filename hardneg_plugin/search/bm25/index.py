"""BM25 over a corpus on disk: scores as bm25s has them (Lù, 2024), kept in the cache and memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.search.bm25.build import METHOD, IndexBuilder
from hardneg_plugin.search.bm25.postings import Postings
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import Analyzer
from hardneg_plugin.text.vocabulary import NumbaVectorizer, PythonVectorizer

# Raised when a change of the code changes the index of the same corpus.
INDEX_VERSION = 2
# Lucene's variant of the BM25 formula. With this analysis k1 = 1.2 measures better than bm25s's 1.5
# (benchmarks/analyzers.py).
K1, B = 1.2, 0.75
# Loading compiled loops takes about a second a process, and several where they must be compiled; below this many
# passages numpy is done before. The choice depends on the corpus alone, so that the same corpus is always searched by
# the same code.
COMPILED_FROM_ROWS = 20_000


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
        self._postings = Postings(
            build_entry("bm25", key, build), len(corpus), compiled=len(corpus) >= COMPILED_FROM_ROWS
        )

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
            best = self._postings.search([terms[number] for number in asked], min(k, len(self.corpus)))
            depth = best.rows.shape[1]
            rows[asked, :depth], scores[asked, :depth] = best.rows, best.scores
        return Hits(rows, scores)

    def _known(self, tokens: list[str]) -> list[int]:
        vocabulary = self._postings.vocabulary
        return [vocabulary[token] for token in tokens if token in vocabulary]


def index_key(corpus: Corpus, analyzer: Analyzer, k1: float = K1, b: float = B) -> str:
    """Return the fingerprint of all that decides over what an index finds."""
    return fingerprint([INDEX_VERSION, corpus.key, analyzer.fingerprint, METHOD, k1, b])


def _build(folder: Path, *, corpus: Corpus, analyzer: Analyzer, k1: float, b: float) -> None:
    compiled = len(corpus) >= COMPILED_FROM_ROWS
    numbering = NumbaVectorizer(analyzer) if compiled and type(analyzer) is Analyzer else PythonVectorizer(analyzer)
    builder = IndexBuilder(folder, compiled=compiled)
    for texts, languages in corpus.iter_batches():
        batch = numbering.number(texts, languages)
        builder.add(batch.ids, batch.lengths, len(numbering.vocabulary))
    if not numbering.vocabulary:
        msg = f"no passage of corpus {corpus.key} has a word to index"
        raise DatasetError(msg)
    builder.finish(numbering.vocabulary, k1, b)
