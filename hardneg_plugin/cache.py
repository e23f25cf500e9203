"""The cache folder and the fingerprints that key it.

Everything that can be computed again (corpora in Arrow, indexes, embeddings) lies under one folder, in entries that are
named by a hash of what went into them. An entry is built beside its place and renamed into it, so one that exists is
whole; its checksums tell whether it still is when it is used, and one that is damaged is built again. The answers of
language models lie beside them in one file; they may have cost hours.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from hardneg_plugin.checksums import SEAL, folder_fault, seal_folder
from hardneg_plugin.errors import CacheError
from hardneg_plugin.outputs import MARK, mark_written, remove_empty, remove_written

CACHE_VARIABLE = "HARDNEG_CACHE"
LLM = "llm"
"""Kind of the answers of language models."""
LLM_CACHE = "llm-cache.sqlite"
"""File of the answers, in the cache folder itself; they are shown, and removed only when asked for by their kind."""
KINDS = (
    "bm25",
    "clusters",
    "corpus",
    "corpus-meta",
    "dense-index",
    "embeddings",
    "equal-texts",
    "levelled",
    "pieces",
    "retrieved",
    "sources",
    "tokenizers",
    "web",
)
"""Folders of the cache; only what lies in them and has a name of ours is ever shown or removed."""
_BUILDING = ".building-"
# Files of an entry without a mark, such as one of vectors, which is written shard by shard.
_FILE = re.compile(r"[A-Za-z0-9_-]+\.(npy|arrow|json|lock)|\.[^/]+\.partial")
# A hash, a memo about one, or what a killed build left of either.
_OURS = re.compile(r"[0-9a-f]{16,64}(\.json)?|\.[0-9a-f]{16,64}\.json\.\w+\.partial|\.building-\w+")

logger = logging.getLogger(__name__)


def cache_root() -> Path:
    """Return the cache folder: ``HARDNEG_CACHE``, else ``hardneg`` in the user's cache folder (XDG)."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return Path(configured).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hardneg"


def refuse_links(position: Path) -> None:
    """Refuse to write to a place in the cache that a link leads to elsewhere; the cache folder itself may be one.

    :raises CacheError: With the link.
    """
    root = cache_root()
    for path in (position, *position.parents):
        if path == root:
            return
        if path.is_symlink():
            msg = f"{path} is a link, and hardneg writes through none in its cache; remove it, or set {CACHE_VARIABLE}"
            raise CacheError(msg)


def fingerprint(value: object) -> str:
    """Return 16 hex digits that depend on a JSON-able value alone.

    :param value: Anything ``json.dumps`` takes; the order of mapping keys does not matter.
    :raises TypeError: If the value holds something JSON cannot express.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def entry_path(kind: str, key: str) -> Path:
    """Return the place of an entry, whether it exists or not."""
    return cache_root() / kind / key


def build_entry(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of an entry; build it first where it is missing or damaged.

    :param kind: Folder of the entry, such as ``bm25``.
    :param key: Name of the entry: a fingerprint of all that goes into it.
    :param build: Fills the empty folder that it is given.
    """
    position = entry_path(kind, key)
    if is_sound(position):
        return position
    with staging_folder(kind) as staged:
        build(staged)
        return publish(staged, position)


def is_sound(position: Path) -> bool:
    """Tell whether an entry is there and as it was built; one that is damaged is removed, which is said."""
    if not position.is_dir():
        return False
    if not folder_fault(position):
        return True
    try:
        # Another process may have come first, and its entry is sound.
        with FileLock(position.parent / f".building-{position.name}") as lock:
            if fault := folder_fault(position):
                logger.warning("damaged entry of the cache, which is made again: %s", fault)
                # Renamed first: half of an entry must never lie in its place.
                gone = position.rename(position.parent / f".building-{position.name}_{os.getpid()}")
                shutil.rmtree(gone)
            Path(lock.lock_file).unlink(missing_ok=True)
    except OSError as error:
        remedy = f"remove it, or set {CACHE_VARIABLE} to another folder"
        msg = f"{position} is damaged and cannot be removed: {error}; {remedy}"
        raise CacheError(msg) from error
    return position.is_dir()


class staging_folder:  # noqa: N801 - reads as a function at the call
    """Context manager: a fresh folder inside the cache that is removed afterwards unless it was published.

    :param kind: Folder of the entry that is being built; the same file system, so that publishing is one rename.
    """

    def __init__(self, kind: str) -> None:
        self._parent = cache_root() / kind

    def __enter__(self) -> Path:
        refuse_links(self._parent)
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=self._parent))
        except OSError as error:
            msg = f"cannot write the cache folder {self._parent}: {error}; set {CACHE_VARIABLE} to a writable folder"
            raise CacheError(msg) from error
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def publish(staged: Path, position: Path) -> Path:
    """Rename a finished folder to its place; where another process was faster, keep what that one built."""
    if is_sound(position):
        return position
    seal_folder(staged)
    mark_written(staged)
    try:
        staged.rename(position)
    except OSError:
        if not position.is_dir():
            raise
    else:
        position.chmod(0o755)
    return position


class CacheEntry(NamedTuple):
    """One entry of the cache, for showing and clearing."""

    kind: str
    key: str
    size: int
    path: Path


def entries() -> Iterator[CacheEntry]:
    """Yield what can be computed again, by kind and key, with its size in bytes without the checksums.

    What others put there is left out.
    """
    root = cache_root()
    for kind in KINDS:
        for path in sorted((root / kind).glob("*")):
            if not _OURS.fullmatch(path.name) or path.is_symlink() or path.parent.is_symlink():
                continue
            yield CacheEntry(kind, path.name, _size(path), path)


def answers() -> Iterator[CacheEntry]:
    """Yield the files of the answers of language models: SQLite's own, and its log while a run is on or was killed."""
    for suffix in ("", "-shm", "-wal"):
        path = cache_root() / f"{LLM_CACHE}{suffix}"
        if path.is_file() and not path.is_symlink():
            yield CacheEntry(LLM, path.name, path.stat().st_size, path)


def clear(kind: str | None = None) -> int:
    """Remove the entries of one kind; return the number of bytes freed.

    Files that hardneg did not write stay, and so do folders that links lead to.

    :param kind: Kind of the entries; None removes all but the answers of language models, which only ``llm`` removes.
    """
    chosen = answers() if kind == LLM else (entry for entry in entries() if kind in (None, entry.kind))
    freed = 0
    for entry in list(chosen):
        _remove(entry.path)
        freed += entry.size - _size(entry.path)
    return freed


def _remove(path: Path) -> None:
    """Remove a file, or what hardneg wrote into a folder: what others put there stays, and the folder with it."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
    elif path.name.startswith(_BUILDING):
        shutil.rmtree(path)
    else:
        remove_written(path)
        for file in path.glob("*"):
            if _FILE.fullmatch(file.name) and file.is_file():
                file.unlink()
        remove_empty(path)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file() and file.name not in (MARK, SEAL))
