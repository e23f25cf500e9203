"""The marker of a run folder: what tells it from any other folder, and by which rules its parts are told apart."""

from __future__ import annotations

import re
from pathlib import Path

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.files import PARTIAL, write_atomically

MARKER = ".hardneg-run"
LAYOUT = 2
"""Number of the layout of run folders and of what their fingerprints mean, which the marker holds."""


def mark_layout(folder: Path) -> None:
    """Mark a folder as a run folder of today's layout."""
    write_atomically(folder / MARKER, f"{LAYOUT}\n")


def is_half_marked(path: Path) -> bool:
    """Tell whether a file is what a run leaves that was killed while it marked its folder."""
    return re.fullmatch(rf"\.{re.escape(MARKER)}\.[0-9a-f]+{re.escape(PARTIAL)}", path.name) is not None


def check_layout(folder: Path) -> None:
    """Check that a run folder is of today's layout; one without a marker is not looked at.

    :raises WorkspaceError: If another version made it, whose fingerprints mean something else.
    """
    marker = folder / MARKER
    if not marker.is_file():
        return
    # The first layout had an empty marker.
    found = marker.read_bytes().decode("utf-8", "replace").strip() or "1"
    if found != str(LAYOUT):
        made = f"another version of hardneg made the folder (layout {found}, expected {LAYOUT})"
        fault = made if found.isdecimal() else f"it is damaged: expected the layout {LAYOUT}, got {found!r:.40}"
        msg = f"{marker}: {fault}; --if-exists overwrite starts it anew, --set name=… makes another run folder"
        raise WorkspaceError(msg)


def run_of(source: Path) -> tuple[Path, tuple[str, int] | None] | None:
    """Return the run folder that a path is, or lies in as the folder of a system's seed; None where it is neither.

    :param source: ``runs/NAME`` or ``runs/NAME/systems/SYSTEM/seed-N``.
    :returns: The run folder, and the system and seed if the path names them.
    """
    if (source / MARKER).is_file():
        return source, None
    parents = source.absolute().parents
    if len(parents) < 3 or not (parents[2] / MARKER).is_file() or not source.name.startswith("seed-"):
        return None
    return parents[2], (parents[0].name, int(source.name.removeprefix("seed-")))
