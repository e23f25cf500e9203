"""Adding what a source found to the candidates that are already there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.table import CandidateTable, Ints, concat_ranges, lengths_to_offsets


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
    return add_source(
        _with_corpus(table, corpus),
        source,
        example=np.nonzero(found)[0].astype(np.int64),
        passages=rows[found].astype(np.int64),
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


def _with_corpus(table: CandidateTable, corpus: Corpus) -> CandidateTable:
    """Return a table of this corpus; own documents that are in it become its passages."""
    if table.corpus is not None or not table.own:
        return replace(table, corpus=corpus)
    rows = corpus.rows_of([document.id for document in table.own])
    own = table.passages < 0
    passages = table.passages.copy()
    found = rows[-1 - passages[own]]
    passages[own] = np.where(found >= 0, found, passages[own])
    return replace(table, corpus=corpus, passages=passages)


def _check_corpus(table: CandidateTable, source: str, corpus: Corpus) -> None:
    if table.corpus is not None and table.corpus.key != corpus.key:
        msg = f"the candidates refer to corpus {table.corpus.key}, {source!r} searched corpus {corpus.key}"
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
