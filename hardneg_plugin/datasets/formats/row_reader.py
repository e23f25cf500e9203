"""Reading rows one by one: columns that come late, and what a row holds that nobody reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hardneg_plugin.datasets.formats.cells import BadRowError
from hardneg_plugin.datasets.formats.layout import Layout
from hardneg_plugin.datasets.formats.registry import FORMATS, known_formats
from hardneg_plugin.datasets.training_rows import TrainingRow
from hardneg_plugin.errors import DatasetError

Row = Mapping[str, Any]


class RowReader:
    """Reads the rows of one source.

    :param layout: What is seen of the source.
    :param format: Name of the format; None finds it out.
    :raises DatasetError: If no format fits, or its reader does not.
    """

    def __init__(self, layout: Layout, format: str | None) -> None:  # noqa: A002
        self._named, self._layout = format is not None, layout
        self.name = format or detect_format(layout)
        self._read = FORMATS[self.name].reader(layout)
        self._unread: Counter[str] = Counter()
        # Keys of a row, in their order → those that the reader does not look at.
        self._passed_over: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, number: int, row: dict[str, Any]) -> TrainingRow:
        """Return a training row.

        :param number: Its number.
        :param row: The row.
        :raises BadRowError: If its format does not allow it.
        """
        keys = tuple(row)
        passed_over = self._passed_over.get(keys)
        if passed_over is None:
            if new := [name for name in keys if name not in self._layout.names]:
                self._take_in(new)
            watched = _Watched(row)
            found = self._read(number, watched)
            passed_over = self._passed_over[keys] = tuple(name for name in keys if name not in watched.seen)
        else:
            found = self._read(number, row)
        for name in passed_over:
            if row[name] not in (None, "", []):
                self._unread[f"column {name!r}"] += 1
        return found

    @property
    def unread(self) -> dict[str, int]:
        """Parts of rows that were found and not kept → number of rows."""
        return dict(sorted((self._unread + self._layout.lost).items()))

    def _take_in(self, new: list[str]) -> None:
        """Read from here on what columns that no row before had are for."""
        layout = self._layout._replace(names=(*self._layout.names, *new))
        try:
            name = self.name if self._named else detect_format(layout)
            reader = FORMATS[name].reader
            read = reader(layout)
        except DatasetError as error:
            kind = "late column"
            message = f"no row before has {', '.join(map(repr, new))}: {error}"
            raise BadRowError(kind, message) from error
        if reader is not FORMATS[self.name].reader:
            kind = "late column"
            message = f"no row before has {', '.join(map(repr, new))}: with it the format is {name}, not {self.name}"
            raise BadRowError(kind, message)
        self._layout, self.name, self._read = layout, name, read


class _Watched(dict[str, Any]):
    """A row that remembers which of its cells were looked at."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.seen: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def items(self) -> Any:
        self.seen.update(self)
        return super().items()


def detect_format(layout: Layout) -> str:
    """Return the name of the format that a source is in.

    :raises DatasetError: If none fits, with what was seen and what is known.
    """
    for name, form in FORMATS.items():
        if form.recognised(layout):
            return name
    seen = ", ".join(f"{name} ({_kind(layout.first(name))})" for name in layout.names) or "no readable row"
    msg = f"{layout.where}: no known format; columns: {seen}. Name it (--from, format=…): {known_formats()}"
    raise DatasetError(msg)


def _kind(value: Any) -> str:
    inner = f" of {_kind(value[0])}" if isinstance(value, list) and value else ""
    kinds = {str: "text", list: "list", dict: "object", int: "number", float: "number", bool: "yes/no"}
    return f"{kinds.get(type(value), 'empty' if value is None else type(value).__name__)}{inner}"
