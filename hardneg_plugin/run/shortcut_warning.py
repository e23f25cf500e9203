"""Warn if generated negatives can be recognised by their style."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hardneg_plugin.evaluation.shortcut import FEWEST_TEXTS, MOST_TEXTS, shortcut_auc
from hardneg_plugin.records import MiningExample, table_of

# Key of a document's meta: what wrote it.
_GENERATED = "generated_by"


def style_warning(shards: Sequence[list[MiningExample]]) -> str:
    """Return what a reader must know of the style of generated negatives; empty without any, or where it tells little.

    The passages that are kept are compared with the positives of the same examples, which are the corpus's own.

    :param shards: Examples behind the last stage.
    """
    generated, corpus = _Texts(), _Texts()
    for shard in shards:
        table = table_of(shard)
        own = np.array([_GENERATED in document.meta for document in table.own], dtype=bool)
        rows = np.flatnonzero(table.kept & (table.passages < 0))
        rows = rows[own[-1 - table.passages[rows]]] if len(own) else rows[:0]
        for row in rows.tolist():
            generated.add(table.own[-1 - int(table.passages[row])].content, shard[int(table.example_index[row])].id)
        for number in np.unique(table.example_index[rows]).tolist():
            for positive in shard[number].positives:
                corpus.add(positive.content, shard[number].id)
    if min(len(generated.texts), len(corpus.texts)) < FEWEST_TEXTS:
        return ""
    return shortcut_auc(
        generated.texts, corpus.texts, generated_groups=generated.groups, corpus_groups=corpus.groups
    ).warning()


class _Texts:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.groups: list[str] = []

    def add(self, text: str | None, group: str) -> None:
        if text and len(self.texts) < MOST_TEXTS:
            self.texts.append(text)
            self.groups.append(group)
