"""Dialects of text files: the encoding, and of a table the character between cells, quotes and the header."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hardneg_plugin.datasets.columns import is_usual
from hardneg_plugin.errors import DatasetError

_TAB, _COMMA = "\t", ","
# In the order in which they are preferred where nothing else decides.
_DELIMITERS = {".csv": (_COMMA, ";", _TAB, "|"), ".tsv": (_TAB, _COMMA, ";", "|")}
_NAMED_DELIMITERS = {"tab": _TAB, "\\t": _TAB, "comma": _COMMA, "semicolon": ";", "pipe": "|"}
# Longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SWITCHES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
# This share of NUL bytes at every other place is text in two bytes a character.
_TWO_BYTES = 0.3
TEXT_OPTIONS = ("delimiter", "encoding", "quotes", "header")


class Dialect(NamedTuple):
    """The dialect of a text file, as far as it was given; the rest is found.

    :param encoding: Name of the encoding; None takes that of the byte order mark, or UTF-8.
    :param delimiter: Character between cells; None takes the one that parts the header best.
    :param quotes: Whether cells stand in quotes that may hold delimiters and line ends; None for no in ``.tsv``.
    :param header: Whether the first line names the columns.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quotes: bool | None = None
    header: bool = True


FOUND = Dialect()


def dialect_of(options: Mapping[str, str], location: str) -> Dialect:
    """Return what options of a spec say.

    :param options: Name → value; others than those of a dialect are passed over.
    :param location: The spec, for messages.
    :raises DatasetError: If a value is none that is known.
    """
    switches = {name: _switch(name, options[name], location) for name in ("quotes", "header") if name in options}
    delimiter = options.get("delimiter")
    delimiter = _NAMED_DELIMITERS.get(delimiter, delimiter) if delimiter is not None else None
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        known = ", ".join(name for name in _NAMED_DELIMITERS if name.isalpha())
        msg = f"{location}: delimiter must be one character, or {known}; got {delimiter!r}"
        raise DatasetError(msg)
    encoding = options.get("encoding")
    if encoding is not None:
        try:
            # Some codecs, such as hex, turn no text into bytes: looking them up is not enough.
            "".encode(codecs.lookup(encoding).name)
        except (LookupError, ValueError) as error:
            msg = f"{location}: unknown encoding {encoding!r}; expected a name such as utf-8, utf-16 or cp1252"
            raise DatasetError(msg) from error
    return Dialect(encoding, delimiter, switches.get("quotes"), switches.get("header", True) is not False)


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text by its first bytes: that of its byte order mark, UTF-16 by its NULs, or UTF-8."""
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    half = len(start) // 2
    if half >= 2:
        for name, nulls in (("utf-16-le", start[1::2].count(0)), ("utf-16-be", start[0::2].count(0))):
            if nulls >= _TWO_BYTES * half:
                return name
    return "utf-8"


def delimiter_of(path: Path, line: str, dialect: Dialect) -> str:
    """Return the character between the cells of a table.

    :param path: The file; its ending says what is preferred.
    :param line: The first line that is not blank.
    :param dialect: What is said of the file.
    """
    if dialect.delimiter is not None:
        return dialect.delimiter
    known = _DELIMITERS[".tsv" if ".tsv" in path.suffixes else ".csv"]
    return max(known, key=lambda one: (*_parted(line, one), -known.index(one)))


def is_quoted(path: Path, delimiter: str, dialect: Dialect) -> bool:
    """Tell whether cells may stand in quotes: those of a plain table of tabs do not."""
    if dialect.quotes is not None:
        return dialect.quotes
    return not (".tsv" in path.suffixes and delimiter == _TAB)


def _parted(line: str, delimiter: str) -> tuple[int, int]:
    """Return how many usual names of columns, and how many cells, a header has when it is parted so."""
    cells: Sequence[str] = next(csv.reader([line], delimiter=delimiter), [])
    return sum(is_usual(cell.strip()) for cell in cells), len(cells)


def _switch(name: str, value: str, location: str) -> bool:
    if value.lower() not in _SWITCHES:
        msg = f"{location}: {name} must be yes or no, got {value!r}"
        raise DatasetError(msg)
    return _SWITCHES[value.lower()]
