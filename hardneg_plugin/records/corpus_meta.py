"""Metadata of the passages of a corpus, kept beside its texts: whoever does not ask for it pays nothing for it.

An entry of the cache holds some keys of the documents' meta, one JSON text a row, memory-mapped. It belongs to a corpus
whose key stays the hash of its texts alone, so that indexes and vectors are shared whatever meta is kept.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.cache import cache_root, entry_path, publish
from hardneg_plugin.errors import CacheError

KIND = "corpus-meta"
_BATCH_ROWS = 8192
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
            json.loads(self._batch(row // _BATCH_ROWS).column(0)[row % _BATCH_ROWS].as_py())
            for row in np.asarray(rows, dtype=np.int64).tolist()
        ]


class MetaWriter:
    """Context manager that writes the meta of one passage after the other.

    :param folder: An existing, empty folder.
    :param fields: Keys that are kept.
    """

    def __init__(self, folder: Path, fields: Sequence[str]) -> None:
        self._folder, self._fields = folder, list(fields)
        self._pending: list[str] = []
        self._digest = xxhash.xxh3_128(json.dumps(self._fields).encode("utf-8", "surrogatepass"))

    def __enter__(self) -> MetaWriter:
        self._file = pa.OSFile(str(self._folder / _META_FILE), "wb")
        self._writer = pa.ipc.new_file(self._file, _SCHEMA)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._file.close()
        if kind is None:
            self.key = self._digest.hexdigest()
            facts = {"key": self.key, "fields": self._fields}
            (self._folder / _FACTS_FILE).write_text(json.dumps(facts), "utf-8")

    def add(self, meta: str) -> None:
        """Append the meta of one row, as :func:`packed` wrote it."""
        self._pending.append(meta)
        if len(self._pending) == _BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            lengths = np.fromiter(map(len, self._pending), "<i8", len(self._pending))
            self._digest.update(lengths.tobytes() + "".join(self._pending).encode("utf-8", "surrogatepass"))
            self._writer.write_batch(pa.record_batch([pa.array(self._pending, pa.string())], schema=_SCHEMA))
            self._pending.clear()


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
