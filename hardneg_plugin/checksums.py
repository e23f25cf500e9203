"""Checksums of what is stored, so that a flipped bit or a cut file is noticed before anything is made of it.

A folder has those of its files in :data:`SEAL`. A file that is written by itself carries its own: JSON as a key, text
as a last comment, Parquet among its metadata, an array behind its values. What was written before there were any has
none, and is read as it is. A process reads a file for this once, for as long as it stays the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xxhash

SEAL = ".checksums"
"""File of a folder that holds the checksums of the others; hidden, so that no reader takes it for data."""
KEY = "checksum"
"""Key of JSON, and of the metadata of Parquet."""
_COMMENT = f"# {KEY}: "
_BLOCK = 1 << 22
_MAGIC = b"\x00hnxxh3\x00"
TRAILER = len(_MAGIC) + 16
"""Bytes of a checksum behind an array."""
_BLANK = "0" * 32
_METADATA = f"hardneg.{KEY}"
# Files that were found sound by this process, as they were then.
_sound: set[tuple[object, ...]] = set()

Sums = dict[str, list[Any]]


def sums_of(folder: Path, chosen: Callable[[Path], bool] = lambda _: True) -> Sums:
    """Return path in the folder → size and checksum, of all files but the seal.

    :param folder: The folder.
    :param chosen: Tells which files count.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL and chosen(path))
    return {path.relative_to(folder).as_posix(): _sum_of(path) for path in files}


def fault_of(folder: Path, sums: Mapping[str, Any]) -> str:
    """Return the first of some files that is not as its checksums say, and in what; empty where all are.

    :param folder: The folder.
    :param sums: What :func:`sums_of` returned.
    """
    for name, (size, digest) in sums.items():
        path = folder / name
        try:
            stamp = _stamp(path)
            if stamp in _sound:
                continue
            if path.stat().st_size != size:
                return f"{path} has {path.stat().st_size:,} bytes, and {size:,} were written"
            if _sum_of(path) != [size, digest]:
                return f"{path} does not hold what was written"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
        _sound.add(stamp)
    return ""


def file_digest(path: Path) -> str:
    """Return the checksum of a file."""
    return _digest_of_file(path, path.stat().st_size).hex()


def seal_folder(folder: Path, chosen: Callable[[Path], bool] = lambda _: True) -> None:
    """Write the checksums of a folder's files into it."""
    partial = folder / f"{SEAL}.partial"
    partial.unlink(missing_ok=True)
    partial.write_text(json.dumps(sealed({"files": sums_of(folder, chosen)})), "utf-8")
    partial.replace(folder / SEAL)


def folder_fault(folder: Path) -> str:
    """Return in what a sealed folder is damaged, naming the file; empty where it is sound, or was never sealed."""
    try:
        seal = unsealed(json.loads((folder / SEAL).read_text("utf-8")))
        return fault_of(folder, seal["files"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{folder / SEAL} cannot be read: {error}"


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its checksum as its last key."""
    return {**value, KEY: _digest_of_json(value)}


def unsealed(value: Any) -> dict[str, Any]:
    """Return a JSON object without its checksum.

    :param value: What ``json.loads`` returned.
    :raises ValueError: If it is no object, or not the one that was written.
    """
    if not isinstance(value, dict):
        msg = f"expected a JSON object, got {type(value).__name__}"
        raise ValueError(msg)
    content = {key: entry for key, entry in value.items() if key != KEY}
    if KEY in value and value[KEY] != _digest_of_json(content):
        msg = "its content is not what was written"
        raise ValueError(msg)
    return content


def sealed_text(text: str) -> str:
    """Return text whose comments begin with ``#`` with its checksum as a last comment."""
    return f"{text}{_COMMENT}{_digest(text.encode('utf-8', 'surrogatepass'))}\n"


def is_sound_text(text: str) -> bool:
    """Tell whether text is what :func:`sealed_text` was given, or has no checksum."""
    content, mark, digest = text.rpartition(_COMMENT)
    return not mark or digest.strip() == _digest(content.encode("utf-8", "surrogatepass"))


def append_checksum(path: Path) -> None:
    """Put a file's checksum behind its end, where readers of arrays do not look, and both on disk."""
    digest = _digest_of_file(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(_MAGIC + digest)
        file.flush()
        os.fsync(file.fileno())


def array_checksum(path: Path) -> bool | None:
    """Tell whether a file is as it was when its checksum was put behind it; None where it has none.

    :raises OSError: If it cannot be read.
    """
    stamp = _stamp(path)
    if stamp in _sound:
        return True
    size = path.stat().st_size - TRAILER
    if size < 0:
        return None
    with path.open("rb") as file:
        file.seek(size)
        trailer = file.read(TRAILER)
    if not trailer.startswith(_MAGIC):
        return None
    if trailer != _MAGIC + _digest_of_file(path, size):
        return False
    _sound.add(stamp)
    return True


def parquet_metadata() -> dict[str, str]:
    """Return the room for a checksum among the metadata of a Parquet file that is still to be written."""
    return {_METADATA: _BLANK}


def seal_parquet(path: Path) -> None:
    """Write the checksum of a Parquet file into the room that :func:`parquet_metadata` made."""
    content = path.read_bytes()
    position = _place(content)
    with path.open("r+b") as file:
        file.seek(position)
        file.write(_digest(content).encode())


def parquet_checksum(content: bytes) -> bool | None:
    """Tell whether a Parquet file is as it was written; None where it has no checksum.

    :param content: The whole file.
    """
    position = _place(content)
    if position < 0:
        return None
    blank = b"".join((content[:position], _BLANK.encode(), content[position + len(_BLANK) :]))
    return content[position : position + len(_BLANK)] == _digest(blank).encode()


def forget() -> None:
    """Read every file again when it is asked for next."""
    _sound.clear()


def _place(content: bytes) -> int:
    """Return where in a Parquet file its checksum stands; -1 where it has none."""
    key = content.rfind(_METADATA.encode())
    # Between key and value stand a few bytes of Thrift: the type of a field and a length.
    found = content.find(b"\x18\x20", key + len(_METADATA), key + len(_METADATA) + 8) if key >= 0 else -1
    return found + 2 if found >= 0 else -1


def _digest(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def _digest_of_json(value: Mapping[str, Any]) -> str:
    # As it is read back: keys that are no texts become such, and tuples lists.
    plain = json.loads(json.dumps(value))
    return _digest(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def _sum_of(path: Path) -> list[Any]:
    return [path.stat().st_size, file_digest(path)]


def _stamp(path: Path) -> tuple[object, ...]:
    stat = path.stat()
    return str(path), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _digest_of_file(path: Path, size: int) -> bytes:
    # Into one buffer: pages of a map would count as memory of the process.
    digest, buffer = xxhash.xxh3_128(), memoryview(bytearray(min(_BLOCK, size)))
    with path.open("rb", buffering=0) as file:
        while size > 0 and (count := file.readinto(buffer[:size])):
            digest.update(buffer[:count])
            size -= count
    return digest.digest()
