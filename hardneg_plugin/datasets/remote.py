"""Files on any file system that fsspec knows (``s3://``, ``zip://``, ``memory://`` …), read from copies in the cache.

Names of members and keys are not to be trusted: one that leads out of the folder that is copied into is refused, and so
are links, before anything is written.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import build_entry, cache_root, fingerprint
from hardneg_plugin.datasets.limits import MAX_UNPACKED_BYTES, check_total, unpacked_limit
from hardneg_plugin.errors import DatasetError, HardnegError
from hardneg_plugin.files import free_disk

_KIND = "web"
# One letter is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What file systems call a change: the first that one tells stands for the content, beside the size.
_CHANGES = ("ETag", "etag", "md5Hash", "version_id", "LastModified", "last_modified", "mtime", "updated", "created")
_MOST_FILES = 100_000


def is_remote(path: str) -> bool:
    """Tell whether a path names its file system, as ``s3://bucket/folder`` does."""
    return _SCHEME.match(path) is not None


def local_copy(url: str, *, fetch: bool = True, max_bytes: int | None = None) -> Path:
    """Return a copy in the cache, made once for as long as size and time of change of all files stay the same.

    :param url: A file or a folder; one of ``file://`` is read where it is.
    :param fetch: Whether its file system may be asked, and the copy be written.
    :param max_bytes: Most bytes of the copy; None takes the default.
    :raises DatasetError: If it does not exist, cannot be read, its file system needs a package that is missing, a name
        or link in it leads elsewhere, it is larger than allowed, or it may not be fetched.
    """
    import fsspec

    if url.startswith("file://"):
        return Path(fsspec.core.strip_protocol(url))
    if not fetch:
        msg = f"{url} is on another file system, which is not asked here"
        raise DatasetError(msg)
    try:
        system, path = fsspec.core.url_to_fs(url)
        files: dict[str, dict[str, Any]] = system.find(path, detail=True)
        if not files:
            msg = f"{url}: no such file or folder"
            raise DatasetError(msg)
        name = _last_name(url, path)
        inside = _safe_places(url, path, files)
        limit = _check_size(url, files, max_bytes)
        facts = [[inside[file], files[file].get("size"), _change(files[file])] for file in inside]

        def download(folder: Path) -> None:
            counted = _counted(url, limit)
            for file, location in inside.items():
                target = folder / name / location if location else folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(file, str(target), callback=counted)

        return build_entry(_KIND, fingerprint([url, facts]), download) / str(name)
    except HardnegError:
        raise
    except Exception as error:
        # A damaged archive or an odd server raises whatever its library meets first.
        msg = f"{url}: cannot be read: {error or type(error).__name__}"
        raise DatasetError(msg) from error


def _last_name(url: str, path: str) -> str:
    name = path.rstrip("/").rpartition("/")[2]
    if name and _unsafe(name):
        msg = f"{url}: {name!r} is no name of a file or folder"
        raise DatasetError(msg)
    return name


def _safe_places(url: str, path: str, files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return file → place below the folder that is copied into, which it cannot leave.

    :raises DatasetError: With the first name that leads elsewhere, is there twice, or is a link.
    """
    if len(files) > _MOST_FILES:
        msg = f"{url}: {len(files):,} files, more than {_MOST_FILES:,}"
        raise DatasetError(msg)
    base, locations = path.rstrip("/"), {}
    for file in sorted(files):
        location = file[len(base) :]
        location = location.removeprefix("/") if base else location
        if (location or file != base) and _unsafe(location):
            msg = f"{url}: {file!r} leads out of the folder, or is no plain name; nothing was written"
            raise DatasetError(msg)
        if _is_link(files[file]):
            msg = f"{url}: {file!r} is a link or a special file, which is not followed; nothing was written"
            raise DatasetError(msg)
        locations[file] = location
    folders = {
        "/".join(location.split("/")[:depth])
        for location in locations.values()
        for depth in range(1, location.count("/") + 1)
    }
    if twice := sorted(folders & set(locations.values())):
        msg = f"{url}: {twice[0]!r} is a file and a folder; nothing was written"
        raise DatasetError(msg)
    return locations


def _unsafe(location: str) -> bool:
    """Tell whether a relative name could lead elsewhere, on any system: ``..``, a root, a drive, a backslash."""
    parts = location.split("/")
    return any(part in ("", ".", "..") for part in parts) or any(sign in location for sign in ("\\", "\x00", ":"))


def _is_link(facts: Mapping[str, Any]) -> bool:
    # Zip keeps a file's mode in the upper half of its attributes; tar names what a link points to.
    mode = int(facts.get("external_attr") or 0) >> 16
    special = bool(stat.S_IFMT(mode)) and not stat.S_ISREG(mode)
    return special or bool(facts.get("linkname") or facts.get("islink")) or facts.get("type") not in ("file", None)


def _check_size(url: str, files: Mapping[str, Mapping[str, Any]], max_bytes: int | None) -> int:
    """Check the sizes that a file system tells, before anything is written; return the most bytes of the copy."""
    total = sum(int(facts.get("size") or 0) for facts in files.values())
    packed = [facts["compress_size"] for facts in files.values() if facts.get("compress_size") is not None]
    limit = max_bytes or (unpacked_limit(sum(packed)) if len(packed) == len(files) else MAX_UNPACKED_BYTES)
    check_total(url, total, limit)
    root = cache_root()
    free = free_disk(root)
    if total > free:
        msg = f"{url}: {total:,} bytes, and the cache folder {root} has room for {free:,}"
        raise DatasetError(msg)
    return limit


def _counted(url: str, limit: int) -> Any:
    """Return what fsspec tells of bytes that come; it stops a file that is larger than it said."""
    from fsspec.callbacks import Callback

    class Counted(Callback):  # type: ignore[misc]
        total = 0

        def relative_update(self, inc: int = 1) -> None:
            self.total += inc
            check_total(url, self.total, limit)

    return Counted()


def _change(facts: dict[str, Any]) -> str:
    return next((str(facts[name]) for name in _CHANGES if facts.get(name) is not None), "")
