"""Examples as Parquet: one row an example, candidates as list columns. The form in which stages are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hardneg_plugin.checksums import parquet_checksum, parquet_metadata, seal_parquet
from hardneg_plugin.errors import RecordError
from hardneg_plugin.files import atomic_path
from hardneg_plugin.records.candidates import Candidates, compact
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.example import MiningExample, table_of
from hardneg_plugin.records.table import DICTIONARY_COLUMNS, CandidateTable, Ints, lengths_to_offsets

if TYPE_CHECKING:
    from haystack.dataclasses import Document

# From 2 on with a checksum.
FORMAT = 2
_META_KEY = b"hardneg"
_REMEDY = "hardneg run computes the parts of its stages again"
_DOCUMENT = pa.struct([("id", pa.string()), ("content", pa.string()), ("extra", pa.string())])
_EXAMPLE_COLUMNS = ("id", "query", "language", "answers", "meta", "positives", "own")
_COLUMNS = (*_EXAMPLE_COLUMNS, "passages", "label_score", *DICTIONARY_COLUMNS)
# Prefix of the column → attribute of the table.
_NAMED_COLUMNS = {"rank": "ranks", "source_score": "source_scores", "score": "scores"}


def write_parquet(path: str | Path, examples: Sequence[MiningExample]) -> None:
    """Write examples so that the same examples always give the same bytes; the file appears whole or not at all.

    :param path: File to write.
    :param examples: Any number; one shard of a stage.
    """
    table = compact(table_of(examples))
    columns = {**_example_columns(examples, table), **_candidate_columns(table)}
    facts = {"format": FORMAT, "corpus": table.corpus.reference if table.corpus else None}
    arrow = pa.table(columns).replace_schema_metadata({_META_KEY: json.dumps(facts).encode()})
    with atomic_path(path) as partial:
        with pq.ParquetWriter(partial, arrow.schema, compression="zstd") as writer:
            writer.write_table(arrow)
            writer.add_key_value_metadata(parquet_metadata())
        seal_parquet(partial)


def _example_columns(examples: Sequence[MiningExample], table: CandidateTable) -> dict[str, pa.Array]:
    parts = (table.passages[start:end] for start, end in zip(table.offsets[:-1], table.offsets[1:], strict=True))
    own = [[table.own[-1 - passage] for passage in part[part < 0]] for part in parts]
    return {
        "id": pa.array([example.id for example in examples], pa.string()),
        "query": pa.array([example.query for example in examples], pa.string()),
        "language": pa.array([example.language for example in examples], pa.string()),
        "answers": pa.array([list(example.answers) for example in examples], pa.list_(pa.string())),
        "meta": pa.array([json.dumps(dict(example.meta), ensure_ascii=False) for example in examples], pa.string()),
        "positives": _document_lists([example.positives for example in examples]),
        "own": _document_lists(own),
    }


def _document_lists(lists: Sequence[Sequence[Document]]) -> pa.Array:
    return pa.array([[_pack(document) for document in documents] for documents in lists], pa.list_(_DOCUMENT))


def _candidate_columns(table: CandidateTable) -> dict[str, pa.Array]:
    def lists(offsets: Ints, values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

    def strings(column: DictionaryColumn) -> pa.Array:
        return pa.array(column.values, pa.string()).take(pa.array(column.codes))

    own_before = np.cumsum(table.passages < 0)
    starts = np.append(0, own_before)[table.offsets[:-1]]
    # Own documents are numbered within their example: a part of a file stays readable by itself.
    local = np.where(table.passages < 0, -(own_before - starts[table.example_index]), table.passages)
    columns = {"passages": lists(table.offsets, pa.array(local, pa.int64()))}
    for prefix, attribute in _NAMED_COLUMNS.items():
        for name, values in getattr(table, attribute).items():
            columns[f"{prefix}:{name}"] = lists(table.offsets, pa.array(values))
    for name, values in table.positive_scores.items():
        columns[f"positive_score:{name}"] = lists(table.positive_offsets, pa.array(values))
    for name in DICTIONARY_COLUMNS:
        columns[name] = lists(table.offsets, strings(getattr(table, name)))
    columns["label_score"] = lists(table.offsets, pa.array(table.label_score))
    return columns


def _pack(document: Document) -> dict[str, str | None]:
    values = document.to_dict(flatten=False)
    extra = {key: value for key, value in values.items() if key not in ("id", "content") and value not in (None, {})}
    packed = json.dumps(extra, ensure_ascii=False) if extra else ""
    return {"id": document.id, "content": document.content, "extra": packed}


def _unpack(packed: dict[str, str]) -> Document:
    from haystack.dataclasses import Document

    extra = json.loads(packed["extra"]) if packed["extra"] else {}
    return Document.from_dict({"id": packed["id"], "content": packed["content"], **extra})


def read_parquet(path: str | Path) -> list[MiningExample]:
    """Read examples back, equal to those that were written.

    :param path: File written by :func:`write_parquet`.
    :raises RecordError: If the file is not one, or was written by a newer format.
    :raises CacheError: If the cache no longer has the corpus of the candidates.
    """
    columns, corpus = _open(path)
    table = _read_table(columns, corpus)
    values = {name: columns[name].to_pylist() for name in _EXAMPLE_COLUMNS}
    return [
        MiningExample(
            id=values["id"][row],
            query=values["query"][row],
            positives=tuple(_unpack(packed) for packed in values["positives"][row]),
            candidates=Candidates(table, row),
            language=values["language"][row],
            answers=tuple(values["answers"][row]),
            meta=json.loads(values["meta"][row]),
        )
        for row in range(len(table))
    ]


def read_candidates(path: str | Path) -> CandidateTable:
    """Read the candidates of such a file alone, in the order of its examples.

    :param path: File written by :func:`write_parquet`.
    :raises RecordError: As :func:`read_parquet`.
    :raises CacheError: As :func:`read_parquet`.
    """
    return _read_table(*_open(path))


def read_columns(path: str | Path, names: Sequence[str] | None = None) -> pa.Table:
    """Read some columns of such a file, after a look whether it is as it was written.

    :param path: File written by :func:`write_parquet`.
    :param names: The columns; None reads all.
    :raises RecordError: If the file cannot be read, is damaged, is no such file, or was written by a newer format.
    """
    try:
        content = Path(path).read_bytes()
        checked = parquet_checksum(content)
        if checked is False:
            msg = f"{path} is damaged: it does not hold what was written; {_REMEDY}"
            raise RecordError(msg)
        arrow = pq.read_table(pa.BufferReader(content), columns=None if names is None else list(names))
        written = int(json.loads((arrow.schema.metadata or {})[_META_KEY])["format"])
    except (OSError, KeyError, TypeError, ValueError, RecursionError, pa.ArrowException) as error:
        msg = f"{path} is not a file of mining examples, or damaged: {_first_line(error)}; {_REMEDY}"
        raise RecordError(msg) from error
    if written > FORMAT:
        msg = f"{path} has format {written}, this version reads up to {FORMAT}: update hardneg"
        raise RecordError(msg)
    if checked is None and written > 1:
        msg = f"{path} is damaged: its checksum is gone; {_REMEDY}"
        raise RecordError(msg)
    return arrow


def parquet_fault(path: str | Path) -> str:
    """Return in what such a file is damaged; empty where it is sound."""
    try:
        read_columns(path, ())
    except RecordError as error:
        return str(error).removesuffix(f"; {_REMEDY}")
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _open(path: str | Path) -> tuple[dict[str, Any], str | None]:
    """Return the columns of a file and the key of its corpus."""
    arrow = read_columns(path)
    facts = json.loads(arrow.schema.metadata[_META_KEY])
    columns = {name: arrow.column(name).combine_chunks() for name in arrow.column_names}
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        msg = f"{path} is not a file of mining examples: it lacks the columns {', '.join(missing)}"
        raise RecordError(msg)
    return columns, facts["corpus"]


def _read_table(columns: dict[str, Any], corpus: str | None) -> CandidateTable:
    def values(name: str) -> Any:
        return columns[name].values.to_numpy(zero_copy_only=False)

    def coded(name: str) -> DictionaryColumn:
        encoded = pc.dictionary_encode(columns[name].values)
        return DictionaryColumn.of(encoded.dictionary.to_pylist()).take(encoded.indices.to_numpy().astype(np.int64))

    def named(prefix: str) -> dict[str, Any]:
        return {name.split(":", 1)[1]: values(name) for name in columns if name.startswith(f"{prefix}:")}

    offsets = columns["passages"].offsets.to_numpy().astype(np.int64)
    passages = values("passages")
    own = [_unpack(packed) for packed in columns["own"].values.to_pylist()]
    own_starts = columns["own"].offsets.to_numpy()[:-1]
    example = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return CandidateTable(
        offsets=offsets,
        passages=np.where(passages < 0, passages - own_starts[example], passages),
        positive_offsets=lengths_to_offsets(np.diff(columns["positives"].offsets.to_numpy())),
        label_score=values("label_score"),
        corpus=Corpus.open(corpus) if corpus else None,
        own=tuple(own),
        ranks=named("rank"),
        source_scores=named("source_score"),
        scores=named("score"),
        positive_scores=named("positive_score"),
        label=coded("label"),
        judge=coded("judge"),
        prompt=coded("prompt"),
        dropped=coded("dropped"),
    )
