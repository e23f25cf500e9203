"""Adding what a source found to the candidates that are already there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.table import CandidateTable, Ints, concat_ranges, lengths_to_offsets

if TYPE_CHECKING:
    from haystack.dataclasses import Document


def merge_source(
    table: CandidateTable, source: str, corpus: Corpus, rows: Ints, scores: NDArray[np.float32]
) -> CandidateTable:
    """Return a table with one more source.

    A passage that an earlier source found gets a second rank and score; a new one is appended to its example, best rank
    first.

    :param table: Candidates of ``n`` examples.
    :param source: Name of the source, such as ``bm25``.
    :param corpus: The corpus that was searched.
    :param rows: Shape ``(n, k)``: corpus rows, best first, none twice for one example; -1 behind the last.
    :param scores: Shape ``(n, k)``: the source's own scores; NaN where it has none.
    :raises RecordError: If the source is there already, the candidates refer to another corpus, or rows and scores
        do not fit the examples and the corpus.
    """
    _check_corpus(table, source, corpus)
    _check_hits(table, source, corpus, rows, scores)
    found = rows >= 0
    table, own = with_corpus(table, corpus)
    return add_source(
        table,
        source,
        example=np.nonzero(found)[0].astype(np.int64),
        passages=renumbered(rows[found].astype(np.int64), own),
        ranks=np.broadcast_to(np.arange(1, rows.shape[1] + 1, dtype=np.int32), rows.shape)[found],
        scores=scores[found].astype(np.float32),
    )


def add_source(
    table: CandidateTable,
    source: str,
    *,
    example: Ints,
    passages: Ints,
    ranks: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> CandidateTable:
    """Return a table with the ``f`` passages that one more source found, in order of example.

    :param table: Candidates of the examples, with the corpus and the own documents that the passages refer to.
    :param source: Name of the source.
    :param example: Number of the example that each was found for, ascending; shape ``(f,)``.
    :param passages: Rows of the corpus, or ``-1 - k`` for the ``k``-th own document; none twice for one example.
    :param ranks: Ranks from 1.
    :param scores: The source's own scores; NaN where it has none.
    :raises RecordError: If the source is there already.
    """
    if source in table.ranks:
        msg = f"the candidates already have a source {source!r}; give the second miner another `source` name"
        raise RecordError(msg)
    known = _positions(table, example, passages)
    new = known < 0
    grown = _append_rows(table, example[new], passages[new])
    at = _new_positions(table, grown, known, example)
    all_ranks = np.zeros(len(grown.passages), dtype=np.int32)
    all_scores = np.full(len(grown.passages), np.nan, dtype=np.float32)
    all_ranks[at], all_scores[at] = ranks, scores
    return replace(
        grown,
        ranks={**grown.ranks, source: all_ranks},
        source_scores={**grown.source_scores, source: all_scores},
    )


def with_corpus(table: CandidateTable, corpus: Corpus) -> tuple[CandidateTable, dict[int, int]]:
    """Return a table of this corpus; own documents that are in it become its passages.

    One whose meta the corpus does not keep stays an own document, with the corpus's text: nothing that was known of it
    is lost.

    :returns: The table, and for each passage of the corpus that an own document stands for the number of that document.
    """
    corpus = corpus if table.corpus is None else table.corpus.with_meta_of(corpus)
    if not table.own:
        return replace(table, corpus=corpus), {}
    rows = corpus.rows_of([document.id for document in table.own])
    inside = np.flatnonzero(rows >= 0)
    own, standing = list(table.own), {}
    for number, row, known in zip(inside.tolist(), rows[inside].tolist(), corpus.metas(rows[inside]), strict=True):
        if row not in standing and not keeps_meta(known, own[number]):
            standing[row] = -1 - number
            own[number] = in_corpus(own[number], corpus.text(row), known)
    # Of documents with one id the first is meant: tables of several shards that were put together hold copies.
    first: dict[str, int] = {}
    numbers = [-1 - first.setdefault(document.id, number) for number, document in enumerate(own)]
    numbers = [known if row < 0 else standing.get(row, row) for known, row in zip(numbers, rows.tolist(), strict=True)]
    passages = table.passages.copy()
    held = passages < 0
    passages[held] = np.array(numbers, dtype=np.int64)[-1 - passages[held]]
    passages[~held] = renumbered(passages[~held], standing)
    return replace(table, corpus=corpus, own=tuple(own), passages=passages), standing


def renumbered(passages: Ints, standing: dict[int, int]) -> Ints:
    """Return passages, those of the corpus that own documents stand for under the numbers of these."""
    if not standing:
        return passages
    return np.array([standing.get(passage, passage) for passage in passages.tolist()], dtype=np.int64)


def keeps_meta(known: dict[str, Any], document: Document) -> bool:
    """Tell whether the meta that a corpus has of a passage holds all that a document says."""
    return all(value is None or known.get(key) == value for key, value in document.meta.items())


def in_corpus(document: Document, text: str, known: dict[str, Any]) -> Document:
    """Return a document that stands for a passage of a corpus: with its text, and the meta of both."""
    return replace(document, content=text, meta={**known, **document.meta})


def _check_corpus(table: CandidateTable, source: str, corpus: Corpus) -> None:
    if table.corpus is not None and table.corpus.key != corpus.key:
        msg = (
            f"the candidates refer to corpus {table.corpus.key}, {source!r} searched corpus {corpus.key}; if both are "
            "one document store, it was written to in between: mine these examples again"
        )
        raise RecordError(msg)


def _check_hits(table: CandidateTable, source: str, corpus: Corpus, rows: Ints, scores: NDArray[np.float32]) -> None:
    if rows.ndim != 2 or rows.shape != scores.shape or len(rows) != len(table):
        msg = f"{source!r}: expected rows and scores of shape ({len(table)}, k), got {rows.shape} and {scores.shape}"
        raise RecordError(msg)
    if rows.size and int(rows.max()) >= len(corpus):
        msg = f"{source!r}: found row {rows.max()} in a corpus of {len(corpus)} passages"
        raise RecordError(msg)
    ordered = np.sort(rows, axis=1)
    if bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()):
        msg = f"{source!r}: found a passage twice for one example; a passage has one rank"
        raise RecordError(msg)


def _positions(table: CandidateTable, example: Ints, passages: Ints) -> Ints:
    """Return the row of the table that holds each found passage, or -1."""
    if not len(table.passages):
        return np.full(len(passages), -1, dtype=np.int64)
    # (example, passage) as one integer, own documents in front of the corpus: sorted once, searched for all.
    own = len(table.own)
    width = own + (0 if table.corpus is None else len(table.corpus))
    keys = table.example_index * width + table.passages + own
    order = np.argsort(keys, kind="stable")
    wanted = example * width + passages + own
    position = np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)
    return np.where(keys[order[position]] == wanted, order[position], -1).astype(np.int64)


def _append_rows(table: CandidateTable, example: Ints, passage: Ints) -> CandidateTable:
    """Return a table with one valueless row per new passage behind the rows of its example."""
    old, added = np.diff(table.offsets), np.bincount(example, minlength=len(table)).astype(np.int64)
    offsets = lengths_to_offsets(old + added)
    rows = np.full(int(offsets[-1]), -1, dtype=np.int64)
    rows[concat_ranges(offsets[:-1], old)] = np.arange(len(table.passages))
    everything = np.arange(int(table.positive_offsets[-1]), dtype=np.int64)
    grown = table.take(rows, offsets, table.positive_offsets, everything)
    passages = grown.passages.copy()
    passages[concat_ranges(offsets[:-1] + old, added)] = passage
    return replace(grown, passages=passages)


def _new_positions(table: CandidateTable, grown: CandidateTable, known: Ints, example: Ints) -> Ints:
    """Return the row of the grown table for each found passage, in the order they were found."""
    moved = concat_ranges(grown.offsets[:-1], np.diff(table.offsets))
    new = known < 0
    added = np.diff(grown.offsets) - np.diff(table.offsets)
    at = np.empty(len(known), dtype=np.int64)
    at[~new] = moved[known[~new]]
    at[new] = concat_ranges(grown.offsets[:-1] + np.diff(table.offsets), added)
    return at
