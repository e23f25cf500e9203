"""Recorded answers: JSON lines that replay an experiment without its language model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.llm.request import LLMReply, LLMRequest

_KEYS = ("key", "request", "reply")
# How a line begins, as the session writes it.
_START = b'{"key":"'


class Recorded(NamedTuple):
    """One line of a recording.

    :param key: Key of the request, its model included.
    :param request: What was asked, as :meth:`LLMRequest.to_dict` has it.
    :param reply: What was answered.
    """

    key: str
    request: dict[str, Any]
    reply: LLMReply


def recorded_line(key: str, identity: Mapping[str, Any], request: LLMRequest, reply: LLMReply) -> dict[str, Any]:
    """Return a line of a recording, as JSON has it."""
    return {
        "key": key,
        "about": dict(request.about),
        "identity": dict(identity),
        "request": request.to_dict(),
        "reply": reply.to_dict(),
    }


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines of a file of JSON objects with their numbers; empty lines are passed over.

    :raises DatasetError: If the file cannot be read or a line is no JSON object, with its number.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except ValueError as error:
                    msg = f"{path}:{number}: not JSON: {error}"
                    raise DatasetError(msg) from error
                if not isinstance(value, dict):
                    msg = f"{path}:{number}: expected a JSON object, got {type(value).__name__}"
                    raise DatasetError(msg)
                yield number, value
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise DatasetError(msg) from error


def recorded_of(path: Path, number: int, line: Mapping[str, Any]) -> Recorded:
    """Return a recorded answer.

    :raises DatasetError: If the line is none.
    """
    missing = [key for key in _KEYS if key not in line]
    if missing:
        msg = f"{path}:{number}: a recorded answer needs {', '.join(_KEYS)}; {', '.join(missing)} is missing"
        raise DatasetError(msg)
    try:
        return Recorded(str(line["key"]), dict(line["request"]), LLMReply.from_dict(line["reply"]))
    except (TypeError, ValueError) as error:
        msg = f"{path}:{number}: the recorded answer cannot be read: {error}"
        raise DatasetError(msg) from error


def repair_truncated_tail(path: Path) -> bool:
    """Make the last line of a recording whole, so that another may follow.

    One that was cut off, as a killed run may leave it, is removed: its answer is in the cache of answers. A file that
    does not look like a recording is left as it is.

    :returns: Whether a line was removed.
    """
    if not path.exists():
        return False
    first, last, whole = b"", b"", 0
    with path.open("rb") as lines:
        for line in lines:
            first, last = first or line, line
            whole += len(line) if line.endswith(b"\n") else 0
    if not last or last.endswith(b"\n") or not first.startswith(_START) or not _START.startswith(last[: len(_START)]):
        return False
    try:
        json.loads(last)
    except ValueError:
        os.truncate(path, whole)
        return True
    with path.open("ab") as file:
        file.write(b"\n")
    return False


def recorded_texts(path: Path) -> dict[str, str]:
    """Return key → digest of the last text recorded for it; empty where the file is missing.

    :raises DatasetError: If the file is no recording.
    """
    if not path.exists():
        return {}
    found = (recorded_of(path, number, line) for number, line in read_lines(path))
    return {recorded.key: text_digest(recorded.reply) for recorded in found}


def text_digest(reply: LLMReply) -> str:
    """Return what two answers share if and only if they say the same."""
    return fingerprint(reply.text)


def known_keys(path: Path) -> set[str]:
    """Return the keys in a recording; empty if the file does not exist.

    :raises DatasetError: If the file is no recording.
    """
    return set(recorded_texts(path))
