"""Corpora of any size with MS MARCO's lengths and word frequencies, drawn from a sample of its passages.

The words of a passage are independent draws from the sample's unigram distribution; the probability of words that the
sample never showed (Good and Turing: the share of words seen once) goes to a Zipf tail of a million further words. That
keeps what the cost of BM25 depends on: lengths, the vocabulary, the frequencies. Real text, whose words depend on each
other, gives skipping more to skip.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import bm25s
import numpy as np
from bm25s.stopwords import STOPWORDS_EN
from numpy.typing import NDArray

TAIL_WORDS = 1_000_000
QUERY_WORDS = 6
_GUIDE = 1 << 20


class Synthetic:
    """Draws passages as word ids or as texts.

    :param shared: Folder of the shared data; ``data/msmarco/corpus.jsonl`` is read.
    :param stop_words: Keep the English stop words of bm25s.
    :param seed: Each corpus and query set has a stream of its own.
    """

    def __init__(self, shared: Path, *, stop_words: bool, seed: int = 13) -> None:
        lines = (shared / "data" / "msmarco" / "corpus.jsonl").read_text("utf-8").splitlines()
        split = bm25s.tokenize(
            [json.loads(line)["text"] for line in lines],
            stopwords=None if stop_words else list(STOPWORDS_EN),
            return_ids=False,
            show_progress=False,
        )
        words, counts = np.unique([word for words in split for word in words], return_counts=True)
        self.lengths = np.array([len(words) for words in split], dtype=np.int32)
        unseen = (counts == 1).sum() / counts.sum()
        tail = 1 / np.arange(1, TAIL_WORDS + 1)
        shares = np.concatenate([(1 - unseen) * counts / counts.sum(), unseen * tail / tail.sum()])
        self._cumulated = np.cumsum(shares / shares.sum())
        self._cumulated[-1] = 1.0
        # Where a search for a draw begins: a guide by the first 20 bits of the draw.
        self._guide = np.searchsorted(self._cumulated, np.arange(_GUIDE + 1) / _GUIDE, side="right").astype(np.int32)
        self._words = words
        self.vocabulary = len(shares)
        self._seed = seed

    def word(self, number: int) -> str:
        """Return the spelling of a word: the sample's, or ``x`` and a number for the tail."""
        return str(self._words[number]) if number < len(self._words) else f"x{number - len(self._words):06d}"

    def passages(self, rows: int, batch: int = 100_000) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Yield ``(word ids, lengths)`` of a batch of passages at a time; the same for the same number of rows."""
        rng = np.random.default_rng([self._seed, rows])
        for start in range(0, rows, batch):
            lengths = rng.choice(self.lengths, size=min(batch, rows - start))
            yield self._draw(rng, int(lengths.sum())), lengths

    def texts(self, rows: int, batch: int = 20_000) -> Iterator[list[str]]:
        """Yield the same kind of passages as texts."""
        spelled = np.array([self.word(number) for number in range(self.vocabulary)], dtype=object)
        for ids, lengths in self.passages(rows, batch):
            words = spelled[ids].tolist()
            ends = np.cumsum(lengths).tolist()
            starts = [0, *ends[:-1]]
            yield [" ".join(words[start:end]) for start, end in zip(starts, ends, strict=True)]

    def queries(self, number: int) -> list[NDArray[np.int32]]:
        """Return queries: six words of one passage each, drawn without the passage's order."""
        rng = np.random.default_rng([self._seed, number, 1])
        return [self._draw(rng, QUERY_WORDS) for _ in range(number)]

    def _draw(self, rng: np.random.Generator, size: int) -> NDArray[np.int32]:
        draws = rng.random(size)
        found = self._guide[(draws * _GUIDE).astype(np.int64)]
        open_draws = np.flatnonzero(self._cumulated[found] <= draws)
        while len(open_draws):
            found[open_draws] += 1
            open_draws = open_draws[self._cumulated[found[open_draws]] <= draws[open_draws]]
        return found
