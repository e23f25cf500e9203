"""The triplets of a system: one ``datasets.Dataset``, written shard by shard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import TripletBuilder
from hardneg_plugin.files import atomic_path
from hardneg_plugin.records import MiningExample

_LAST = "language"


def write_triplets(shards: Sequence[list[MiningExample]], folder: Path, *, language: bool = False) -> None:
    """Write the triplets of all shards; the same examples give the same bytes, and one shard at a time is in memory.

    :param shards: Examples behind the last stage.
    :param folder: An empty folder.
    :param language: Whether to write the language of each query.
    """
    write_rows(shards, folder, TripletBuilder(shape="n-tuple", language=language))


def write_rows(shards: Sequence[list[MiningExample]], output: Path, builder: TripletBuilder) -> int:
    """Write the rows of all shards, one shard at a time in memory; the same examples give the same bytes.

    :param shards: Examples behind the last stage.
    :param output: A file that ends in ``.jsonl`` or ``.parquet`` and appears whole or not at all, or a folder.
    :param builder: What makes rows of examples.
    :returns: Number of rows.
    """
    import pyarrow as pa
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    folder = output.suffix not in (".jsonl", ".parquet")
    output.mkdir(parents=True, exist_ok=True) if folder else output.parent.mkdir(parents=True, exist_ok=True)
    parts = output / ".shards" if folder else output.with_name(f".{output.name}.shards")
    # A run that was killed may have left its own.
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    try:
        mapped = [_open(path) for path in _write_parts(shards, parts, builder)]
        names = _columns(mapped)
        table = pa.concat_tables([_filled(part, names) for part in mapped])
        # The library's own fingerprint is drawn at random; it would be the only thing that differs between two runs.
        rows = Dataset(table.replace_schema_metadata(None), fingerprint=fingerprint(table.num_rows))
        rows.save_to_disk(output) if folder else write_file(rows, output)
        return int(table.num_rows)
    finally:
        shutil.rmtree(parts)


def write_file(rows: Any, file: Path) -> None:
    """Write a dataset as a file that appears whole or not at all.

    :param rows: A ``datasets.Dataset``.
    :param file: Ends in ``.jsonl`` or ``.parquet``.
    """
    with atomic_path(file) as partial:
        rows.to_parquet(partial) if file.suffix == ".parquet" else rows.to_json(partial, force_ascii=False)


def _write_parts(shards: Sequence[list[MiningExample]], folder: Path, builder: TripletBuilder) -> Iterator[Path]:
    import pyarrow as pa

    for number, examples in enumerate(shards):
        part = builder.run(examples=examples)["triplets"].data.table.combine_chunks()
        path = folder / f"part-{number:05}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, part.schema) as writer:
            writer.write_table(part)
        yield path


def _open(path: Path) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _columns(parts: Sequence[Any]) -> list[str]:
    """Return the columns of all shards: those of the widest, since a shard's number of negatives is its most."""
    widest = max(parts, key=lambda part: part.num_columns).column_names
    return [name for name in widest if name != _LAST] + [name for name in widest if name == _LAST]


def _filled(part: Any, names: Sequence[str]) -> Any:
    """Return a shard's rows in the columns of all; what its own rows have not is null."""
    import pyarrow as pa

    missing = pa.nulls(part.num_rows, pa.string())
    return pa.table({name: part.column(name) if name in part.column_names else missing for name in names})
