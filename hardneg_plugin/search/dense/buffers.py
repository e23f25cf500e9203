"""Room for the vectors of a corpus: in memory, or on disk where they are many."""

from __future__ import annotations

import tempfile

import numpy as np

from hardneg_plugin.cache import cache_root
from hardneg_plugin.errors import CacheError
from hardneg_plugin.memory import available_memory
from hardneg_plugin.search.dense.vector_space import Vectors

IN_MEMORY = 2_000_000_000
"""Bytes of vectors that are held in memory; more lie in a file without a name, which ends with them."""
# Of what a run's promise leaves.
_SHARE = 0.25


def empty_vectors(rows: int, dimensions: int) -> Vectors:
    """Return an array to be filled.

    :param rows: Number of vectors.
    :param dimensions: Their length.
    :returns: Shape ``(rows, dimensions)``; mapped from the cache folder where it exceeds ``IN_MEMORY`` bytes, or a
        quarter of what a promise (:mod:`hardneg_plugin.memory`) leaves.
    :raises CacheError: If the cache folder cannot hold it.
    """
    size = 4 * rows * dimensions
    room = available_memory(_SHARE)
    if size <= (IN_MEMORY if room is None else min(IN_MEMORY, room)):
        return np.empty((rows, dimensions), np.float32)
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            return np.memmap(file, np.float32, "w+", shape=(rows, dimensions))
    except OSError as error:
        msg = f"{size / 1e9:,.1f} GB of vectors do not fit into {root}: {error}"
        raise CacheError(msg) from error
