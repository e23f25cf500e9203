"""Exchange indexes with bm25s: search one that bm25s saved, write ours where ``bm25s.BM25.load`` reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.search.bm25.build import (
    DATA_FILE,
    INDICES_FILE,
    INDPTR_FILE,
    PARAMETERS_FILE,
    VOCABULARY_FILE,
)
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.text import Analyzer

EXCHANGED_FILES = (DATA_FILE, INDICES_FILE, INDPTR_FILE, VOCABULARY_FILE, PARAMETERS_FILE)
"""Files of an index that bm25s reads."""
ANALYSIS_FILE = "hardneg.json"
"""Tells an exported index, whose queries need this package's text analysis, from one of bm25s' own tokens."""


class SavedBM25Index:
    """An index that ``bm25s.BM25.save`` wrote, searched by bm25s.

    Its vocabulary and scores are taken as they are. Queries are cut by ``bm25s.tokenize`` without stop words (a stop
    word that the index does not know adds nothing), or by this package's analyzer where the index was exported by it.

    :param folder: Folder of the index.
    :param passages: Passages of the corpus; the index must have as many, in the same order.
    :raises ParameterError: If the folder holds no index of bm25s.
    :raises DatasetError: If the index has another number of passages than the corpus.
    """

    def __init__(self, folder: Path, passages: int) -> None:
        import bm25s

        missing = [name for name in EXCHANGED_FILES if not (folder / name).is_file()]
        if missing:
            msg = f"index: {folder} holds no index that bm25s saved: expected {', '.join(missing)} in it"
            raise ParameterError(msg)
        try:
            documents = int(json.loads((folder / PARAMETERS_FILE).read_text("utf-8"))["num_docs"])
            self._index = bm25s.BM25.load(folder, mmap=True, load_vocab=True)
        except (ValueError, KeyError, TypeError, OSError) as error:
            msg = f"index: {folder} cannot be read as an index of bm25s: {error}"
            raise ParameterError(msg) from error
        if documents != passages:
            msg = f"index: {folder} is of {documents:,} passages, the corpus has {passages:,}; they must be the same"
            raise DatasetError(msg)
        self._passages = passages
        self._analyzer = Analyzer() if (folder / ANALYSIS_FILE).is_file() else None

    def search(self, queries: Sequence[str], languages: Sequence[str] | None, k: int) -> Hits:
        """Return the best passages that share a term with each query.

        :param queries: Texts.
        :param languages: ISO 639-1 code of each query; used by this package's analyzer alone.
        :param k: Passages per query.
        :returns: Hits of shape ``(queries, k)``; scores are BM25 scores above 0.
        :raises DatasetError: If no word of any query is in the index, as when its passages were stemmed.
        """
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        known = [
            [token for token in tokens if token in self._index.vocab_dict] for tokens in self._cut(queries, languages)
        ]
        asked = [number for number, tokens in enumerate(known) if tokens]
        if queries and not asked:
            msg = (
                f"index: no word of the {len(queries):,} queries is in the index; was it made with a stemmer "
                "or another tokenizer? Leave `index` out to have the corpus indexed anew"
            )
            raise DatasetError(msg)
        if asked:
            depth = min(k, self._passages)
            found = self._index.retrieve([known[number] for number in asked], k=depth, show_progress=False)
            hit = found.scores > 0
            rows[asked, :depth] = np.where(hit, found.documents, -1)
            scores[asked, :depth] = np.where(hit, found.scores, np.nan)
        return Hits(rows, scores)

    def _cut(self, queries: Sequence[str], languages: Sequence[str] | None) -> list[list[str]]:
        import bm25s

        if self._analyzer is not None:
            return list(self._analyzer.tokenize(queries, languages))
        tokens: Any = bm25s.tokenize(list(queries), stopwords=None, return_ids=False, show_progress=False)
        return [list(chain(words)) for words in tokens]


def export_index(index: Path, folder: Path) -> None:
    """Copy an index of this package to a folder from which ``bm25s.BM25.load`` reads it.

    :param index: Folder of the index in the cache.
    :param folder: New or empty folder.
    :raises ParameterError: If the folder holds anything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        msg = f"{folder} is not empty; give a new folder"
        raise ParameterError(msg)
    for name in EXCHANGED_FILES:
        shutil.copyfile(index / name, folder / name)
    (folder / ANALYSIS_FILE).write_text(json.dumps({"analyzer": "hardneg"}), "utf-8")
