"""A corpus on disk: Arrow record batches, memory-mapped, with a hash index from id to row.

Nothing here holds the texts: a row is read from the map when it is asked for, so 8.8 million passages cost no more
memory than the pages that are touched.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.cache import cache_root, entry_path
from hardneg_plugin.checksums import folder_fault
from hardneg_plugin.errors import CacheError
from hardneg_plugin.records.corpus_meta import StoredMeta
from hardneg_plugin.records.row_writer import BATCH_ROWS

if TYPE_CHECKING:
    from haystack.dataclasses import Document

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("title", pa.string()), ("language", pa.string())])
PASSAGES_FILE, HASHES_FILE, ROWS_FILE, FACTS_FILE = "passages.arrow", "id_hashes.npy", "id_rows.npy", "corpus.json"


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return the 64-bit hashes that the id index is sorted by, shape ``(len(ids),)``."""
    digests = (xxhash.xxh3_64_intdigest(identifier.encode("utf-8", "surrogatepass")) for identifier in ids)
    return np.fromiter(digests, dtype=np.uint64, count=len(ids))


class Corpus:
    """Read access to a corpus by row number.

    A row's text is its title and its text joined by a space, as BEIR does.

    :param folder: Folder written by :class:`hardneg_plugin.records.corpus_writer.CorpusWriter`.
    :param metas: Meta of its passages that was asked for.
    :raises CacheError: If the folder does not hold a whole corpus.
    """

    def __init__(self, folder: Path, metas: Sequence[StoredMeta] = ()) -> None:
        if fault := folder_fault(folder):
            raise CacheError(_damaged(folder, fault))
        try:
            facts = json.loads((folder / FACTS_FILE).read_text("utf-8"))
            source = pa.memory_map(str(folder / PASSAGES_FILE))
            self._reader = pa.ipc.open_file(source)
            self._hashes = np.load(folder / HASHES_FILE, mmap_mode="r")
            self._hash_rows = np.load(folder / ROWS_FILE, mmap_mode="r")
            self.key: str = facts["key"]
            self.languages: tuple[str, ...] = tuple(facts["languages"])
            self._length: int = facts["rows"]
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            raise CacheError(_damaged(folder, error)) from error
        self._folder, self._metas = folder, tuple(metas)
        self._batch = functools.lru_cache(maxsize=64)(self._reader.get_batch)

    @classmethod
    def open(cls, reference: str) -> Corpus:
        """Open a corpus of the cache by its key or its reference; one object per reference and cache folder."""
        return _open(cache_root(), reference)

    @property
    def reference(self) -> str:
        """The key of the texts, followed by those of the meta that is kept beside them."""
        return "+".join([self.key, *(meta.key for meta in self._metas)])

    @property
    def meta_fields(self) -> tuple[str, ...]:
        """Keys of the documents' meta that are kept, ``title`` and ``language`` not among them unless asked for."""
        return tuple(dict.fromkeys(field for meta in self._metas for field in meta.fields))

    def with_meta(self, metas: Sequence[StoredMeta]) -> Corpus:
        """Return the same passages with further meta."""
        known = {meta.key: meta for meta in (*self._metas, *metas)}
        return self if len(known) == len(self._metas) else Corpus(self._folder, tuple(known.values()))

    def with_meta_of(self, other: Corpus) -> Corpus:
        """Return these passages with the meta that another corpus of the same passages has, too."""
        return self.with_meta(other._metas)

    def __reduce__(self) -> tuple[Any, ...]:
        return Corpus.open, (self.reference,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Corpus:
        return self

    def __repr__(self) -> str:
        return f"Corpus(key={self.reference!r}, rows={self._length})"

    def __len__(self) -> int:
        return self._length

    def ids(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Return the ids of some rows, in their order."""
        return self._columns(rows, (0,))[0]

    def texts(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Return the texts of some rows, in their order, titles included."""
        return _joined(*self._columns(rows, (2, 1)))

    def text(self, row: int) -> str:
        """Return the text of one row, its title included."""
        return _joined([self._value(row, 2)], [self._value(row, 1)])[0]

    def language(self, row: int) -> str:
        """Return the language of one row; empty where it is not known."""
        return self._value(row, 3)

    def documents(self, rows: Sequence[int] | NDArray[np.int64]) -> list[Document]:
        """Return some rows as Haystack documents whose ids are the passages' ids."""
        from haystack.dataclasses import Document

        return [
            Document(
                id=identifier,
                content=f"{title} {text}" if title else text,
                meta=meta,
            )
            for identifier, text, title, meta in zip(*self._columns(rows, (0, 1, 2)), self.metas(rows), strict=True)
        ]

    def embedded(self, rows: Sequence[int] | NDArray[np.int64], fields: Sequence[str]) -> list[Document]:
        """Return some rows as documents for an embedder that reads some keys of their meta beside their text.

        A title that it reads itself is not in the text as well.
        """
        documents = self.documents(rows)
        if "title" not in fields:
            return documents
        titles, texts = self._columns(rows, (2, 1))
        return [
            replace(document, content=text) if title else document
            for document, title, text in zip(documents, titles, texts, strict=True)
        ]

    def metas(self, rows: Sequence[int] | NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the meta of some rows, in their order: title and language where known, and what was asked for."""
        found: list[dict[str, Any]] = [
            {name: value for name, value in (("title", title), ("language", language)) if value}
            for title, language in zip(*self._columns(rows, (2, 3)), strict=True)
        ]
        for stored in self._metas:
            for meta, further in zip(found, stored.rows(rows), strict=True):
                meta.update(further)
        return found

    def document(self, row: int) -> Document:
        """Return one row as a Haystack document."""
        return self.documents([row])[0]

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each id, or -1 where the corpus does not have it."""
        found = np.full(len(ids), -1, dtype=np.int64)
        if not self._length or not ids:
            return found
        hashes = hash_ids(ids)
        starts = np.minimum(np.searchsorted(self._hashes, hashes), self._length - 1)
        same = np.flatnonzero(self._hashes[starts] == hashes)
        rows = self._hash_rows[starts[same]].astype(np.int64)
        # A 64-bit collision is improbable, not impossible: the ids themselves are compared.
        for position, row, identifier in zip(same.tolist(), rows.tolist(), self._columns(rows, (0,))[0], strict=True):
            found[position] = (
                row if identifier == ids[position] else self._among_equal_hashes(ids[position], int(starts[position]))
            )
        return found

    def _among_equal_hashes(self, identifier: str, start: int) -> int:
        """Return the row of an id, or -1, among those whose hash is that of the place ``start`` of the index."""
        digest = self._hashes[start]
        while start < self._length and self._hashes[start] == digest:
            row = int(self._hash_rows[start])
            if self._value(row, 0) == identifier:
                return row
            start += 1
        return -1

    def iter_batches(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield ``(texts, languages)`` of up to 8,192 consecutive rows at a time."""
        for number in range(self._reader.num_record_batches):
            batch = self._reader.get_batch(number)
            yield _joined(batch.column(2).to_pylist(), batch.column(1).to_pylist()), batch.column(3).to_pylist()

    def iter_texts(self) -> Iterator[str]:
        """Yield all texts in row order."""
        for texts, _ in self.iter_batches():
            yield from texts

    def text_column(self, rows: NDArray[np.int64]) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
        """Return the texts of some rows with titles as one Arrow column, without a Python object for each.

        :param rows: Shape ``(m,)``, in any order.
        :returns: The texts, and the place of each row's text among them, shape ``(m,)``.
        """
        ascending, positions = np.unique(rows, return_inverse=True)
        parts = [
            _joined_column(batch.column(2).take(local), batch.column(1).take(local))
            for batch, local in self._taken(ascending)
        ]
        return pa.concat_arrays(parts or [pa.array([], pa.large_string())]), positions

    def _columns(self, rows: Sequence[int] | NDArray[np.int64], columns: Sequence[int]) -> list[list[str]]:
        """Return some columns of some rows, in their order."""
        wanted = np.asarray(rows, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        values: list[list[str]] = [[] for _ in columns]
        for batch, local in self._taken(ascending):
            for column, found in zip(columns, values, strict=True):
                found += batch.column(column).take(local).to_pylist()
        if np.array_equal(ascending, wanted):
            return values
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        positions = back.tolist()
        return [[found[position] for position in positions] for found in values]

    def _taken(self, ascending: NDArray[np.int64]) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
        """Yield the batches that hold some rows, each with the numbers of its rows.

        Many rows of one batch are taken at once: a row by itself costs ten times as much.
        """
        if not len(ascending):
            return
        if ascending[0] < 0 or ascending[-1] >= self._length:
            msg = f"corpus {self.key} has rows 0 to {self._length - 1}, not all of {ascending[0]} to {ascending[-1]}"
            raise IndexError(msg)
        for part in np.split(ascending, np.flatnonzero(np.diff(ascending // BATCH_ROWS)) + 1):
            yield self._batch(int(part[0]) // BATCH_ROWS), pa.array(part % BATCH_ROWS)

    def _value(self, row: int, column: int) -> str:
        if not 0 <= row < self._length:
            msg = f"corpus {self.key} has rows 0 to {self._length - 1}, not {row}"
            raise IndexError(msg)
        value: str = self._batch(row // BATCH_ROWS).column(column)[row % BATCH_ROWS].as_py()
        return value


def _joined(titles: list[str], texts: list[str]) -> list[str]:
    """Return titles and texts joined as BEIR does."""
    return [f"{title} {text}" if title else text for title, text in zip(titles, texts, strict=True)]


def _joined_column(titles: pa.Array, texts: pa.Array) -> pa.Array:
    """Return titles and texts joined as BEIR does, as large strings: those of many rows may be more than 2 GB."""
    import pyarrow.compute as pc

    titles, texts = titles.cast(pa.large_string()), texts.cast(pa.large_string())
    untitled = pc.equal(titles, "")
    if pc.all(untitled).as_py():
        return texts
    return pc.if_else(untitled, texts, pc.binary_join_element_wise(titles, texts, pa.scalar(" ", pa.large_string())))


def _damaged(folder: Path, fault: object) -> str:
    clear = "`hardneg cache clear corpus`"
    return f"corpus {folder} is missing or damaged ({fault}); load its dataset again, or {clear} and start again"


@functools.lru_cache(maxsize=32)
def _open(root: Path, reference: str) -> Corpus:
    key, *metas = reference.split("+")
    folder = entry_path("corpus", key)
    if not folder.is_dir():
        msg = f"the cache {root} has no corpus {key}: load its dataset again"
        raise CacheError(msg)
    return Corpus(folder, [StoredMeta.open(meta) for meta in metas])
