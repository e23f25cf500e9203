"""Write a run's manifest: versions, seeds, fingerprints, times, peak memory."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.run.memory_watch import MemoryWatch
from hardneg_plugin.run.workspace import Workspace, read_json, write_json

PACKAGES = (
    "hardneg",
    "bm25s",
    "datasets",
    "haystack-ai",
    "ir-measures",
    "numpy",
    "pyarrow",
    "sentence-transformers",
    "torch",
)

logger = logging.getLogger(__name__)


def package_versions() -> dict[str, str]:
    """Return package → version; one that is not installed as a distribution is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Manifest:
    """Collects the facts of this session and adds them to those of earlier sessions of the same run.

    :param workspace: The run folder.
    :param memory: What is watched of the memory of this process and its children.
    """

    def __init__(self, workspace: Workspace, memory: MemoryWatch) -> None:
        self._memory = memory
        self._file = workspace.manifest_file
        self._started = time.monotonic()
        self._session: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": {}}
        self.facts: dict[str, Any] = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the wall time of a block."""
        started = time.monotonic()
        yield
        self._session["seconds"][what] = round(time.monotonic() - started, 3)

    def asked(self, usage: Mapping[str, Any]) -> None:
        """Add what this session asked of language models, task by task."""
        if usage:
            self._session["llm"] = dict(usage)

    def write(self) -> None:
        """Write the manifest."""
        session = {
            **self._session,
            "total_seconds": round(time.monotonic() - self._started, 3),
            "peak_memory_bytes": self._memory.peak_resident,
            "memory": self._memory.facts(),
        }
        write_json(self._file, {"versions": package_versions(), **self.facts, "sessions": [*self._earlier(), session]})

    def _earlier(self) -> list[Any]:
        """Return the sessions so far; a manifest that cannot be read is kept beside the new one."""
        if not self._file.is_file():
            return []
        try:
            sessions: list[Any] = read_json(self._file, "sessions")["sessions"]
        except WorkspaceError:
            aside = self._file.replace(self._file.with_suffix(".damaged.json"))
            logger.warning("%s is damaged; it is kept as %s, and the sessions are counted anew", self._file, aside.name)
            return []
        return sessions
