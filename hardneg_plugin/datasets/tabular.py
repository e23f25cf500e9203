"""``jsonl:``, ``csv:`` and ``parquet:``: files of pairs, triplets or n-tuples, one row a training pair.

``jsonl:pairs.jsonl?anchor=question&positive=context`` names the columns; a folder holds one file a split
(``train.jsonl``, ``test.jsonl``). Positives and negatives together are the corpus: the same text is the same passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from hardneg_plugin.datasets.columns import KNOWN_NAMES, Columns, LateColumns, choose_columns
from hardneg_plugin.datasets.dialect import TEXT_OPTIONS, dialect_of
from hardneg_plugin.datasets.files import file_identity, open_parquet, read_json_lines, read_parquet_rows
from hardneg_plugin.datasets.pair_source import PairSource, PairTable, text_id
from hardneg_plugin.datasets.pairs import Pair, Row, reporter_of, valid_pairs
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.text_tables import read_csv
from hardneg_plugin.errors import DatasetError

__all__ = ["SUFFIXES", "TabularSource", "text_id"]
SUFFIXES = {"jsonl": (".jsonl", ".jsonl.gz"), "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"), "parquet": (".parquet",)}
# Rows of JSON lines may leave columns out: this many are looked at for the names of all, later ones as they come.
_HEADER_ROWS = 100


class TabularSource(PairSource):
    """Pairs, triplets or n-tuples (``negative_1 … negative_n``) in JSON lines, CSV or Parquet.

    A bad row is left out as a whole and counted once, under ``corpus``.

    :param kind: ``jsonl``, ``csv`` or ``parquet``.
    :param path: A file (split ``train``), or a folder with a file a split.
    :param columns: Role (``anchor``, ``positive``, ``negative``, ``language``, ``answers``) → name of the column;
        and of a text file ``delimiter``, ``encoding``, ``quotes`` and ``header``.
    :param problems: What to do with bad rows.
    :param max_chars: Longest text in characters.
    :raises DatasetError: If there is no file, a role is unknown, or a column cannot be found or could be several.
    """

    def __init__(
        self, kind: str, path: str | Path, columns: Mapping[str, str], problems: RowProblems, *, max_chars: int
    ) -> None:
        self._kind, self._path, self._problems, self._max_chars = kind, Path(path), problems, max_chars
        known = {"jsonl": ("encoding",), "csv": TEXT_OPTIONS}.get(kind, ())
        unknown = sorted(set(columns) - {*KNOWN_NAMES, *known})
        if unknown:
            listed = ", ".join([*KNOWN_NAMES, *known])
            msg = f"{kind}:{path}: unknown column role {', '.join(unknown)}; known: {listed}"
            raise DatasetError(msg)
        self._wanted = {role: name for role, name in columns.items() if role in KNOWN_NAMES}
        self._dialect = dialect_of(columns, f"{kind}:{path}")
        self._files = self._find_files()
        self._columns = {split: self._resolve(file) for split, file in self._files.items()}
        super().__init__(
            {
                split: PairTable(str(file), partial(self._pairs, split), self._columns[split].language is not None)
                for split, file in self._files.items()
            }
        )

    @property
    def name(self) -> str:
        """Name of the file or folder, without its ending."""
        name = self._path.resolve().name
        suffix = next((suffix for suffix in SUFFIXES[self._kind] if name.endswith(suffix)), "")
        return name.removesuffix(suffix)

    def identity(self) -> dict[str, object]:
        """Paths, sizes and times of the files, and the columns read."""
        files = [file_identity(path) for path in self._files.values()]
        return {"kind": self._kind, "files": files, "columns": self._columns, "dialect": self._dialect}

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

    def _resolve(self, file: Path) -> Columns:
        return self._chosen(self._header(file), self._wanted, str(file))

    def _chosen(self, names: list[str], wanted: Mapping[str, str], location: str) -> Columns:
        if not self._dialect.header:
            # A query, a positive, and what is left: negatives.
            wanted = {**dict(zip(("anchor", "positive"), names, strict=False)), **wanted}
            negatives = tuple(name for name in names[2:] if name not in wanted.values())
            return choose_columns(names, wanted, location, f"{self._kind}:PATH")._replace(negatives=negatives)
        return choose_columns(names, wanted, location, f"{self._kind}:PATH")

    def _header(self, file: Path) -> list[str]:
        if self._kind == "parquet":
            return list(open_parquet(file).schema_arrow.names)
        probe = RowProblems("skip")
        probe.start("header")
        names = dict.fromkeys(
            name for _, row in islice(self._read(file, "header", probe), _HEADER_ROWS) for name in row
        )
        if not names:
            msg = f"{file}: no readable row"
            raise DatasetError(msg)
        return list(names)

    def _pairs(self, split: str, part: str) -> Iterator[Pair]:
        file, problems, columns = self._files[split], reporter_of(part, self._problems), self._columns[split]
        rows = self._read(file, "corpus", problems)
        # Rows of JSON lines may have a column that no row before had.
        late = LateColumns(columns, self._chosen, self._wanted, str(file)) if self._kind == "jsonl" else None
        return valid_pairs(
            rows, columns, problems, location=lambda line: f"{file}:{line}", max_chars=self._max_chars, late=late
        )

    def _read(self, file: Path, part: str, problems: RowProblems) -> Iterator[tuple[int, Row]]:
        if self._kind == "jsonl":
            return read_json_lines(file, part, problems, self._dialect)
        if self._kind == "csv":
            return read_csv(file, part, problems, self._dialect)
        return read_parquet_rows(file)
