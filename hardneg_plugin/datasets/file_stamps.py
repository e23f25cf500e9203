"""Content of the files of a dataset, as a hash: what tells a changed file, whatever its size and its times say."""

from __future__ import annotations

import json
import time
from pathlib import Path

from hardneg_plugin.cache import entry_path, fingerprint, refuse_links
from hardneg_plugin.checksums import file_digest, sealed, unsealed
from hardneg_plugin.errors import CacheError, StorageError
from hardneg_plugin.files import write_atomically

_KIND = "sources"
# Up to here reading a file again takes less than a tenth of a second.
_LARGE = 1 << 26
# File systems count time in steps of up to two seconds: within one, a file may change and keep its times.
_STEP = 2_000_000_000


def content_stamp(path: Path) -> str:
    """Return a hash of a file's content.

    That of a large file is kept with its size, its number and its times, the time of the last change to any of these
    among them, which no program can set. It is taken from there as long as they stay the same, unless the file was
    written just before it was hashed.

    :param path: The file.
    """
    if path.stat().st_size <= _LARGE:
        return file_digest(path)
    memo = entry_path(_KIND, fingerprint(["file", str(path.resolve())])).with_suffix(".json")
    known, taken = _facts(path), time.time_ns()
    kept = _kept(memo, known)
    if kept is not None:
        return kept
    digest = file_digest(path)
    if max(known[-2:]) + _STEP < taken:
        _keep(memo, {"file": known, "digest": digest})
    return digest


def _facts(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _kept(memo: Path, known: list[int]) -> str | None:
    try:
        facts = unsealed(json.loads(memo.read_text("utf-8")))
        return str(facts["digest"]) if facts["file"] == known else None
    except (OSError, ValueError, KeyError, RecursionError):
        return None


def _keep(memo: Path, facts: dict[str, object]) -> None:
    try:
        refuse_links(memo)
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memo, json.dumps(sealed(facts)))
    except (OSError, StorageError, CacheError):
        # It only saves time; whoever writes the corpus says that the cache cannot be written.
        return
