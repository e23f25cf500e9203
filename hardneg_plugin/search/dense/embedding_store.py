"""The vectors of a corpus on disk, under a key of all that they depend on.

An entry of the cache is a folder of shards, one ``.npy`` file for 8,192 passages, in half precision where that loses
nothing: a model whose weights are float16 (``dtype: float16``) gives such vectors. Each shard is renamed into place
when it is whole, so an encoding that was killed goes on with the first shard that is missing. The entry's name is a
hash of the encoder's content (weights, tokenizer, modules, length, prompt, dimensions) and of the corpus's: another
checkpoint under the same name is another entry.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from hardneg_plugin.cache import entry_path, fingerprint, staging_folder
from hardneg_plugin.checksums import append_checksum, array_checksum
from hardneg_plugin.errors import CacheError, DatasetError
from hardneg_plugin.records.corpus import BATCH_ROWS, Corpus
from hardneg_plugin.search.dense.search import encode
from hardneg_plugin.search.dense.vector_space import Vectors, measured_lengths
from hardneg_plugin.search.encoder import IdentifiedEncoder

KIND = "embeddings"
SHARD_ROWS = BATCH_ROWS
# Raised when a change of the code changes the vectors of the same texts.
STORE_VERSION = 1
_FIRST_FEW = 64
# Each open map costs a file descriptor.
_OPEN_SHARDS = 64

logger = logging.getLogger(__name__)


class StoredVectors:
    """Read access to the vectors of a corpus by row; nothing is held in memory but the pages that are touched.

    :param folder: Folder of the shards, all of them there.
    :param rows: Passages in all.
    :param dims: Dimensions.
    """

    def __init__(self, folder: Path, rows: int, dims: int) -> None:
        self.folder = folder
        self._rows, self._dims = rows, dims
        self._shard = functools.lru_cache(maxsize=_OPEN_SHARDS)(self._open)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(rows, dimensions)``."""
        return self._rows, self._dims

    def __len__(self) -> int:
        return self._rows

    @functools.cached_property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each vector, shape ``(rows,)``; read from all of them when it is first asked for.

        :raises ParameterError: If a vector has NaN, infinite or huge values.
        """
        return measured_lengths(self, "passage")

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> Vectors:
        """Return the vectors of some rows: of a slice without a step, or of an array of row numbers."""
        return self._slice(*rows.indices(self._rows)[:2]) if isinstance(rows, slice) else self._gather(rows)

    def _slice(self, start: int, end: int) -> Vectors:
        numbers = range(start // SHARD_ROWS, -(-end // SHARD_ROWS))
        parts = [
            self._shard(number)[max(start - number * SHARD_ROWS, 0) : end - number * SHARD_ROWS] for number in numbers
        ]
        if len(parts) == 1:
            return parts[0].astype(np.float32, copy=False)
        return np.concatenate(parts, dtype=np.float32) if parts else np.empty((0, self._dims), dtype=np.float32)

    def _gather(self, rows: NDArray[np.int64]) -> Vectors:
        vectors = np.empty((len(rows), self._dims), dtype=np.float32)
        numbers = rows // SHARD_ROWS
        for number in np.unique(numbers):
            mine = numbers == number
            vectors[mine] = self._shard(int(number))[rows[mine] - number * SHARD_ROWS]
        return vectors

    def _open(self, number: int) -> Vectors:
        path = shard_path(self.folder, number)
        shard = load_valid_shard(path, shard_rows(self._rows, number), self._dims)
        if shard is None:
            msg = f"the stored vectors {path} are missing or damaged; start again, and they are computed anew"
            raise CacheError(msg)
        return shard


def store_key(encoder: IdentifiedEncoder, corpus: Corpus) -> str:
    """Return the name of the cache entry that holds the vectors of a corpus."""
    return fingerprint([STORE_VERSION, encoder.identity("passage"), corpus.key])


def stored_embeddings(encoder: IdentifiedEncoder, corpus: Corpus, *, batch_size: int) -> StoredVectors:
    """Encode a corpus into the cache, or find it there; shards that are missing or damaged are computed.

    :param encoder: The encoder; each call reads its identity anew, so one that was trained since gets other vectors.
    :param corpus: The passages.
    :param batch_size: Texts per forward pass.
    :raises DatasetError: If the corpus is empty.
    :raises CacheError: If the cache folder cannot be written.
    """
    if not len(corpus):
        msg = f"corpus {corpus.key} has no passage to encode"
        raise DatasetError(msg)
    folder = entry_path(KIND, store_key(encoder, corpus))
    # One text tells the dimensions, and with them a shard that some other program left.
    dims = encode(encoder, [corpus.text(0)], kind="passage", batch_size=1).shape[1]
    missing = [
        number
        for number in range(-(-len(corpus) // SHARD_ROWS))
        if load_valid_shard(shard_path(folder, number), shard_rows(len(corpus), number), dims) is None
    ]
    if missing:
        with staging_folder(KIND):
            folder.mkdir(exist_ok=True)
    # What another process is at is left to it, and looked at again when nothing else is left.
    for number in [number for number in missing if not _encoded(encoder, corpus, folder, number, batch_size, dims, 0)]:
        _encoded(encoder, corpus, folder, number, batch_size, dims, -1)
    return StoredVectors(folder, len(corpus), dims)


def _encoded(
    encoder: IdentifiedEncoder, corpus: Corpus, folder: Path, number: int, batch_size: int, dims: int, patience: int
) -> bool:
    """Encode a shard unless it is there by now; tells whether it is.

    :param patience: Seconds to wait for another process that encodes it; -1 waits until it has ended.
    """
    path, rows = shard_path(folder, number), shard_rows(len(corpus), number)
    lock = FileLock(path.with_suffix(".lock"), timeout=patience)
    try:
        with lock:
            if load_valid_shard(path, rows, dims) is None:
                if path.exists():
                    logger.warning("the stored vectors %s are damaged; they are computed again", path)
                first = number * SHARD_ROWS
                texts = corpus.texts(range(first, first + rows))
                _write(path, encode(encoder, texts, kind="passage", batch_size=batch_size))
            Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def shard_path(folder: Path, number: int) -> Path:
    """Return the file of a shard."""
    return folder / f"part-{number:05}.npy"


def shard_rows(rows: int, number: int) -> int:
    """Return how many of ``rows`` passages a shard holds."""
    return min(SHARD_ROWS, rows - number * SHARD_ROWS)


def load_valid_shard(path: Path, rows: int, dims: int) -> Vectors | None:
    """Return a shard, memory-mapped, or None if it is missing, damaged, or not of this shape and precision."""
    try:
        checked = array_checksum(path)
        if checked is False:
            return None
        shard: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if shard.shape != (rows, dims) or shard.dtype not in (np.float32, np.float16):
            return None
        # A file from before there were checksums ends with its values.
        if not checked and path.stat().st_size != shard.offset + shard.nbytes:
            return None
        sound: Vectors = shard
    except (OSError, ValueError, EOFError, AttributeError, OverflowError):
        return None
    return sound


def _write(path: Path, vectors: Vectors) -> None:
    with staging_folder(KIND) as staged:
        whole = staged / path.name
        with whole.open("wb") as file:
            np.save(file, _halved(vectors))
        append_checksum(whole)
        whole.replace(path)


def _halved(vectors: Vectors) -> NDArray[Any]:
    """Return vectors in half precision if that holds them exactly, else as they are."""
    half: NDArray[Any] = vectors[:0]
    with np.errstate(over="ignore"):
        # The first few tell of nearly all that are not exact.
        for part in (vectors[:_FIRST_FEW], vectors):
            half = part.astype(np.float16)
            if not np.array_equal(half.astype(np.float32), part):
                return vectors
    return half
