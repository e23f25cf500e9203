"""The rows of an audit as arrays: every distinct text is held, read and normalised once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.datasets.training_rows import TrainingRows
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.table import lengths_to_offsets
from hardneg_plugin.text import normalise

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
_GROUP_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 100_000


@dataclass(frozen=True)
class Texts:
    """The distinct texts of all rows.

    :param values: The texts, as they are.
    :param keys: Hash of the form in which two texts count as the same, shape ``(len(values),)``.
    :param lengths: Characters of that form; 0 for a text without a letter, digit or symbol.
    """

    values: pa.Array
    keys: Keys
    lengths: Ints

    @classmethod
    def of(cls, values: pa.Array) -> Texts:
        """Normalise and hash distinct texts."""
        keys = np.empty(len(values), dtype=np.uint64)
        lengths = np.empty(len(values), dtype=np.int64)
        for start in range(0, len(values), _BLOCK):
            for number, text in enumerate(values.slice(start, _BLOCK).to_pylist(), start):
                form = normalise(text)
                lengths[number] = len(form)
                keys[number] = xxhash.xxh3_64_intdigest(form.encode("utf-8", "surrogatepass"))
        return cls(values, keys, lengths)

    def take(self, codes: Ints) -> list[str]:
        """Return some texts, in the order of their codes."""
        import pyarrow as pa

        taken: list[str] = self.values.take(pa.array(codes)).to_pylist()
        return taken

    def one(self, code: int) -> str:
        """Return a text."""
        return str(self.values[int(code)].as_py())


@dataclass(frozen=True)
class Passages:
    """The positives or the negatives of all rows, one after the other.

    :param offsets: Where each row's begin, shape ``(rows + 1,)``.
    :param texts: Codes into the texts, shape ``(passages,)``.
    :param scores: Score of each, NaN where it has none.
    :param ids: Id of each, null where it has none; None where no passage has one.
    """

    offsets: Ints
    texts: Ints
    scores: Floats
    ids: pa.Array | None = None

    @property
    def counts(self) -> Ints:
        """Passages of each row."""
        return np.diff(self.offsets)

    @cached_property
    def row(self) -> Ints:
        """Row of each passage, from 0."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), self.counts)

    def position(self, passage: int) -> int:
        """Return which of its row's passages one is, from 1."""
        return int(passage - self.offsets[self.row[passage]]) + 1

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Provenance:
    """Provenance of negatives in a run folder, which rows of a file do not have.

    :param found: Source → rank of each negative in its list from 1, 0 where it did not find it.
    :param verdicts: A judge's label of each negative; empty where there is none.
    :param answers: Short answers to each row's query.
    """

    found: Mapping[str, Ints] = field(default_factory=dict)
    verdicts: DictionaryColumn | None = None
    answers: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class AuditTable:
    """All rows.

    :param rows: What they were made from.
    :param texts: Distinct texts.
    :param queries: Code of each row's query.
    :param positives: Positives.
    :param negatives: Negatives.
    :param languages: ISO 639-1 code of each row, empty where the file does not say.
    :param provenance: Who found each negative, and what is known of it.
    """

    rows: TrainingRows
    texts: Texts
    queries: Ints
    positives: Passages
    negatives: Passages
    languages: tuple[str, ...]
    provenance: Provenance

    @classmethod
    def of(cls, rows: TrainingRows, provenance: Provenance | None = None) -> AuditTable:
        """Arrange training rows.

        :param rows: The rows.
        :param provenance: What a run knows; None takes the sources and ranks of the rows.
        :raises DatasetError: If there are no rows, or a row has other numbers of ids, scores or ranks than passages.
        """
        import pyarrow as pa

        if not len(rows):
            msg = f"{rows.where}: there is no row to audit"
            raise DatasetError(msg)
        table = rows.table
        roles = {name: table.column(name).combine_chunks() for name in ("query", "positives", "negatives")}
        flat = [roles["query"], roles["positives"].flatten(), roles["negatives"].flatten()]
        encoded = pa.concat_arrays([part.cast(pa.large_string()) for part in flat]).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        sizes = lengths_to_offsets([len(part) for part in flat])
        queries, positives, negatives = (codes[sizes[part] : sizes[part + 1]] for part in range(3))
        languages = tuple(language or "" for language in table.column("language").to_pylist())
        return cls(
            rows,
            Texts.of(encoded.dictionary),
            queries,
            _passages(rows, "positive", roles["positives"], positives),
            _passages(rows, "negative", roles["negatives"], negatives),
            languages,
            provenance or _provenance(rows, roles["negatives"]),
        )

    def __len__(self) -> int:
        return len(self.queries)

    @cached_property
    def numbers(self) -> Ints:
        """Number of each row in the file, from 1."""
        numbers: Ints = self.rows.table.column("number").to_numpy().astype(np.int64)
        return numbers

    @cached_property
    def asked(self) -> Ints:
        """Number of each row's query among the distinct queries, shape ``(rows,)``."""
        return np.unique(self.texts.keys[self.queries], return_inverse=True)[1].astype(np.int64)

    @cached_property
    def ranks(self) -> Ints:
        """Best rank of each negative over its sources, 0 where none is known."""
        known = [np.where(ranks > 0, ranks, np.iinfo(np.int64).max) for ranks in self.provenance.found.values()]
        best = np.minimum.reduce([np.full(len(self.negatives), np.iinfo(np.int64).max), *known])
        return np.where(best == np.iinfo(np.int64).max, 0, best)

    def keys_of(self, codes: Ints) -> Keys:
        """Return the keys of some texts."""
        return self.texts.keys[codes]

    def numbers_of(self, rows: Ints | Bools) -> tuple[int, ...]:
        """Return the file's numbers of some rows, ascending, each once.

        :param rows: Rows from 0, or a mask of all rows.
        """
        return tuple(np.unique(self.numbers[rows]).tolist())


