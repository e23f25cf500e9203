"""``jsonl:``, ``csv:`` and ``parquet:``: files of pairs or triplets, one row a training pair.

``jsonl:pairs.jsonl?anchor=question&positive=context`` names the columns; a folder holds one file a split
(``train.jsonl``, ``test.jsonl``). Positives and negatives together are the corpus: the same text is the same passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import xxhash

from hardneg_plugin.datasets.files import file_identity, read_csv, read_json_lines
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, short_answers
from hardneg_plugin.errors import DatasetError

# Names that such files use, in the order they are looked for.
KNOWN_COLUMNS = {
    "anchor": ("anchor", "query", "question", "sentence1"),
    "positive": ("positive", "pos", "positives", "positive_passages", "answer", "context", "passage"),
    "negative": ("negative", "neg", "negatives", "negative_passages"),
    "language": ("language", "lang"),
    "answers": ("answers",),
}
REQUIRED_COLUMNS = ("anchor", "positive")
SUFFIXES = {"jsonl": (".jsonl", ".jsonl.gz"), "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"), "parquet": (".parquet",)}
# Rows of JSON lines may leave columns out: this many are looked at for the names of all.
_HEADER_ROWS = 100
Row = tuple[int, dict[str, Any]]


def text_id(prefix: str, text: str) -> str:
    """Return the id of a text that came without one: the same text gives the same id."""
    return f"{prefix}-{xxhash.xxh3_64_hexdigest(text.encode('utf-8', 'surrogatepass'))}"


class TabularSource:
    """Pairs or triplets in JSON lines, CSV or Parquet.

    :param kind: ``jsonl``, ``csv`` or ``parquet``.
    :param path: A file (split ``train``), or a folder with a file a split.
    :param columns: Role (``anchor``, ``positive``, ``negative``, ``language``, ``answers``) → name of the column.
    :param problems: What to do with bad rows.
    :raises DatasetError: If there is no file, a role is unknown, or a column cannot be found.
    """

    def __init__(self, kind: str, path: str | Path, columns: Mapping[str, str], problems: RowProblems) -> None:
        self._kind, self._path, self._problems = kind, Path(path), problems
        unknown = sorted(set(columns) - set(KNOWN_COLUMNS))
        if unknown:
            msg = f"{kind}:{path}: unknown column role {', '.join(unknown)}; known: {', '.join(KNOWN_COLUMNS)}"
            raise DatasetError(msg)
        self._wanted = dict(columns)
        self._files = self._find_files()
        self._columns = {split: self._resolve(file) for split, file in self._files.items()}

    @property
    def name(self) -> str:
        """Name of the file or folder, without its ending."""
        name = self._path.resolve().name
        suffix = next((suffix for suffix in SUFFIXES[self._kind] if name.endswith(suffix)), "")
        return name.removesuffix(suffix)

    def identity(self) -> dict[str, object]:
        """Paths, sizes and times of the files, and the columns read."""
        files = [file_identity(path) for path in self._files.values()]
        return {"kind": self._kind, "files": files, "columns": self._columns}

    def passages(self) -> Iterator[Passage]:
        """Yield each distinct text among the positives and negatives of all files."""
        seen: set[str] = set()
        for split in self._files:
            for line, row in self._rows(split, "corpus"):
                for role in ("positive", "negative"):
                    for text in self._texts(split, row, role, line, "corpus"):
                        identifier = text_id("p", text)
                        if identifier not in seen:
                            seen.add(identifier)
                            language = self._cell(split, row, "language")
                            yield Passage(identifier, text, "", language, line, str(self._files[split]))

    def queries(self) -> Iterator[Query]:
        """Yield each distinct anchor of all files."""
        seen: set[str] = set()
        for split in self._files:
            file = str(self._files[split])
            for line, row in self._rows(split, "queries"):
                given = row.get(self._columns[split].get("answers", ""))
                answers = short_answers(given)
                if answers is None:
                    message = f"expected a string or a list of them as answers, got {given!r:.60}"
                    self._problems.bad("queries", "broken answers", f"{file}:{line}", message)
                    continue
                for text in self._texts(split, row, "anchor", line, "queries"):
                    identifier = text_id("q", text)
                    if identifier not in seen:
                        seen.add(identifier)
                        yield Query(identifier, text, self._cell(split, row, "language"), answers, line, file)

    def splits(self) -> tuple[str, ...]:
        """Names of the files without their endings; ``train`` for a single file."""
        return tuple(self._files)

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield each distinct pair of a file, grade 1."""
        part = f"qrels/{split}"
        seen: set[tuple[str, str]] = set()
        for line, row in self._rows(split, part):
            for anchor in self._texts(split, row, "anchor", line, part):
                for positive in self._texts(split, row, "positive", line, part):
                    pair = text_id("q", anchor), text_id("p", positive)
                    if pair not in seen:
                        seen.add(pair)
                        yield Qrel(*pair, 1, line)

    def where(self, part: str) -> str:
        """Return the file of a split, or the path as it was given."""
        return str(self._files.get(part.removeprefix("qrels/"), self._path))

    def _find_files(self) -> dict[str, Path]:
        if self._path.is_file():
            return {"train": self._path}
        suffixes = SUFFIXES[self._kind]
        files: dict[str, Path] = {}
        for path in sorted(self._path.glob("*")) if self._path.is_dir() else ():
            suffix = next((suffix for suffix in suffixes if path.name.endswith(suffix)), None)
            if suffix:
                split = path.name.removesuffix(suffix)
                if split in files:
                    msg = (
                        f"{self._kind}:{self._path}: split {split!r} has two files, {files[split].name} and {path.name}"
                    )
                    raise DatasetError(msg)
                files[split] = path
        if not files:
            endings = " or ".join(suffixes)
            msg = f"{self._kind}:{self._path}: no such file, nor a folder with files that end in {endings}"
            raise DatasetError(msg)
        return files

    def _resolve(self, file: Path) -> dict[str, str]:
        names = self._header(file)
        chosen = {}
        for role, usual in KNOWN_COLUMNS.items():
            wanted = self._wanted.get(role)
            name = wanted or next((name for name in usual if name in names), None)
            if name is None and role not in REQUIRED_COLUMNS:
                continue
            if name is None or name not in names:
                missing = f"no column {wanted!r}" if wanted else f"no column for the {role}"
                msg = f"{file}: {missing}; columns: {', '.join(names)}; name it as in {self._kind}:PATH?{role}=COLUMN"
                raise DatasetError(msg)
            chosen[role] = name
        return chosen

    def _header(self, file: Path) -> list[str]:
        if self._kind == "parquet":
            return list(_open_parquet(file).schema_arrow.names)
        probe = RowProblems("skip")
        probe.start("header")
        names = dict.fromkeys(
            name for _, row in islice(self._read(file, "header", probe), _HEADER_ROWS) for name in row
        )
        if not names:
            msg = f"{file}: no readable row"
            raise DatasetError(msg)
        return list(names)

    def _rows(self, split: str, part: str) -> Iterator[Row]:
        return self._read(self._files[split], part, self._problems)

    def _read(self, file: Path, part: str, problems: RowProblems) -> Iterator[Row]:
        if self._kind == "jsonl":
            return read_json_lines(file, part, problems)
        if self._kind == "csv":
            return read_csv(file, part, problems)
        return _read_parquet(file)

    def _texts(self, split: str, row: dict[str, Any], role: str, line: int, part: str) -> Iterator[str]:
        """Yield the one text of a cell, or each of a list; a string is never taken apart into letters."""
        column = self._columns[split].get(role)
        if column is None:
            return
        value = row.get(column)
        for text in value if isinstance(value, list) and value else [value]:
            if isinstance(text, str) and text.strip():
                yield text
            elif role != "negative" or not (text is None or text == [] or isinstance(text, str)):
                # A row may lack negatives; it is nothing without an anchor and a positive.
                kind, got = ("empty text", "an empty text") if isinstance(text, str) else ("no text", repr(text)[:60])
                where = f"{self._files[split]}:{line}"
                self._problems.bad(part, kind, where, f"expected a text in column {column!r}, got {got}")

    def _cell(self, split: str, row: dict[str, Any], role: str) -> str:
        return str(row.get(self._columns[split].get(role, "")) or "")


def _open_parquet(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{file}: not a Parquet file: {error}"
        raise DatasetError(msg) from error


def _read_parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa

    line = 0
    batches = _open_parquet(file).iter_batches(1024)
    while True:
        try:
            batch = next(batches, None)
            rows = batch.to_pylist() if batch is not None else None
        except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
            msg = f"{file}: cannot be read after row {line}: {error}"
            raise DatasetError(msg) from error
        if rows is None:
            return
        for row in rows:
            line += 1
            yield line, row
