"""The one way to write a file: whole or not at all, never through a link."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hardneg_plugin.errors import StorageError

PARTIAL = ".partial"
"""Ending of files and folders that are being written; a killed process may leave one behind."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def free_disk(folder: Path) -> int:
    """Return the bytes that are free where a folder lies, or will lie."""
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give the name of a new, empty file to write; it takes its place when the block ends, and goes if that fails.

    The name is drawn anew and the file is created by this call, so a link that lies in wait is not followed. A link in
    the place itself is replaced, and what it points to stays as it is.

    :param path: The file; its folder must exist.
    :raises StorageError: If it cannot be written.
    """
    path = Path(path)
    partial = partial_name(path)
    try:
        os.close(os.open(partial, _NEW, 0o666))
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105 - the atomic one, by its name
    except StorageError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a file that appears whole or not at all.

    :param path: The file; its folder must exist.
    :param content: Bytes, or text that is written as UTF-8 with its ends of lines as they are.
    :raises StorageError: If it cannot be written.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def partial_name(path: Path) -> Path:
    """Return a name beside a path that nothing has, for a file or folder while it is being written."""
    # A name has no more than 255 bytes.
    start = os.fsencode(path.name)[:200].decode("utf-8", "ignore")
    return path.with_name(f".{start}.{secrets.token_hex(4)}{PARTIAL}")


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Return the error of a place that cannot be written, with the system's reason."""
    reason = error.strerror or str(error)
    return StorageError(f"cannot write {path}: {reason}; what was finished before is kept")
