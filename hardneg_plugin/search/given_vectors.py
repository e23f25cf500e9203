"""Vectors that a document store holds already, in place of those that a model would make anew."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.cache import entry_path, fingerprint, staging_folder
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.search.dense.embedding_store import (
    KIND,
    SHARD_ROWS,
    STORE_VERSION,
    StoredVectors,
    encode_rows,
    load_valid_shard,
    shard_path,
    shard_rows,
    write_shard,
)
from hardneg_plugin.search.dense.vector_space import Similarity, Vectors
from hardneg_plugin.search.encoder import IdentifiedEncoder

_FILE = "given.f32"
# Passages that are encoded to learn whether the vectors are the model's, and how alike two vectors of one text are:
# stores keep some in half precision, and batches of other lengths round otherwise.
_SAMPLE, _ALIKE, _LENGTH = 32, 0.999, 0.01


class GivenVectors:
    """Context manager that takes the vectors of documents one by one, and keeps them on disk.

    :param folder: An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._there = array("b")
        self._dims = 0

    def __enter__(self) -> GivenVectors:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, identifier: str, vector: Sequence[float] | None) -> None:
        """Take the vector of the next document, or None where it has none.

        :raises ParameterError: If it has another number of dimensions than those before, or a value that is no number.
        """
        self._there.append(vector is not None)
        if vector is None:
            return
        values = np.asarray(vector, dtype="<f4")
        self._dims = self._dims or len(values)
        if values.shape != (self._dims,) or not np.isfinite(values).all():
            what = (
                f"{len(values)} dimensions, not {self._dims}" if len(values) != self._dims else "NaN or infinite values"
            )
            msg = f"vectors: the vector of document {identifier!r} in the store has {what}"
            raise ParameterError(msg)
        self._file.write(values.tobytes())

    def of(self, order: NDArray[np.int64]) -> InOrder:
        """Return the vectors by row of a corpus.

        :param order: Shape ``(rows,)``: the number of each row's document, in the order they were added.
        :raises ParameterError: If no document has a vector.
        """
        there = np.frombuffer(self._there, dtype=np.int8).astype(bool)
        if not there.any():
            msg = f"vectors: none of the {len(there):,} documents in the store has one; leave `vectors` at encode"
            raise ParameterError(msg)
        position = np.where(there, np.cumsum(there) - 1, -1)[order]
        return InOrder(np.memmap(self._path, dtype="<f4", mode="r").reshape(-1, self._dims), position)


class InOrder(NamedTuple):
    """Vectors by row of a corpus.

    :param vectors: The vectors, on disk.
    :param position: Shape ``(rows,)``: the number of each row's vector, -1 where it has none.
    """

    vectors: Vectors
    position: NDArray[np.int64]


def store_given(
    given: InOrder, encoder: IdentifiedEncoder, corpus: Corpus, *, similarity: Similarity, batch_size: int
) -> StoredVectors:
    """Put vectors of a document store into the cache; those that are missing are encoded.

    :param given: The vectors.
    :param encoder: The encoder that they were made with; some passages are encoded to see that it is.
    :param corpus: The passages.
    :param similarity: What they are compared by; a store may have brought all to one length, which cosine alone allows.
    :param batch_size: Texts per forward pass.
    :raises ParameterError: If the vectors are not the encoder's.
    """
    _check_sample(given, encoder, corpus, similarity, batch_size)
    digest = xxhash.xxh3_128()
    for start in range(0, len(given.vectors), SHARD_ROWS):
        digest.update(given.vectors[start : start + SHARD_ROWS].tobytes())
    digest.update(given.position.tobytes())
    missing = encoder.identity("passage") if (given.position < 0).any() else None
    folder = entry_path(KIND, fingerprint([STORE_VERSION, "given", digest.hexdigest(), missing, corpus.key]))
    dims = given.vectors.shape[1]
    with staging_folder(KIND):
        folder.mkdir(exist_ok=True)
    for number in range(-(-len(corpus) // SHARD_ROWS)):
        path, rows = shard_path(folder, number), shard_rows(len(corpus), number)
        if load_valid_shard(path, rows, dims) is None:
            write_shard(path, _shard(given, encoder, corpus, np.arange(rows) + number * SHARD_ROWS, batch_size))
    return StoredVectors(folder, len(corpus), dims)


def _shard(
    given: InOrder, encoder: IdentifiedEncoder, corpus: Corpus, rows: NDArray[np.int64], batch_size: int
) -> Vectors:
    position = given.position[rows]
    vectors = np.empty((len(rows), given.vectors.shape[1]), dtype=np.float32)
    vectors[position >= 0] = given.vectors[position[position >= 0]]
    if (position < 0).any():
        vectors[position < 0] = encode_rows(encoder, corpus, rows[position < 0], batch_size)
    return vectors


def _check_sample(
    given: InOrder, encoder: IdentifiedEncoder, corpus: Corpus, similarity: Similarity, batch_size: int
) -> None:
    rows = np.flatnonzero(given.position >= 0)
    rows = rows[np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(np.int64)]
    stored = np.asarray(given.vectors[given.position[rows]], dtype=np.float64)
    own = encode_rows(encoder, corpus, rows, batch_size).astype(np.float64)
    if own.shape[1] != stored.shape[1]:
        msg = f"vectors: those in the store have {stored.shape[1]} dimensions, the model's have {own.shape[1]}"
        raise ParameterError(msg)
    lengths = np.linalg.norm(stored, axis=1), np.linalg.norm(own, axis=1)
    products = np.maximum(lengths[0] * lengths[1], np.finfo(np.float64).tiny)
    alike = (stored * own).sum(axis=1) / products
    alike[(lengths[0] == 0) & (lengths[1] == 0)] = 1
    if alike.min() < _ALIKE:
        name = corpus.ids([rows[int(alike.argmin())]])[0]
        msg = (
            f"vectors: those in the store are not the model's: that of document {name!r} has cosine {alike.min():.3f} "
            f"with it, {int((alike < _ALIKE).sum())} of {len(rows)} are below {_ALIKE}; use vectors: encode, "
            "or the model, prompt and dimensions that the documents were embedded with"
        )
        raise ParameterError(msg)
    if similarity != "cosine" and (np.abs(lengths[0] - lengths[1]) > _LENGTH * lengths[1]).any():
        msg = f"vectors: the store has changed the lengths of the vectors, which {similarity} compares; use cosine"
        raise ParameterError(msg)
