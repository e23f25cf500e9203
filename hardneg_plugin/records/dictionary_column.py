"""A column of few distinct strings, held as small integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError

MOST_VALUES = np.iinfo(np.int16).max


@dataclass(frozen=True, eq=False)
class DictionaryColumn:
    """Strings as codes into a tuple of values; code 0 is the empty string.

    :param codes: Shape ``(rows,)``, int16; becomes read-only.
    :param values: Distinct strings; the first is always empty.
    :raises RecordError: If there are more distinct strings than codes.
    """

    codes: NDArray[np.int16]
    values: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if len(self.values) > MOST_VALUES:
            msg = f"a column of few distinct strings got {len(self.values):,}, the last is {self.values[-1][:60]!r}"
            raise RecordError(msg)
        self.codes.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: an array that was pickled would come back writeable.
        return DictionaryColumn, (self.codes, self.values)

    @classmethod
    def empty(cls, rows: int) -> DictionaryColumn:
        """Return a column of empty strings."""
        return cls(np.zeros(rows, dtype=np.int16))

    @classmethod
    def of(cls, strings: Sequence[str]) -> DictionaryColumn:
        """Encode a sequence of strings."""
        known = {"": 0}
        codes = np.fromiter((known.setdefault(string, len(known)) for string in strings), np.int32, len(strings))
        return cls(codes.astype(np.int16), tuple(known))

    @classmethod
    def concat(cls, columns: Sequence[DictionaryColumn]) -> DictionaryColumn:
        """Put columns one after the other."""
        known = {"": 0}
        parts = [np.zeros(0, dtype=np.int16)]
        for column in columns:
            recode = np.array([known.setdefault(value, len(known)) for value in column.values], dtype=np.int32)
            parts.append(recode[column.codes].astype(np.int16))
        return cls(np.concatenate(parts), tuple(known))

    def take(self, rows: NDArray[np.int64]) -> DictionaryColumn:
        """Return some rows; -1 gives the empty string."""
        if not len(self.codes):
            return DictionaryColumn.empty(len(rows))
        return DictionaryColumn(np.where(rows < 0, 0, self.codes[rows]).astype(np.int16), self.values)

    def where(self, mask: NDArray[np.bool_], string: str) -> DictionaryColumn:
        """Return a copy in which the rows of a mask hold ``string``."""
        values = self.values if string in self.values else (*self.values, string)
        return DictionaryColumn(np.where(mask, values.index(string), self.codes).astype(np.int16), values)

    def strings(self) -> list[str]:
        """Decode all rows."""
        return [self.values[code] for code in self.codes]
