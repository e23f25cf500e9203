"""Marks of levelled texts: enough to find equal texts, and to rule out nearly all pairs that are not similar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from hardneg_plugin.cache import build_entry, entry_path, fingerprint, is_sound
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.row_writer import BATCH_ROWS
from hardneg_plugin.text.fingerprint import analysis_fingerprint
from hardneg_plugin.text.normalise import normalise_all

KIND = "levelled"
GROUPS = 32
"""Groups of characters that are counted, by the last five bits of their code: each letter of a script has its own."""
# Raised when a change of the code changes the marks of the same texts.
_VERSION = 2
_HASHES, _LENGTHS, _COUNTS = "hashes.npy", "lengths.npy", "counts.npy"
# Where one text in so many is asked for, those of the whole corpus are levelled, once.
_SHARE = 4


class TextSignatures(NamedTuple):
    """Marks of some texts.

    :param hashes: 64-bit hashes of the levelled texts, shape ``(texts,)``.
    :param lengths: Their lengths in characters, same shape.
    :param counts: How often characters of each group occur in each, at most 255; shape ``(texts, GROUPS)``.
    """

    hashes: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    counts: NDArray[np.uint8]

    def joined(self, others: TextSignatures) -> TextSignatures:
        """Return the marks of these texts and others behind them."""
        return TextSignatures(
            np.concatenate([self.hashes, others.hashes]),
            np.concatenate([self.lengths, others.lengths]),
            np.concatenate([self.counts, others.counts]),
        )


def signatures(levelled: Iterable[str]) -> TextSignatures:
    """Return the marks of levelled texts."""
    from hardneg_plugin.text.signature_kernels import count_groups

    texts = list(levelled)
    hashes = (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.zeros((len(texts), GROUPS), np.uint8)
    count_groups(codes, np.cumsum(lengths), counts)
    return TextSignatures(np.fromiter(hashes, np.uint64, len(texts)), lengths, counts)


def corpus_marks(corpus: Corpus, rows: NDArray[np.int64]) -> TextSignatures:
    """Return the marks of some passages.

    The first call that asks for a large part of a corpus levels all its texts and keeps the marks in the cache.

    :param corpus: The passages.
    :param rows: Rows of the corpus, best in ascending order.
    :raises CacheError: If the cache folder cannot be written.
    """
    key = fingerprint([_VERSION, analysis_fingerprint(), corpus.key])
    folder = entry_path(KIND, key)
    kept = is_sound(folder)
    if not kept and len(rows) * _SHARE >= len(corpus):
        build_entry(KIND, key, lambda empty: _write(corpus, empty))
        kept = True
    if kept:
        hashes, lengths, counts = (np.load(folder / name, mmap_mode="r") for name in (_HASHES, _LENGTHS, _COUNTS))
        return TextSignatures(hashes[rows], lengths[rows].astype(np.int64), counts[rows])
    blocks = (corpus.texts(rows[start : start + BATCH_ROWS]) for start in range(0, len(rows), BATCH_ROWS))
    room = TextSignatures(
        np.empty(len(rows), np.uint64), np.empty(len(rows), np.int64), np.empty((len(rows), GROUPS), np.uint8)
    )
    return _fill(room, blocks)


def passes_length_and_count_filter(
    marks: TextSignatures,
    positions: NDArray[np.int64],
    others: TextSignatures,
    other_positions: NDArray[np.int64],
    lowest: float,
) -> NDArray[np.bool_]:
    """Tell which pairs of texts may reach a similarity of ``1 - d / (n + m)``, ``d`` insertions and deletions apart.

    A difference in length, or in how often characters of a group occur, takes as many insertions and deletions.

    :param marks: Marks of some texts.
    :param positions: Number of each pair's first text among them.
    :param others: Marks of other texts; an empty text is similar to none.
    :param other_positions: Number of each pair's second text among these.
    :param lowest: Lowest similarity.
    """
    from hardneg_plugin.text.signature_kernels import within

    found = np.empty(len(positions), dtype=bool)
    within(marks.lengths, marks.counts, positions, others.lengths, others.counts, other_positions, 1 - lowest, found)
    return found


def _write(corpus: Corpus, folder: Path) -> None:
    # On disk from the start: those of millions of passages are hundreds of megabytes.
    rows = len(corpus)
    marks = TextSignatures(
        open_memmap(folder / _HASHES, "w+", np.uint64, (rows,)),
        open_memmap(folder / _LENGTHS, "w+", np.uint32, (rows,)),
        open_memmap(folder / _COUNTS, "w+", np.uint8, (rows, GROUPS)),
    )
    _fill(marks, (texts for texts, _ in corpus.iter_batches()))


def _fill(marks: TextSignatures, blocks: Iterator[list[str]]) -> TextSignatures:
    """Write the marks of all texts of some blocks into arrays that have room for them."""
    done = 0
    for texts in blocks:
        part, position = signatures(normalise_all(texts)), slice(done, done + len(texts))
        marks.hashes[position], marks.lengths[position], marks.counts[position] = part
        done += len(texts)
    return marks
