"""The training table: which columns are texts, and one pass that checks and counts them.

Three shapes are understood, beside any number of further columns (ids, scores, language), which are never tokenised:

- ``anchor, positive``: in-batch negatives only;
- ``anchor, positive, negative`` or ``anchor, positive, negative_1 ... negative_n``, where a missing negative is
  ``None``;
- ``anchor, positive, negatives`` with a list of texts per row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xxhash

from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records.table import concat_ranges, lengths_to_offsets
from hardneg_plugin.text import normalise_all

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

ANCHOR = "anchor"
POSITIVE = "positive"
# Number of the row in the table: where negatives change, they are found by it.
ROW = "row"
_NUMBERED = re.compile(r"negative_(\d+)")
_ROWS_PER_READ = 4096


@dataclass(frozen=True)
class TrainingColumns:
    """Locations of the negatives of each row.

    :param negatives: Their columns, in order; empty for in-batch negatives only.
    :param listed: Whether the one column holds a list of texts.
    """

    negatives: tuple[str, ...]
    listed: bool = False

    @property
    def names(self) -> list[str]:
        """All columns that hold texts, the anchor first."""
        return [ANCHOR, POSITIVE, *self.negatives]

    def negatives_of(self, row: Mapping[str, Any]) -> list[str]:
        """Return the negatives that a row has; a missing one is left out."""
        if self.listed:
            return list(row[self.negatives[0]] or ())
        return [row[name] for name in self.negatives if row[name] is not None]


@dataclass(frozen=True)
class TextKeys:
    """Hashes of all texts of the table, so that batches can be packed without reading the texts again.

    Texts that are equal once case, punctuation and white space are levelled have equal hashes.

    :param own: Anchor and positive of each row; ``uint64``, shape ``(rows, 2)``.
    :param negatives: Negatives of all rows, one after the other; ``uint64``.
    :param offsets: Where each row's negatives start; ``int64``, shape ``(rows + 1,)``.
    :param digest: Identity of the table's texts as they are and their order: 32 hex digits; empty where these are not
        all of a table.
    """

    own: npt.NDArray[np.uint64]
    negatives: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]
    digest: str = ""

    def __len__(self) -> int:
        return len(self.own)

    @property
    def negative_counts(self) -> npt.NDArray[np.int64]:
        """Number of negatives of each row."""
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[np.int64]) -> TextKeys:
        """Return the keys of some rows, in their order; a row may occur twice."""
        counts = self.negative_counts[rows]
        positions = concat_ranges(self.offsets[rows], counts)
        return TextKeys(self.own[rows], self.negatives[positions], lengths_to_offsets(counts))


def find_columns(dataset: datasets.Dataset) -> TrainingColumns:
    """Tell which columns of a table are trained on.

    :param dataset: A table in one of the shapes that this module understands.
    :raises ParameterError: If it is no ``datasets.Dataset``.
    :raises RecordError: If the anchor or the positive is missing, negatives come in two shapes, or a column is no text.
    """
    import datasets

    if not isinstance(dataset, datasets.Dataset):
        msg = f"dataset: expected a datasets.Dataset, got {type(dataset).__name__}"
        raise ParameterError(msg)
    names = list(dataset.column_names)
    if missing := [name for name in (ANCHOR, POSITIVE) if name not in names]:
        msg = f"the training table has no column {' and no column '.join(map(repr, missing))}; its columns are {names}"
        raise RecordError(msg)
    numbered = sorted((name for name in names if _NUMBERED.fullmatch(name)), key=lambda name: int(name[9:]))
    shapes = [
        shape
        for shape in (["negative"] * ("negative" in names), numbered, ["negatives"] * ("negatives" in names))
        if shape
    ]
    if len(shapes) > 1:
        msg = (
            f"the negatives come in {len(shapes)} shapes ({', '.join(shape[0] for shape in shapes)}); keep one of them"
        )
        raise RecordError(msg)
    columns = TrainingColumns(tuple(shapes[0]) if shapes else (), listed=bool(shapes) and shapes[0] == ["negatives"])
    _check_types(dataset, columns)
    return columns


def read_keys(dataset: datasets.Dataset, columns: TrainingColumns) -> TextKeys:
    """Check every text of the table and return the hashes of what they are once levelled.

    :param dataset: The table.
    :param columns: What :func:`find_columns` said of it.
    :raises RecordError: If the table is empty, or a text is missing or blank; names the row (from 0) and the column.
    """
    keys = LevelledKeys()
    own: list[int] = []
    negatives: list[int] = []
    counts: list[int] = []
    for first, table in _tables(dataset, columns):
        anchors, positives = _texts(table, ANCHOR, first), _texts(table, POSITIVE, first)
        pairs = [text for pair in zip(anchors, positives, strict=True) for text in pair]
        rows = list(_negatives(table, columns, first))
        own += keys.exact(pairs)
        negatives += keys.exact([text for row in rows for text in row])
        counts += map(len, rows)
    if not own:
        msg = "the training table has no rows"
        raise RecordError(msg)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    exact = np.array(own, np.uint64).reshape(-1, 2), np.array(negatives, np.uint64)
    digest = xxhash.xxh3_128(b"".join(part.tobytes() for part in (*exact, offsets))).hexdigest()
    own_keys, negative_keys = map(keys.levelled, exact)
    return TextKeys(own_keys, negative_keys, offsets, digest)


def _check_types(dataset: datasets.Dataset, columns: TrainingColumns) -> None:
    for name in columns.names:
        feature = dataset.features[name]
        if columns.listed and name in columns.negatives:
            feature = getattr(feature, "feature", None)
        # A column of nothing but None has the type null: rows without that negative.
        allowed = ("string", "large_string") if name in (ANCHOR, POSITIVE) else ("string", "large_string", "null")
        if getattr(feature, "dtype", None) not in allowed:
            wanted = "lists of texts" if columns.listed and name in columns.negatives else "texts"
            msg = f"column {name!r} of the training table must hold {wanted}, got {dataset.features[name]}"
            raise RecordError(msg)


def _tables(dataset: datasets.Dataset, columns: TrainingColumns) -> Iterator[tuple[int, pa.Table]]:
    first = 0
    for table in dataset.select_columns(columns.names).with_format("arrow").iter(_ROWS_PER_READ):
        yield first, table
        first += table.num_rows


def _texts(table: pa.Table, name: str, first: int) -> list[str]:
    texts: list[str | None] = table[name].to_pylist()
    for row, text in enumerate(texts, start=first):
        _check_text(text, name, row)
    return texts  # type: ignore[return-value]  # every one was checked


def _negatives(table: pa.Table, columns: TrainingColumns, first: int) -> Iterator[list[str]]:
    lists = [table[name].to_pylist() for name in columns.negatives]
    for offset in range(table.num_rows):
        row = {name: values[offset] for name, values in zip(columns.negatives, lists, strict=True)}
        texts = columns.negatives_of(row)
        for text in texts:
            _check_text(text, _column_of(row, text, columns), first + offset)
        yield texts


def _column_of(row: Mapping[str, Any], text: str, columns: TrainingColumns) -> str:
    return columns.negatives[0] if columns.listed else next(name for name in columns.negatives if row[name] == text)


def _check_text(text: str | None, column: str, row: int) -> None:
    if text is None or not text.strip():
        msg = f"row {row} of the training table: column {column!r} must hold a text, got {text!r}"
        raise RecordError(msg)


class LevelledKeys:
    """Hashes of levelled texts; a text that comes again is not levelled again."""

    def __init__(self) -> None:
        self._levelled: dict[int, int] = {}

    def of(self, texts: Sequence[str]) -> list[int]:
        """Return the hash of each text's levelled form; of the text itself where the form is empty."""
        return [self._levelled[key] for key in self.exact(texts)]

    def exact(self, texts: Sequence[str]) -> list[int]:
        """Return the hash of each text as it is, and remember that of its levelled form."""
        keys = list(map(_hash, texts))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._levelled}
        for key, levelled in zip(new, normalise_all(new.values()), strict=True):
            self._levelled[key] = _hash(levelled) if levelled else key
        return keys

    def levelled(self, exact: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Return the hashes of the levelled forms of texts by the hashes of the texts, same shape."""
        values = (self._levelled[key] for key in exact.ravel().tolist())
        return np.fromiter(values, np.uint64, exact.size).reshape(exact.shape)


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
