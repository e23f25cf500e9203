"""``beir:PATH``: a folder in BEIR layout (Thakur et al., 2021), its files gzipped or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.files import file_identity, find_file, read_json_lines, read_lines
from hardneg_plugin.datasets.judgements import whole_grade
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, short_answers
from hardneg_plugin.errors import DatasetError

HEADER = ["query-id", "corpus-id", "score"]


class BeirSource:
    """A BEIR folder.

    ``metadata.language`` and ``metadata.answers`` are read where they are given.

    :param folder: The folder.
    :param problems: What to do with bad rows.
    :raises DatasetError: If a file is missing.
    """

    def __init__(self, folder: str | Path, problems: RowProblems) -> None:
        self._folder = Path(folder)
        self._problems = problems
        if not self._folder.is_dir():
            msg = f"beir:{folder}: no such folder; expected one with corpus.jsonl, queries.jsonl and qrels/<split>.tsv"
            raise DatasetError(msg)
        self._corpus = self._require(self._folder / "corpus.jsonl")
        self._queries = self._require(self._folder / "queries.jsonl")
        self._qrels = self._find_qrels()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self._folder.resolve().name

    def identity(self) -> dict[str, object]:
        """Paths, sizes and times of the files."""
        files = [self._corpus, self._queries, *self._qrels.values()]
        return {"kind": "beir", "files": [file_identity(path) for path in files]}

    def passages(self) -> Iterator[Passage]:
        """Yield corpus.jsonl."""
        for line, row in read_json_lines(self._corpus, "corpus", self._problems):
            identifier = self._string(row, "_id", "corpus", line)
            text = self._string(row, "text", "corpus", line)
            if identifier is not None and text is not None:
                language = _metadata(row).get("language") or ""
                yield Passage(identifier, text, str(row.get("title") or ""), str(language), line)

    def queries(self) -> Iterator[Query]:
        """Yield queries.jsonl."""
        for line, row in read_json_lines(self._queries, "queries", self._problems):
            identifier = self._string(row, "_id", "queries", line)
            text = self._string(row, "text", "queries", line)
            if identifier is not None and text is not None:
                metadata = _metadata(row)
                answers = short_answers(metadata.get("answers"))
                if answers is None:
                    message = f"expected a string or a list of them under 'answers', got {metadata['answers']!r:.60}"
                    self._problems.bad("queries", "broken answers", f"{self._queries}:{line}", message)
                else:
                    yield Query(identifier, text, str(metadata.get("language") or ""), answers, line)

    def splits(self) -> tuple[str, ...]:
        """Names of the files in qrels/."""
        return tuple(self._qrels)

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield qrels/<split>.tsv."""
        part, path = f"qrels/{split}", self._qrels[split]
        for line, text in read_lines(path, part, self._problems):
            cells = text.split("\t")
            if (line == 1 and cells == HEADER) or not text.strip():
                continue
            if len(cells) != len(HEADER):
                message = f"expected {len(HEADER)} cells parted by tabs ({', '.join(HEADER)}), got {len(cells)}"
                self._problems.bad(part, "broken line", f"{path}:{line}", message)
                continue
            grade = whole_grade(cells[2])
            if grade is None:
                self._problems.bad(part, "broken grade", f"{path}:{line}", f"expected a whole number, got {cells[2]!r}")
            else:
                yield Qrel(cells[0], cells[1], grade, line)

    def where(self, part: str) -> str:
        """Return the file of a part."""
        files = {"corpus": self._corpus, "queries": self._queries}
        return str(files[part] if part in files else self._qrels[part.removeprefix("qrels/")])

    def _string(self, row: dict[str, Any], key: str, part: str, line: int) -> str | None:
        value = row.get(key)
        if isinstance(value, str) or (key == "_id" and isinstance(value, int)):
            return str(value)
        got = "nothing" if key not in row else repr(value)[:60]
        message = f"expected a string under {key!r}, got {got}"
        self._problems.bad(part, f"no {key}", f"{self.where(part)}:{line}", message)
        return None

    def _require(self, stem: Path) -> Path:
        path = find_file(stem)
        if path is None:
            layout = "corpus.jsonl, queries.jsonl and qrels/<split>.tsv"
            msg = f"{stem} (or {stem.name}.gz) is missing; a BEIR folder has {layout}"
            raise DatasetError(msg)
        return path

    def _find_qrels(self) -> dict[str, Path]:
        folder = self._folder / "qrels"
        # As with the corpus, a plain file is read rather than its gzipped copy.
        paths = [*sorted(folder.glob("*.tsv.gz")), *sorted(folder.glob("*.tsv"))]
        if not paths:
            msg = f"{folder} has no <split>.tsv; without judgements there are no positives"
            raise DatasetError(msg)
        files = {path.name.removesuffix(".gz").removesuffix(".tsv"): path for path in paths}
        return dict(sorted(files.items()))


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
