"""Columns of texts to train on, put together by Arrow without an object for each text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.records import Candidate, CandidateTable, MiningExample, table_of
from hardneg_plugin.records.table import concat_ranges

Ints = NDArray[np.int64]
# An array of strings holds 2 GB at most.
_BYTES_AT_ONCE = 1 << 30


def text_columns(
    examples: Sequence[MiningExample], shape: Literal["n-tuple", "triplet"], most: int | None, least: int = 0
) -> dict[str, Any]:
    """Return the columns of rows of texts alone, see :class:`~hardneg_plugin.TripletBuilder`.

    :param examples: Any number.
    :param shape: What a row holds.
    :param most: Negatives of an example, best rank first; None takes all that are kept.
    :param least: Columns of negatives that there are at least.
    :returns: ``anchor``, ``positive``, and the negatives, where there are some.
    :raises RecordError: If a positive or a kept candidate has no text.
    """
    table = table_of(examples)
    rows, offsets = table.kept_by_rank()
    counts = np.minimum(np.diff(offsets), len(rows) if most is None else most)
    texts, positions = _passages(table, rows)
    chosen = concat_ranges(offsets[:-1], counts)
    empty = chosen[(_lengths(texts) == 0)[positions[chosen]]]
    if len(empty):
        row = int(rows[empty[0]])
        raise no_text(examples[int(table.example_index[row])], f"candidate {Candidate(table, row).id!r}")
    anchors = pa.array([example.query for example in examples], pa.large_string())
    positives = pa.array([text for example in examples for text in positive_texts(example)], pa.large_string())
    owner = np.repeat(np.arange(len(examples)), [len(example.positives) for example in examples])
    width = int(counts[owner].max(initial=least))

    def negatives(pairs: Ints, number: Ints | int) -> pa.ChunkedArray:
        """Return the negative of some number of each pair; None where it has fewer."""
        there = number < counts[owner[pairs]]
        at = np.full(len(pairs), -1)
        at[there] = positions[(offsets[owner[pairs]] + number)[there]]
        return _taken(texts, at)

    if shape == "triplet":
        repeated = np.maximum(counts[owner], 1)
        pairs = np.repeat(np.arange(len(owner)), repeated)
        columns = {"negative": negatives(pairs, concat_ranges(np.zeros_like(repeated), repeated))} if width else {}
    else:
        pairs = np.arange(len(owner))
        columns = {f"negative_{number + 1}": negatives(pairs, number) for number in range(width)}
    return {"anchor": _taken(anchors, owner[pairs]), "positive": _taken(positives, pairs), **columns}


def negative_counts(examples: Sequence[MiningExample]) -> Ints:
    """Return the number of kept candidates of each example."""
    table = table_of(examples)
    return np.bincount(table.example_index[table.kept], minlength=len(examples))


def positive_texts(example: MiningExample) -> list[str]:
    """Return the texts of an example's positives.

    :raises RecordError: If one has none.
    """
    for document in example.positives:
        if not document.content:
            raise no_text(example, f"positive {document.id!r}")
    return [document.content or "" for document in example.positives]


def no_text(example: MiningExample, passage: str) -> RecordError:
    """Return the error of a passage that nothing can be trained on."""
    return RecordError(f"example {example.id!r}: {passage} has no text; nothing can be trained on it")


def _passages(table: CandidateTable, rows: Ints) -> tuple[pa.LargeStringArray, Ints]:
    """Return the texts of some rows of the table, and the place of each row's text among them."""
    passages = table.passages[rows]
    if table.corpus is not None and (passages >= 0).all():
        return table.corpus.text_column(passages)
    return pa.array(passage_texts(table, passages), pa.large_string()), np.arange(len(rows))


def _taken(texts: pa.LargeStringArray, positions: Ints) -> pa.ChunkedArray:
    """Return some of the texts, None for a place of -1, in parts that an array can hold."""
    part = np.cumsum(np.append(_lengths(texts), 0)[positions]) // _BYTES_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(positions)]
    chunks = [
        texts.take(pa.array(positions[start:end], mask=positions[start:end] < 0)).cast(pa.string())
        for start, end in pairwise(bounds)
    ]
    return pa.chunked_array(chunks, pa.string())


def _lengths(texts: pa.LargeStringArray) -> Ints:
    lengths: Ints = pc.binary_length(texts).to_numpy()
    return lengths
