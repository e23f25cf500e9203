"""The first rows of a part, read from the hub as a stream: a few megabytes of a file that may have many gigabytes."""

from __future__ import annotations

import gzip
import posixpath
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import build_entry, entry_path, fingerprint
from hardneg_plugin.datasets.hub.catalogue import HubPart

_KIND = "web"
_BATCH = 1024


def head_file(part: HubPart) -> Path:
    """Return where the first rows of a part are kept, whether they are there or not."""
    return entry_path(_KIND, _key(part)) / _name(part)


def fetch_head(part: HubPart) -> Path:
    """Return a file with the first rows of a part, in the form of its files; nothing beyond them is read.

    :param part: A part with ``head``.
    :raises OSError: If the hub cannot be reached or has no such file; the errors of ``huggingface_hub`` are such.
    """

    def build(folder: Path) -> None:
        write = _write_parquet if _name(part).endswith(".parquet") else _write_lines
        write(part, folder / _name(part))

    return build_entry(_KIND, _key(part), build) / _name(part)


def _key(part: HubPart) -> str:
    return fingerprint([part.repo, part.revision, part.files, part.head])


def _name(part: HubPart) -> str:
    return posixpath.basename(part.files).replace("*", "head")


def _remote(part: HubPart) -> Iterator[Any]:
    """Yield the files of a part, open, one after the other."""
    from huggingface_hub import HfFileSystem

    hub = HfFileSystem(skip_instance_cache=True)
    found = sorted(hub.glob(f"datasets/{part.repo}@{part.revision}/{part.files}"))
    if not found:
        msg = f"{part.repo}@{part.revision} holds no file {part.files}"
        raise FileNotFoundError(msg)
    for path in found:
        with hub.open(path, "rb") as file:
            yield file


def _write_parquet(part: HubPart, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert part.head is not None
    batches: list[Any] = []
    for file in _remote(part):
        for batch in pq.ParquetFile(file).iter_batches(min(_BATCH, part.head)):
            batches.append(batch)
            if sum(map(len, batches)) >= part.head:
                break
        if sum(map(len, batches)) >= part.head:
            break
    pq.write_table(pa.Table.from_batches(batches).slice(0, part.head), target)


def _write_lines(part: HubPart, target: Path) -> None:
    opened = gzip.GzipFile if target.suffix == ".gz" else None

    def lines() -> Iterator[bytes]:
        for file in _remote(part):
            yield from opened(fileobj=file) if opened else file

    with target.open("wb") as raw, opened(fileobj=raw, mode="wb") if opened else nullcontext(raw) as written:
        written.writelines(islice(lines(), part.head))
