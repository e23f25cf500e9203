"""A column of few distinct strings, held as small integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Coded:
    """Strings as codes into a tuple of values; code 0 is the empty string.

    :param codes: Shape ``(rows,)``, int16.
    :param values: Distinct strings; the first is always empty.
    """

    codes: NDArray[np.int16]
    values: tuple[str, ...] = ("",)

    @classmethod
    def empty(cls, rows: int) -> Coded:
        """Return a column of empty strings."""
        return cls(np.zeros(rows, dtype=np.int16))

    @classmethod
    def of(cls, strings: Sequence[str]) -> Coded:
        """Encode a sequence of strings."""
        known = {"": 0}
        codes = np.fromiter((known.setdefault(string, len(known)) for string in strings), np.int16, len(strings))
        return cls(codes, tuple(known))

    @classmethod
    def concat(cls, columns: Sequence[Coded]) -> Coded:
        """Put columns one after the other."""
        known = {"": 0}
        parts = [np.zeros(0, dtype=np.int16)]
        for column in columns:
            recode = np.array([known.setdefault(value, len(known)) for value in column.values], dtype=np.int16)
            parts.append(recode[column.codes])
        return cls(np.concatenate(parts), tuple(known))

    def take(self, rows: NDArray[np.int64]) -> Coded:
        """Return some rows; -1 gives the empty string."""
        if not len(self.codes):
            return Coded.empty(len(rows))
        return Coded(np.where(rows < 0, 0, self.codes[rows]).astype(np.int16), self.values)

    def where(self, mask: NDArray[np.bool_], string: str) -> Coded:
        """Return a copy in which the rows of a mask hold ``string``."""
        values = self.values if string in self.values else (*self.values, string)
        return Coded(np.where(mask, values.index(string), self.codes).astype(np.int16), values)

    def strings(self) -> list[str]:
        """Decode all rows."""
        return [self.values[code] for code in self.codes]
