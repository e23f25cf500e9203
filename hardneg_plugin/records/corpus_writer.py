"""Writing a corpus: one streaming pass, bounded memory, a key that is a hash of the content."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash

from hardneg_plugin.cache import entry_path, publish
from hardneg_plugin.records.corpus import (
    FACTS_FILE,
    HASHES_FILE,
    PASSAGES_FILE,
    ROWS_FILE,
    SCHEMA,
    Corpus,
    hash_ids,
)
from hardneg_plugin.records.row_writer import RowWriter


class CorpusWriter(RowWriter):
    """Context manager that writes rows ``(id, text, title, language)`` into a folder.

    Memory: one batch of rows and 8 bytes a row for the hashes of the ids.

    :param folder: An existing, empty folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / PASSAGES_FILE, SCHEMA)
        self._folder = folder
        self._hashes = array("Q")
        self._digest = xxhash.xxh3_128()
        self._languages: set[str] = set()

    def add(self, identifier: str, text: str, title: str, language: str) -> None:
        """Append one row."""
        self._append((identifier, text, title, language))

    def _note(self, columns: Sequence[tuple[str, ...]]) -> None:
        self._hashes.frombytes(hash_ids(columns[0]).tobytes())
        self._languages.update(columns[3])
        for column in columns:
            # Lengths keep ("ab", "c") and ("a", "bc") apart.
            lengths = np.fromiter(map(len, column), "<i8", len(column))
            self._digest.update(f"{len(column)};".encode() + lengths.tobytes())
            self._digest.update("".join(column).encode("utf-8", "surrogatepass"))

    def _finish(self) -> None:
        hashes = np.frombuffer(self._hashes, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        np.save(self._folder / HASHES_FILE, hashes[order])
        np.save(self._folder / ROWS_FILE, order.astype(np.int64))
        self.key, self.rows = self._digest.hexdigest(), len(hashes)
        facts = {"key": self.key, "rows": self.rows, "languages": sorted(self._languages - {""})}
        (self._folder / FACTS_FILE).write_text(json.dumps(facts), "utf-8")


def duplicate_rows(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Yield ``(row, first row, id)`` for each row whose id an earlier row of a written corpus has, in row order."""
    corpus = Corpus(folder)
    hashes = np.load(folder / HASHES_FILE, mmap_mode="r")
    rows = np.load(folder / ROWS_FILE, mmap_mode="r")
    equal = np.flatnonzero(hashes[1:] == hashes[:-1]) if len(hashes) else np.empty(0, dtype=np.int64)
    suspects = sorted({int(rows[position]) for start in equal for position in (start, start + 1)})
    first: dict[str, int] = {}
    for row, identifier in zip(suspects, corpus.ids(suspects), strict=True):
        if identifier in first:
            yield row, first[identifier], identifier
        else:
            first[identifier] = row


def publish_corpus(folder: Path, key: str) -> Corpus:
    """Move a written corpus into the cache and open it there."""
    publish(folder, entry_path("corpus", key))
    return Corpus.open(key)
