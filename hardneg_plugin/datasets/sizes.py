"""Estimate the size of a dataset without importing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hardneg_plugin.datasets.files import find_file
from hardneg_plugin.datasets.hub import hub_entry, hub_names
from hardneg_plugin.datasets.hub.catalogue import Entry
from hardneg_plugin.datasets.remote import is_remote, local_copy
from hardneg_plugin.datasets.spec import UNION, Spec, parse_spec
from hardneg_plugin.errors import DatasetError

_BLOCK = 8_000_000
# Text takes about so many times the bytes of its gzipped file.
_PACKED = 3
_SAMPLE_PASSAGES = 3_600
# Of the sample: characters of a passage, passages per training query.
_SAMPLE_CHARS, _SAMPLE_PER_QUERY = 120, 4


class Sizes(NamedTuple):
    """Sizes of a dataset; about right where lines or bytes had to stand for rows.

    :param passages: Passages of the corpus.
    :param text_bytes: Bytes of their text.
    :param queries: Split → judged queries.
    """

    passages: int
    text_bytes: int
    queries: Mapping[str, int]

    def __add__(self, other: object) -> Sizes:
        assert isinstance(other, Sizes)
        splits = {**self.queries, **other.queries}
        return Sizes(
            self.passages + other.passages,
            self.text_bytes + other.text_bytes,
            {split: self.queries.get(split, 0) + other.queries.get(split, 0) for split in splits},
        )


def dataset_sizes(spec: str) -> Sizes:
    """Return the sizes of a dataset; local files are read, nothing is written or downloaded.

    :param spec: Dataset spec, or several.
    :raises DatasetError: If it is none, or a file is missing.
    """
    total = Sizes(0, 0, {})
    for part in spec.split(UNION):
        parsed = parse_spec(part)
        sizes = _sizes(parsed)
        total += _cut(sizes, parsed) if "gold" in parsed.options else sizes
    return total


def _cut(sizes: Sizes, spec: Spec) -> Sizes:
    """Return the sizes of a collection of relevant passages alone: about one a query."""
    split = spec.options["gold"]
    judged = sizes.queries.get(split, 0)
    queries = min(judged, int(spec.options.get("queries", judged)))
    share = queries / sizes.passages if sizes.passages else 0
    return Sizes(queries, round(sizes.text_bytes * share), {split: queries})


def _sizes(spec: Spec) -> Sizes:
    if spec.kind == "sample":
        passages = int(spec.options.get("passages", _SAMPLE_PASSAGES))
        return Sizes(passages, passages * _SAMPLE_CHARS, {"train": passages // _SAMPLE_PER_QUERY})
    if spec.kind in hub_names():
        rows = spec.options.get("rows")
        return _of_hub(hub_entry(spec.kind, spec.path, int(rows) if rows else None))
    # What lies elsewhere tells its size when it is here.
    path = local_copy(spec.path) if is_remote(spec.path) else Path(spec.path).expanduser()
    if spec.kind == "beir":
        return _of_beir(path)
    return _of_pairs(path)


def _of_hub(entry: Entry) -> Sizes:
    """Return what the catalogue says; where it has no bytes of the text, about what is downloaded, unpacked."""
    passages = entry.sizes.get("passages") or sum(part.rows or 0 for part in entry.corpus)
    packed = sum(part.bytes or 0 for part in entry.corpus)
    text = entry.sizes.get("text_bytes") or packed * (_PACKED if "gz" in entry.corpus[0].files else 1)
    return Sizes(passages, text, {split: entry.sizes.get(split, 0) for split in entry.qrels})


def _of_beir(folder: Path) -> Sizes:
    corpus = find_file(folder / "corpus.jsonl")
    if corpus is None:
        msg = f"beir:{folder}: no such folder, or no corpus.jsonl in it"
        raise DatasetError(msg)
    queries: dict[str, int] = {}
    for path in sorted((folder / "qrels").glob("*.tsv")):
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            queries[path.stem] = len({line.split("\t", 1)[0] for line in file} - {"query-id"})
    return Sizes(_lines(corpus), corpus.stat().st_size, queries)


def _of_pairs(path: Path) -> Sizes:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    rows = {file.name.split(".")[0] if path.is_dir() else "train": _rows(file) for file in files if file.is_file()}
    return Sizes(sum(rows.values()), sum(file.stat().st_size for file in files), rows)


def _rows(path: Path) -> int:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    return _lines(path)


def _lines(path: Path) -> int:
    return sum(block.count(b"\n") for block in _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    import gzip

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
