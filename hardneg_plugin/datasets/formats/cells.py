"""The cells of a row: texts, lists of texts, numbers and ids, or what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hardneg_plugin.datasets.base import MAX_TEXT_CHARS
from hardneg_plugin.datasets.importer import validate_text

Row = Mapping[str, Any]


class BadRowError(Exception):
    """A row that its format does not allow; ``kind`` is what it is counted under."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def sound(value: Any, name: str) -> str:
    """Return a value that is a text fit to train on.

    :param value: The value.
    :param name: Its key or column, for the message.
    :raises BadRowError: If it is no text, empty, too long or cannot be stored.
    """
    if not isinstance(value, str):
        kind = "no text"
        message = f"expected a text in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    fault = validate_text(value, MAX_TEXT_CHARS)
    if fault is not None:
        raise BadRowError(fault[0], f"{name!r}: {fault[1]}")
    return value


def text(row: Row, name: str) -> str:
    """Return a cell that must hold a text.

    :raises BadRowError: If it is missing or unfit.
    """
    return sound(_present(row, name), name)


def optional_text(row: Row, name: str) -> str:
    """Return a cell that may hold a text; empty where it is missing, null or blank.

    :raises BadRowError: If it holds anything else.
    """
    value = row.get(name)
    return "" if value is None or (isinstance(value, str) and not value.strip()) else sound(value, name)


def texts(row: Row, name: str) -> tuple[str, ...]:
    """Return a cell that must hold a list of texts; a missing one, or null, is an empty list.

    :raises BadRowError: If it holds anything else: a string would be taken apart into its letters.
    """
    value = row.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        kind = "no list"
        message = f"expected a list of texts in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    return tuple(sound(item, f"{name}[{location}]") for location, item in enumerate(value))


def needed(values: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return a list that must not be empty.

    :raises BadRowError: If it is.
    """
    if not values:
        kind = "no positive"
        message = f"expected at least one text in {name!r}, got none"
        raise BadRowError(kind, message)
    return values


def number(value: Any, name: str) -> float:
    """Return a value that must be a finite number; CSV holds numbers as text.

    :raises BadRowError: If it is none.
    """
    try:
        found = math.nan if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        kind = "no number"
        message = f"expected a number in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    return found


def numbers(row: Row, name: str, count: int) -> tuple[float, ...]:
    """Return a cell that holds one number per passage; empty where it is missing or null.

    :raises BadRowError: If it holds anything else, or another number of them.
    """
    value = row.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != count:
        got = f"{len(value)}" if isinstance(value, list) else f"{value!r:.60}"
        kind = "wrong scores"
        message = f"expected {count} numbers in {name!r}, one per passage, got {got}"
        raise BadRowError(kind, message)
    return tuple(number(item, f"{name}[{location}]") for location, item in enumerate(value))


def identifier(value: Any, name: str) -> str:
    """Return an id as a string; empty if the row has no id.

    :raises BadRowError: If it is neither a string nor a whole number.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = "broken id"
        message = f"expected an id in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    # An empty text is no id, as in the importer of corpora.
    return sound(value, name) if isinstance(value, str) and value else str(value)


def identifiers(row: Row, name: str, count: int) -> tuple[str, ...]:
    """Return a cell that holds one id per passage; empty where it is missing or null.

    :raises BadRowError: If it holds anything else, or another number of them.
    """
    value = row.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != count:
        kind = "wrong ids"
        message = f"expected {count} ids in {name!r}, one per passage, got {value!r:.60}"
        raise BadRowError(kind, message)
    return tuple(identifier(item, f"{name}[{location}]") for location, item in enumerate(value))


def _present(row: Row, name: str) -> Any:
    if name not in row:
        kind = "missing key"
        message = f"no {name!r}; the row has {', '.join(map(str, row)) or 'nothing'}"
        raise BadRowError(kind, message)
    return row[name]
