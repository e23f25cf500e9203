"""Naming a text that stands under several ids: by that of the example's positive where it is one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.records import Corpus, MiningExample
from hardneg_plugin.text.equal_texts import EqualTexts

Ints = NDArray[np.int64]


def named_hits(rows: Ints, examples: Sequence[MiningExample], corpus: Corpus, equal: EqualTexts) -> Ints:
    """Return hits with the row of the example's own positive in place of another row of an equal text.

    :param rows: Shape ``(examples, k)``: the first rows of texts; -1 behind the last.
    :param examples: What they were found for.
    :param corpus: The corpus.
    :param equal: Its equal texts.
    """
    if not equal.copies:
        return rows
    owner = np.repeat(np.arange(len(examples)), [len(example.positives) for example in examples])
    positives = corpus.rows_of([positive.id for example in examples for positive in example.positives])
    chosen = np.flatnonzero(equal.repeated(positives))
    if not len(chosen):
        return rows
    size = np.int64(len(equal))
    keys, first = np.unique(owner[chosen] * size + equal.first(positives[chosen]), return_index=True)
    query, position = np.nonzero(equal.repeated(rows))
    wanted = query * size + rows[query, position]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    same = keys[at] == wanted
    named = rows.copy()
    named[query[same], position[same]] = positives[chosen[first[at[same]]]]
    return named
