"""Files on any file system that fsspec knows (``s3://``, ``gs://``, ``memory://`` …), read from copies in the cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import DatasetError

_KIND = "web"
# One letter is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What file systems call a change: the first that one tells stands for the content, beside the size.
_CHANGES = ("ETag", "etag", "md5Hash", "version_id", "LastModified", "last_modified", "mtime", "updated", "created")


def is_remote(path: str) -> bool:
    """Tell whether a path names its file system, as ``s3://bucket/folder`` does."""
    return _SCHEME.match(path) is not None


def local_copy(url: str) -> Path:
    """Return a copy in the cache, made once for as long as size and time of change of all files stay the same.

    :param url: A file or a folder; one of ``file://`` is read where it is.
    :raises DatasetError: If it does not exist, cannot be read, or its file system needs a package that is missing.
    """
    import fsspec

    if url.startswith("file://"):
        return Path(fsspec.core.strip_protocol(url))
    try:
        system, path = fsspec.core.url_to_fs(url)
        files: dict[str, dict[str, Any]] = system.find(path, detail=True)
        if not files:
            msg = f"{url}: no such file or folder"
            raise DatasetError(msg)
        name = path.rstrip("/").rpartition("/")[2]
        inside = {file: file[len(path.rstrip("/")) :].lstrip("/") for file in sorted(files)}
        facts = [[inside[file], files[file].get("size"), _change(files[file])] for file in inside]

        def download(folder: Path) -> None:
            for file, location in inside.items():
                target = folder / name / location if location else folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(file, str(target))

        return build_entry(_KIND, fingerprint([url, facts]), download) / str(name)
    except (OSError, ImportError, ValueError) as error:
        msg = f"{url}: cannot be read: {error}"
        raise DatasetError(msg) from error


def _change(facts: dict[str, Any]) -> str:
    return next((str(facts[name]) for name in _CHANGES if facts.get(name) is not None), "")
