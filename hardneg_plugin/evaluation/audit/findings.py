"""A finding: one kind of fault in training rows, with its counts and rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One kind of fault, found or looked for in vain.

    :param name: Name in files and gates, such as ``query_as_negative``.
    :param title: The same for people.
    :param meaning: What it is and what it does to a training, in a sentence or two.
    :param severity: ``error`` (the row teaches something wrong), ``warning`` (look at it) or ``note``.
    :param count: How many of the unit have the fault.
    :param of: How many were looked at.
    :param unit: What is counted: rows, negatives, queries, …
    :param rows: Numbers of the rows in the file, ascending, each once.
    :param details: A few cases in words.
    """

    name: str
    title: str
    meaning: str
    severity: Severity
    count: int
    of: int
    unit: str
    rows: tuple[int, ...] = ()
    details: tuple[str, ...] = field(default=())

    @property
    def share(self) -> float:
        """Share of those looked at; 0 where nothing was."""
        return self.count / self.of if self.of else 0.0
