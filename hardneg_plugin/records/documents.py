"""Adding documents that a Haystack component found or made to the candidates that are already there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.merge import add_source, in_corpus, keeps_meta, renumbered
from hardneg_plugin.records.table import CandidateTable, Ints, lengths_to_offsets

if TYPE_CHECKING:
    from haystack.dataclasses import Document

    from hardneg_plugin.records.corpus import Corpus


def merge_documents(table: CandidateTable, source: str, documents: Sequence[Sequence[Document]]) -> CandidateTable:
    """Return a table with one more source that gave documents.

    A document is known by its id: one in the table's corpus becomes that passage, with the corpus's text; any other
    becomes a document of the table's own, as does one with meta that the corpus does not keep. Either way, one that an
    earlier source found for the same example gets a second rank and score in its row. Vectors of the documents are left
    behind: they are the store's business, and many.

    :param table: Candidates of ``n`` examples.
    :param source: Name of the source, such as ``pgvector``.
    :param documents: For each example what was found, best first; the score may be None.
    :raises RecordError: If the source is there already, there are not ``n`` lists, or a list has an id twice.
    """
    if len(documents) != len(table):
        msg = f"{source!r}: documents of {len(documents)} examples for a table of {len(table)}"
        raise RecordError(msg)
    _check_ids(source, documents)
    flat = [document for found in documents for document in found]
    counts = np.array([len(found) for found in documents], dtype=np.int64)
    table, passages = _passages(table, flat)
    starts = np.repeat(lengths_to_offsets(counts)[:-1], counts)
    return add_source(
        table,
        source,
        example=np.repeat(np.arange(len(table), dtype=np.int64), counts),
        passages=passages,
        ranks=(np.arange(len(flat)) - starts + 1).astype(np.int32),
        scores=np.array([np.nan if found.score is None else found.score for found in flat], dtype=np.float32),
    )


def _check_ids(source: str, documents: Sequence[Sequence[Document]]) -> None:
    for number, found in enumerate(documents):
        ids = [document.id for document in found]
        if len(set(ids)) < len(ids):
            twice = next(identifier for position, identifier in enumerate(ids) if identifier in ids[:position])
            msg = f"{source!r}: found document {twice!r} twice for example {number}; a passage has one rank"
            raise RecordError(msg)


def _passages(table: CandidateTable, documents: Sequence[Document]) -> tuple[CandidateTable, Ints]:
    """Return the table with the documents that it had not, and the number by which it knows each document."""
    own = list(table.own)
    known: dict[str, int] = {}
    # Tables of several shards that were put together hold the same document more than once: the first one is meant.
    first = np.array([known.setdefault(document.id, number) for number, document in enumerate(own)], dtype=np.int64)
    held = table.passages.copy()
    held[held < 0] = -1 - first[-1 - held[held < 0]]
    ids = [document.id for document in documents]
    passages = np.full(len(ids), -1, dtype=np.int64) if table.corpus is None else table.corpus.rows_of(ids)
    for position in np.flatnonzero(passages < 0).tolist():
        document = documents[position]
        if document.id not in known:
            known[document.id] = len(own)
            own.append(replace(document, embedding=None, sparse_embedding=None, score=None))
        passages[position] = -1 - known[document.id]
    table = replace(table, own=tuple(own), passages=held)
    return table if table.corpus is None else _standing(table, table.corpus, documents, passages), passages


def _standing(table: CandidateTable, corpus: Corpus, documents: Sequence[Document], passages: Ints) -> CandidateTable:
    """Return the table with the documents of the corpus whose meta the corpus does not keep.

    :param passages: Numbers of the documents; those of such documents are changed in place.
    """
    rows = corpus.rows_of([document.id for document in table.own])
    standing = {row: -1 - number for number, row in reversed(list(enumerate(rows.tolist()))) if row >= 0}
    own = list(table.own)
    inside = np.flatnonzero(passages >= 0)
    numbers = passages[inside]
    for position, row, known in zip(inside.tolist(), numbers.tolist(), corpus.metas(numbers), strict=True):
        if row not in standing and not keeps_meta(known, documents[position]):
            standing[row] = -1 - len(own)
            document = replace(documents[position], embedding=None, sparse_embedding=None, score=None)
            own.append(in_corpus(document, corpus.text(row), known))
    if not standing:
        return table
    passages[inside] = renumbered(numbers, standing)
    return replace(table, own=tuple(own), passages=renumbered(table.passages, standing))
