"""The marker of a run folder: what tells it from any other folder, and by which rules its parts are told apart."""

from __future__ import annotations

from pathlib import Path

from hardneg_plugin.errors import WorkspaceError

MARKER = ".hardneg-run"
LAYOUT = 2
"""Number of the layout of run folders and of what their fingerprints mean, which the marker holds."""


def mark_layout(folder: Path) -> None:
    """Mark a folder as a run folder of today's layout."""
    partial = folder / f"{MARKER}.partial"
    partial.write_text(f"{LAYOUT}\n", "utf-8")
    partial.replace(folder / MARKER)


def check_layout(folder: Path) -> None:
    """Check that a run folder is of today's layout; one without a marker is not looked at.

    :raises WorkspaceError: If another version made it, with fingerprints of another meaning, or its marker is damaged.
    """
    marker = folder / MARKER
    if not marker.is_file():
        return
    # The first layout had an empty marker.
    found = marker.read_text("utf-8", "replace").strip() or "1"
    if not found.isdecimal():
        remedy = "--if-exists overwrite starts the run anew"
        msg = f"{marker} is damaged: expected the layout, {LAYOUT}, got {found[:20]!r}; {remedy}"
        raise WorkspaceError(msg)
    if found != str(LAYOUT):
        msg = (
            f"{folder} was made by another version of hardneg (layout {found}, expected {LAYOUT}); "
            f"--if-exists overwrite starts it anew, --set name=… makes another run folder; {MARKER} holds the layout"
        )
        raise WorkspaceError(msg)