def paired(groups: Ints, keys: Keys) -> Keys:
    """Return one number for each pair of a group and a key, so that pairs can be compared as arrays."""
    return keys ^ ((groups.astype(np.uint64) + np.uint64(1)) * _GROUP_MULTIPLIER)


def _passages(rows: TrainingRows, role: str, texts: Any, codes: Ints) -> Passages:
    lengths = texts.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    scores = _aligned(rows, f"{role}_scores", lengths)
    values = np.full(len(codes), np.nan, dtype=np.float32)
    if scores is not None:
        values = scores.to_numpy(zero_copy_only=False).astype(np.float32)
    return Passages(lengths_to_offsets(lengths), codes, values, _aligned(rows, f"{role}_ids", lengths))


def _aligned(rows: TrainingRows, name: str, lengths: Ints) -> Any | None:
    """Return the flat values of an optional list column, null for rows that lack it; None where all rows do.

    :raises DatasetError: If a row has another number of values than passages.
    """
    import pyarrow as pa

    column = rows.table.column(name).combine_chunks()
    if column.null_count == len(column):
        return None
    there = ~column.is_null().to_numpy(zero_copy_only=False)
    own = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if wrong := np.flatnonzero(there & (own != lengths)).tolist():
        number = rows.table.column("number")[wrong[0]].as_py()
        msg = f"{rows.where}:{number}: {name} has {own[wrong[0]]} values for {lengths[wrong[0]]} passages"
        raise DatasetError(msg)
    known = np.repeat(there, lengths)
    return column.flatten().take(pa.array(np.cumsum(known) - 1, mask=~known))


def _provenance(rows: TrainingRows, negatives: Any) -> Provenance:
    lengths = negatives.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    ranks = _aligned(rows, "ranks", lengths)
    known = np.zeros(int(lengths.sum()), dtype=np.int64)
    if ranks is not None:
        known = ranks.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    sources = _aligned(rows, "sources", lengths)
    if sources is None:
        return Provenance({"": known} if ranks is not None else {})
    encoded = sources.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names: Sequence[str] = encoded.dictionary.to_pylist()
    # A negative whose rank is not written down was found all the same: -1.
    return Provenance(
        {name: np.where(codes == code, np.where(known > 0, known, -1), 0) for code, name in enumerate(names)}
    )
