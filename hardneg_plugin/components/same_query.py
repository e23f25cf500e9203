"""Examples whose queries are equal, and the positives that they have together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.datasets.examples import SAME_QUERY
from hardneg_plugin.records import MiningExample
from hardneg_plugin.text import normalise_all


class SameQuery(NamedTuple):
    """Groups of examples with equal queries.

    :param group: Number of each example's group, shape ``(examples,)``.
    :param positive_ids: For each group the ids of the positives of its examples, and of equal queries elsewhere; empty
        for an example that is alone and knows of none elsewhere.
    """

    group: NDArray[np.int64]
    positive_ids: list[list[str]]

    @classmethod
    def of(cls, examples: Sequence[MiningExample]) -> SameQuery:
        """Group examples by the levelled texts of their queries; one without any text is alone."""
        numbers: dict[str, int] = {}
        group = np.arange(len(examples), dtype=np.int64)
        for position, text in enumerate(normalise_all([example.query for example in examples])):
            group[position] = numbers.setdefault(text, position) if text else position
        ids: list[dict[str, None]] = [{} for _ in examples]
        alone = np.bincount(group, minlength=len(examples)) < 2
        for position, example in zip(group.tolist(), examples, strict=True):
            ids[position].update(dict.fromkeys(map(str, example.meta.get(SAME_QUERY, ()))))
            if not alone[position]:
                ids[position].update(dict.fromkeys(document.id for document in example.positives))
        return cls(group, [list(known) for known in ids])
