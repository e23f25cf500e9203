"""A dataset of the catalogue as passages, queries and judgements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from hardneg_plugin.datasets.files import file_identity
from hardneg_plugin.datasets.hub.catalogue import HubPart, hub_entry
from hardneg_plugin.datasets.hub.location import files_of
from hardneg_plugin.datasets.hub.readers import RawRow, passages_of, qrels_of, query_of, read_part
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query

# One passage, query or judgement stands in many rows of these files.
_REPEATING = ("mr-tydi", "goldp", "triplets")
_Row = TypeVar("_Row", Passage, Query, Qrel)


class HubSource:
    """A dataset of the catalogue in one language; files are looked for, and downloaded, when they are asked for.

    :param name: Name in the catalogue.
    :param language: ISO 639-1 code; empty where the name stands for one language alone.
    :param problems: What to do with bad rows.
    :param rows: How many of its rows, from the first; None takes all.
    :param fetch: Whether what is not on this machine may be downloaded.
    :raises DatasetError: If there is no such dataset or language.
    """

    def __init__(
        self, name: str, language: str, problems: RowProblems, rows: int | None = None, *, fetch: bool = True
    ) -> None:
        self._entry, self._problems, self._fetch = hub_entry(name, language, rows), problems, fetch

    @property
    def name(self) -> str:
        """Name and language."""
        return re.sub("[:?=]", "-", self._entry.name)

    def identity(self) -> dict[str, object]:
        """Return the files of the corpus, and what the others are read from."""
        files = [file_identity(file) for part in self._entry.corpus for file in self._files(part)]
        return {"hub": self._entry.name, "parts": [repr(part) for part in self._entry.parts], "files": files}

    def passages(self) -> Iterator[Passage]:
        """Yield the corpus."""
        language = self._entry.language
        return self._rows(self._entry.corpus, "corpus", lambda row, kind: passages_of(row, kind, language))

    def queries(self) -> Iterator[Query]:
        """Yield the queries of all splits."""
        language = self._entry.language
        return self._rows(self._entry.queries, "queries", lambda row, kind: iter([query_of(row, kind, language)]))

    def splits(self) -> tuple[str, ...]:
        """Return the splits of the catalogue."""
        return tuple(self._entry.qrels)

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements of a split."""
        return self._rows(self._entry.qrels[split], f"qrels/{split}", qrels_of)

    def where(self, part: str) -> str:
        """Return the files of a part, as the catalogue names them."""
        parts = {"corpus": self._entry.corpus, "queries": self._entry.queries}
        found = parts[part] if part in parts else self._entry.qrels[part.removeprefix("qrels/")]
        return ", ".join(map(str, found))

    def _rows(
        self, parts: Sequence[HubPart], name: str, rows_of: Callable[[RawRow, str], Iterator[_Row]]
    ) -> Iterator[_Row]:
        seen: set[object] = set()
        for part in parts:
            for raw in read_part(part, self._files(part), name, self._problems):
                if part.kind == "goldp" and not str(raw.fields["id"]).startswith(f"{self._entry.language_name}-"):
                    continue
                for row in rows_of(raw, part.kind):
                    if part.kind in _REPEATING:
                        # A passage or query is told by its id, a judgement by its two.
                        key = row[:2] if isinstance(row, Qrel) else row.id
                        if key in seen:
                            continue
                        seen.add(key)
                    yield row

    def _files(self, part: HubPart) -> list[Path]:
        return files_of(part, self._entry.name, fetch=self._fetch)
