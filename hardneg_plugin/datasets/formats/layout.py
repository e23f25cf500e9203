"""Describe a source before a format reads it, and an output before a format writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hardneg_plugin.datasets.training_rows import TrainingRow

if TYPE_CHECKING:
    import pyarrow as pa

# Columns that sentence-transformers takes for labels and not for texts.
LABELS = ("label", "labels", "score", "scores")


class Layout(NamedTuple):
    """Columns and first rows of a source.

    :param where: File, folder or hub id, for messages.
    :param names: Columns, or the keys of the first rows.
    :param sample: The first rows.
    :param options: What stands behind the question mark of the source.
    :param named: Whether the format was named, and not found out.
    :param folder: Folder that further tables stand in; None for a single file.
    :param lost: What a reader finds and cannot keep → rows.
    """

    where: str
    names: tuple[str, ...]
    sample: Sequence[Mapping[str, Any]]
    options: Mapping[str, str]
    named: bool = False
    folder: Path | None = None
    lost: Counter[str] = Counter()  # noqa: RUF012

    def first(self, name: str) -> Any:
        """Return the first non-null value of a column, or None."""
        return next((row[name] for row in self.sample if row.get(name) is not None), None)

    def has(self, *names: str) -> bool:
        """Check that all these columns exist."""
        return set(names) <= set(self.names)


class Shape(NamedTuple):
    """The rows of a table that is written.

    :param schema: Its columns.
    :param rows: A training row with the positives that the format allows → its rows.
    """

    schema: pa.Schema
    rows: Callable[[TrainingRow], list[dict[str, Any]]]
