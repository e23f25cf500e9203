"""Metadata of the passages of a corpus, kept beside its texts: whoever does not ask for it pays nothing for it.

An entry of the cache holds some keys of the documents' meta, one JSON text a row, memory-mapped. It belongs to a corpus
whose key stays the hash of its texts alone, so that indexes and vectors are shared whatever meta is kept.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.cache import cache_root, entry_path, publish
from hardneg_plugin.errors import CacheError
from hardneg_plugin.records.row_writer import BATCH_ROWS, RowWriter

KIND = "corpus-meta"
_SCHEMA = pa.schema([("meta", pa.string())])
_META_FILE, _FACTS_FILE = "meta.arrow", "meta.json"


class StoredMeta:
    """Read access to the meta of passages by row.

    :param folder: Folder written by :class:`MetaWriter`.
    :raises CacheError: If the folder does not hold all of it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            facts = json.loads((folder / _FACTS_FILE).read_text("utf-8"))
            reader = pa.ipc.open_file(pa.memory_map(str(folder / _META_FILE)))
        except (OSError, ValueError) as error:
            msg = f"the meta of a corpus, {folder}, is missing or damaged ({error}); read the document store again"
            raise CacheError(msg) from error
        self.key: str = facts["key"]
        self.fields: tuple[str, ...] = tuple(facts["fields"])
        self._batch = functools.lru_cache(maxsize=64)(reader.get_batch)

    @classmethod
    def open(cls, key: str) -> StoredMeta:
        """Open an entry of the cache by its key; one object per key and cache folder."""
        return _open(cache_root(), key)

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the meta of some rows, in their order."""
        return [
            json.loads(self._batch(row // BATCH_ROWS).column(0)[row % BATCH_ROWS].as_py())
            for row in np.asarray(rows, dtype=np.int64).tolist()
        ]


class MetaWriter(RowWriter):
    """Context manager that writes the meta of one passage after the other.

    :param folder: An existing, empty folder.
    :param fields: Keys that are kept.
    """

    def __init__(self, folder: Path, fields: Sequence[str]) -> None:
        super().__init__(folder / _META_FILE, _SCHEMA)
        self._facts_file, self._fields = folder / _FACTS_FILE, list(fields)
        self._digest = xxhash.xxh3_128(json.dumps(self._fields).encode("utf-8", "surrogatepass"))

    def add(self, meta: str) -> None:
        """Append the meta of one row, as :func:`packed` wrote it."""
        self._append((meta,))

    def _note(self, columns: Sequence[tuple[str, ...]]) -> None:
        lengths = np.fromiter(map(len, columns[0]), "<i8", len(columns[0]))
        self._digest.update(lengths.tobytes() + "".join(columns[0]).encode("utf-8", "surrogatepass"))

    def _finish(self) -> None:
        self.key = self._digest.hexdigest()
        facts = {"key": self.key, "fields": self._fields}
        self._facts_file.write_text(json.dumps(facts), "utf-8")


def packed(meta: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return some keys of a document's meta as JSON; a key that is absent, or None, is left out.

    :raises TypeError: If a value is nothing that JSON can express.
    :raises ValueError: Likewise.
    """
    kept = {key: meta[key] for key in fields if meta.get(key) is not None}
    return json.dumps(kept, allow_nan=False)


def publish_meta(folder: Path, key: str) -> StoredMeta:
    """Move written meta into the cache and open it there."""
    publish(folder, entry_path(KIND, key))
    return StoredMeta.open(key)


@functools.lru_cache(maxsize=32)
def _open(root: Path, key: str) -> StoredMeta:
    folder = entry_path(KIND, key)
    if not folder.is_dir():
        msg = f"the cache {root} has no meta {key} of a corpus: read the document store again"
        raise CacheError(msg)
    return StoredMeta(folder)
