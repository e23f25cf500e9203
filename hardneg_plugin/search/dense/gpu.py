"""Detect a GPU that FAISS can use, and build an index on it."""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from hardneg_plugin.search.dense.vector_space import VectorSpace

logger = logging.getLogger(__name__)

MOST_PER_QUERY = 2048
"""Results of a query that FAISS can return from a GPU."""
_PROBE = (64, 4096, 96)


@functools.cache
def gpu_resources() -> Any:
    """Return FAISS's GPU resources, or None without a usable GPU.

    A search takes the errors of float32 for granted; a card that multiplies in less is not used.
    """
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() < 1:
        return None
    resources = faiss.StandardGpuResources()
    if not _is_precise(resources):
        logger.warning("the GPU multiplies more coarsely than float32; the search stays on the processor")
        return None
    return resources


def on_gpu(index: Any) -> Any:
    """Return a flat index on the GPU, if there is one that is used, else as it is.

    :param index: ``IndexFlatIP`` or ``IndexFlatL2``, as large a part of the corpus as fits; parts stream through.
    """
    import faiss

    resources = gpu_resources()
    return index if resources is None else faiss.index_cpu_to_gpu(resources, 0, index)


def _is_precise(resources: Any) -> bool:
    import faiss

    queries, passages, dims = _PROBE
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((rows, dims)).astype(np.float32) for rows in (queries, passages))
    index = faiss.IndexFlatIP(dims)
    index.add(right)
    found, rows = faiss.index_cpu_to_gpu(resources, 0, index).search(left, 1)
    space = VectorSpace.of(left, right, "dot")
    exact = space.exact(np.arange(queries), rows[:, 0])
    return bool((np.abs(found[:, 0] - exact) <= space.slack(np.arange(queries)) / 2).all())
