"""Texts of candidates by the number that the table knows them by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from haystack.dataclasses import Document
from numpy.typing import NDArray

from hardneg_plugin.records import CandidateTable, Corpus


def passage_text(table: CandidateTable, passage: int) -> str:
    """Return the text of a corpus row, or of one of the table's own documents (below 0).

    :param table: Table of the candidates.
    :param passage: A value of its ``passages``.
    :returns: The text, title included; empty for an own document without content.
    """
    if passage < 0:
        return table.own[-1 - passage].content or ""
    assert table.corpus is not None
    return table.corpus.text(passage)


def passage_texts(table: CandidateTable, passages: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Return the texts of some passages, in their order; those of a corpus are read together.

    :param table: Table of the candidates.
    :param passages: Values of its ``passages``.
    """
    rows = np.asarray(passages, dtype=np.int64)
    in_corpus = rows >= 0
    if table.corpus is None or not in_corpus.all():
        return [passage_text(table, int(passage)) for passage in rows]
    return table.corpus.texts(rows)


def document_rows(corpus: Corpus | None, documents: Sequence[Document]) -> NDArray[np.int64]:
    """Return the row of each document in a corpus that has it under its id, with the same text; -1 for the others.

    :param corpus: The corpus; None has none.
    :param documents: The documents.
    """
    if corpus is None:
        return np.full(len(documents), -1, dtype=np.int64)
    rows = corpus.rows_of([document.id for document in documents])
    known = np.flatnonzero(rows >= 0)
    for position, text in zip(known.tolist(), corpus.texts(rows[known]), strict=True):
        if documents[position].content != text:
            rows[position] = -1
    return rows


def declared_language(table: CandidateTable, passage: int) -> str:
    """Return the language that a passage carries; empty where it carries none.

    :param table: The candidates.
    :param passage: Its number in the table: a row of the corpus, or below 0 a document of the table's own.
    """
    if passage < 0:
        return str(table.own[-1 - passage].meta.get("language") or "")
    assert table.corpus is not None
    return table.corpus.language(passage)
