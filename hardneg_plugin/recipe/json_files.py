"""The JSON files of a run: written whole or not at all, and read only as they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardneg_plugin.checksums import is_sound_text, sealed, unsealed
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.files import write_atomically


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that appears whole or not at all."""
    write_text(path, json.dumps(sealed(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    write_atomically(path, text)


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file of the run.

    :param path: The file.
    :param keys: Keys that it has.
    :raises WorkspaceError: If it is missing or damaged.
    """
    try:
        value = unsealed(json.loads(path.read_text("utf-8")))
        if missing := [key for key in keys if key not in value]:
            msg = f"it has no {', '.join(missing)}"
            raise ValueError(msg)
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} is missing or damaged ({error}); remove it and start the run again"
        raise WorkspaceError(msg) from error
    return value


def written_text(path: Path) -> str:
    """Return the text of a file that a run wrote with its checksum.

    :raises WorkspaceError: If it cannot be read, or is not as it was written.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} is missing or damaged ({error}); hardneg run writes it again"
        raise WorkspaceError(msg) from error
    if not is_sound_text(text):
        msg = f"{path} is not as the run wrote it; hardneg run writes it again"
        raise WorkspaceError(msg)
    return text


def holds(path: Path, value: Mapping[str, Any]) -> bool:
    """Tell whether a JSON file of the run is there, sound, and holds this."""
    try:
        return read_json(path) == value
    except WorkspaceError:
        return False
