"""A ``datasets.Dataset`` of an Arrow table in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xxhash

if TYPE_CHECKING:
    import datasets


def arrow_dataset(table: Any) -> datasets.Dataset:
    """Return the dataset of a table.

    Its fingerprint is a hash of the table's memory: the one that ``datasets`` makes itself pickles the table first,
    which takes longer than building it.

    :param table: A ``pyarrow.Table``.
    """
    from datasets import Dataset

    digest = xxhash.xxh3_128(str(table.schema).encode())
    for column in table.columns:
        for chunk in column.chunks:
            digest.update(f"{chunk.offset} {len(chunk)}".encode())
            for buffer in filter(None, chunk.buffers()):
                digest.update(buffer)
    return Dataset(table, fingerprint=digest.hexdigest())
