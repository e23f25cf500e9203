"""Limits for the size of a row and of unpacked files: a small file can stand for more than a machine holds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from hardneg_plugin.errors import DatasetError

MAX_ROW_BYTES = 32 * 1024 * 1024
"""Most bytes of a row of a text file; ``max_row_bytes`` of a dataset's spec raises it."""
MAX_UNPACKED_BYTES = 64 * 1024**3
"""Most bytes of a copy whose packed size is not known; ``max_unpacked_bytes`` of a dataset's spec raises it."""
# Text gets 5 to 20 times smaller; deflate can make zeros 1,000 times smaller.
_TIMES, _ALWAYS = 200, 1024**3
_CHUNK = 1024 * 1024


def unpacked_limit(packed: int) -> int:
    """Return the most bytes that some packed bytes may become where no limit is given."""
    return max(_ALWAYS, _TIMES * packed)


def check_total(location: str, total: int, limit: int) -> None:
    """Check a number of unpacked bytes.

    :raises DatasetError: If it is above the limit.
    """
    if total > limit:
        remedy = "if that is right, ?max_unpacked_bytes=… raises the limit"
        msg = f"{location}: unpacks to more than {limit:,} bytes; {remedy}"
        raise DatasetError(msg)


class Counted(io.RawIOBase):
    """Reads what is unpacked, and stops when it is more than allowed.

    :param file: Gives the unpacked bytes.
    :param location: Name of the file, for the message.
    :param limit: Most bytes.
    """

    def __init__(self, file: Any, location: str, limit: int) -> None:
        self._file, self._place, self._limit, self._total = file, location, limit, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes came."""
        part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        self._total += len(part)
        check_total(self._place, self._total, self._limit)
        return len(part)


def bounded_lines(file: BinaryIO, most: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield ``(line number from 1, line, 0)``; of a line with more bytes, its start and how many bytes it has.

    :param file: The file; of a line that is too long no more than its start is ever in memory.
    :param most: Most bytes of a line.
    """
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) <= most or line.endswith(b"\n"):
            yield number, line, 0
            continue
        size = len(line)
        while part := file.readline(_CHUNK):
            size += len(part)
            if part.endswith(b"\n"):
                break
        yield number, line, size
