"""Hits: the best rows of the corpus for each query, as every search returns them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Hits(NamedTuple):
    """The best passages of a batch of queries, best first.

    Passages with equal scores stand in ascending row order, so a ranking never depends on block sizes or threads.
    A query with fewer than ``k`` results has its padding at the end of its row.

    :param rows: Rows of the corpus, shape ``(queries, k)``; -1 is padding.
    :param scores: Scores in the unit of the search that made them, same shape; NaN is padding.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
