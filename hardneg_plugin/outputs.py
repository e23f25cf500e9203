"""Outputs: what hardneg wrote may be replaced when that is asked for; what others wrote is never removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hardneg_plugin.errors import StorageError
from hardneg_plugin.files import cannot_write, partial_name, write_atomically

MARK = ".hardneg-files"
"""File in a folder that hardneg wrote as a whole; it names all files of the folder."""
_SHOWN = 3


def check_output(path: Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> None:
    """Check before the work that an output can be written, and that nothing is lost by it.

    :param path: A file or folder to be written.
    :param overwrite: Whether a file, or a folder that hardneg wrote, may be replaced.
    :param inputs: What is read: none of it may be replaced.
    :raises StorageError: If it is there already and must stay, holds what others wrote, or cannot be written.
    """
    for source in inputs:
        if _same(path, Path(source)):
            msg = f"{path} is what is read; name another output"
            raise StorageError(msg)
    try:
        _check_place(path, overwrite)
    except StorageError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
    _check_parent(path)


def _check_place(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        _check_folder(path, overwrite)
    elif path.is_file() and not overwrite:
        msg = f"{path} is there already; name another file, or give --overwrite to replace it"
        raise StorageError(msg)
    elif path.exists() and not path.is_file():
        msg = f"{path} is neither a file nor a folder; name another output"
        raise StorageError(msg)


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except (OSError, ValueError):
        return False


def _check_folder(path: Path, overwrite: bool) -> None:
    if not any(path.iterdir()):
        return
    foreign = foreign_files(path)
    if foreign:
        names = ", ".join(foreign[:_SHOWN]) + (" …" if len(foreign) > _SHOWN else "")
        msg = f"{path} holds what hardneg did not write ({names}); name another folder"
        raise StorageError(msg)
    if not overwrite:
        msg = f"{path} is there already; name another folder, or give --overwrite to replace it"
        raise StorageError(msg)


def _check_parent(path: Path) -> None:
    """Check that the folder of an output can be written: by making it, and a file in it that goes at once."""
    probe = partial_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        probe.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def mark_written(folder: Path) -> None:
    """Write down the files of a folder that is finished, so that a later call may replace it.

    :param folder: A folder with nothing in it but what hardneg wrote.
    """
    _mark(folder, set(_files(folder)) - {MARK})


def _mark(folder: Path, names: Iterable[str]) -> None:
    names = sorted(names)
    write_atomically(folder / MARK, json.dumps({"files": names}, ensure_ascii=True, indent=1) + "\n")


def write_marked(folder: Path, name: str, content: str) -> None:
    """Write one file into a folder that may hold files of others, and add its name to the folder's mark.

    :param folder: The folder; made where it is missing.
    :param name: Name of the file below it, with slashes.
    :param content: The text.
    :raises StorageError: If a file of that name is there that hardneg did not write, or it cannot be written.
    """
    refuse_foreign(folder, [name])
    try:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder / name, error) from error
    write_atomically(folder / name, content)
    known = _written(folder) or []
    if name not in known:
        _mark(folder, [*known, name])


def refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Refuse to write files where others stand.

    :raises StorageError: With the first that is there and that the folder's mark does not name.
    """
    known = _written(folder) or []
    for name in names:
        position = folder / name
        if (position.exists() or position.is_symlink()) and (name not in known or position.is_symlink()):
            msg = f"{position} is there already, and hardneg did not write it; move it, or name another folder"
            raise StorageError(msg)


def foreign_files(folder: Path) -> list[str]:
    """Return the files of a folder that hardneg did not write, links included; all where it has no mark of ours."""
    known = _written(folder)
    written = set() if known is None else {*known, MARK}
    return [name for name in _files(folder) if name not in written or (folder / name).is_symlink()]


def remove_written(folder: Path) -> None:
    """Remove the files of a folder that its mark names, the mark, and folders that are empty then; no others.

    :param folder: A folder; a link is left alone, and so is one without a mark.
    """
    written = None if folder.is_symlink() else _written(folder)
    if written is None:
        return
    for name in (*written, MARK):
        file = folder / name
        if _inside(folder, name) and not file.is_dir():
            file.unlink(missing_ok=True)
    remove_empty(folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder and those in it as far as nothing is in them; links are not followed."""
    for parent, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(parent).rmdir()


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill; it takes its place, with a mark, when the block ends, and goes if that fails.

    :param path: The folder.
    :param overwrite: Whether one that hardneg wrote may be replaced.
    :raises StorageError: As :func:`check_output`.
    """
    check_output(path, overwrite=overwrite)
    partial = partial_name(path)
    try:
        partial.mkdir()
        yield partial
        mark_written(partial)
        if path.is_dir():
            remove_written(path)
        partial.rename(path)
    except StorageError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    """Return the names of all files and links below a folder, without following links."""
    found = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        found += [(Path(parent) / name).relative_to(folder).as_posix() for name in (*files, *links)]
    return sorted(found)


def _written(folder: Path) -> list[str] | None:
    mark = folder / MARK
    if mark.is_symlink() or not mark.is_file():
        return None
    try:
        names = json.loads(mark.read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _inside(folder: Path, name: str) -> bool:
    """Tell whether a name of a mark is of this folder: a mark that came from elsewhere may name anything."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return False
    return (folder / name).parent.resolve().is_relative_to(folder.resolve())
