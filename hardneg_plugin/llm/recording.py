"""Recorded answers: JSON lines that replay an experiment without its language model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.errors import DatasetError
from hardneg_plugin.llm.request import LLMReply, LLMRequest

_KEYS = ("key", "request", "reply")


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


def known_keys(path: Path) -> set[str]:
    """Return the keys in a recording; none where there is no such file.

    :raises DatasetError: If the file is no recording.
    """
    if not path.exists():
        return set()
    return {recorded_of(path, number, line).key for number, line in read_lines(path)}
