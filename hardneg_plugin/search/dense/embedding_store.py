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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from hardneg_plugin.cache import entry_path, fingerprint, refuse_links, staging_folder
from hardneg_plugin.checksums import append_checksum, array_checksum
from hardneg_plugin.errors import CacheError, DatasetError, ParameterError
from hardneg_plugin.files import atomic_path
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.row_writer import BATCH_ROWS
from hardneg_plugin.search.dense.search import encode
from hardneg_plugin.search.dense.vector_space import Vectors, measured_lengths
from hardneg_plugin.search.encoder import IdentifiedEncoder

KIND = "embeddings"
SHARD_ROWS = BATCH_ROWS
# Raised when a change of the code changes the vectors of the same texts.
STORE_VERSION = 1
_FIRST_FEW = 64
# A batch of which a vector is broken is divided by this; so many of the passages are named.
_SMALLER, _NAMED = 8, 3
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
    passages = corpus.reference if meta_fields_of(encoder) else corpus.key
    return fingerprint([STORE_VERSION, encoder.identity("passage"), passages])


def meta_fields_of(encoder: object) -> tuple[str, ...]:
    """Return the keys of a passage's meta that an encoder reads besides its text; most read none."""
    return tuple(getattr(encoder, "meta_fields", ()))


def encode_rows(
    encoder: IdentifiedEncoder, corpus: Corpus, rows: NDArray[np.int64] | range, batch_size: int
) -> Vectors:
    """Encode passages of a corpus, with the meta that the encoder reads.

    A vector with NaN or infinite values is tried again in smaller batches: half precision overflows in some and not in
    others.

    :raises ParameterError: If a vector still has them when the text is encoded alone.
    """
    fields = meta_fields_of(encoder)
    passages: Sequence[Any] = corpus.embedded(rows, fields) if fields else corpus.texts(rows)
    vectors = encode(encoder, passages, kind="passage", batch_size=batch_size)
    size = batch_size
    while len(broken := np.flatnonzero(~np.isfinite(vectors).all(axis=1))) and size > 1:
        size = max(1, size // _SMALLER)
        logger.warning("vectors of %d passages have NaN or infinite values; batches of %d are tried", len(broken), size)
        # An embedder of Haystack has a batch size of its own: it is given no more texts than that.
        for part in np.split(broken, range(size, len(broken), size)):
            vectors[part] = encode(encoder, [passages[row] for row in part], kind="passage", batch_size=size)
    if len(broken):
        ids = [*map(repr, corpus.ids([rows[row] for row in broken[:_NAMED].tolist()]))]
        named = ", ".join([*ids, *(["..."] if len(broken) > _NAMED else [])])
        msg = (
            f"{len(broken)} of {len(rows)} passages have vectors with NaN or infinite values, also when they are "
            f"encoded alone: {named}; nothing of it is kept. Try another dtype, or leave these passages out"
        )
        raise ParameterError(msg)
    return vectors


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
    dims = encode_rows(encoder, corpus, range(1), 1).shape[1]
    missing = [
        number
        for number in range(-(-len(corpus) // SHARD_ROWS))
        if load_valid_shard(shard_path(folder, number), shard_rows(len(corpus), number), dims) is None
    ]
    if missing:
        refuse_links(folder)
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
                write_shard(path, encode_rows(encoder, corpus, range(first, first + rows), batch_size))
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


def write_shard(path: Path, vectors: Vectors) -> None:
    """Write a shard; it appears whole or not at all."""
    with atomic_path(path) as partial:
        with partial.open("wb") as file:
            np.save(file, _halved(vectors))
        append_checksum(partial)


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
