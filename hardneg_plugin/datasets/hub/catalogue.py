"""The table of datasets that a name stands for, filled in for one language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hardneg_plugin.errors import DatasetError

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
_OTHERS = "*"
# Kinds of files whose rows hold query and passages: the first of them are a dataset by themselves.
_WHOLE_ROWS = ("triplets", "mr-tydi")


@dataclass(frozen=True)
class HubPart:
    """Files that are read in one way.

    :param files: Pattern of their paths in the repository.
    :param kind: How they are read.
    :param repo: Dataset repository of the hub; empty where the file lies at ``url``.
    :param revision: Commit, tag or branch of it.
    :param url: Address of a single file elsewhere.
    :param columns: Field → column or place.
    :param rows: Rows of all files together; None where they are not known.
    :param about: Whether ``rows`` is that of another release, right within 2 %.
    :param bytes: To download; None where the hub alone knows.
    :param head: Rows that are wanted, from the first; None wants all.
    """

    files: str
    kind: str
    repo: str = ""
    revision: str = ""
    url: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    about: bool = False
    bytes: int | None = None
    head: int | None = None

    def __str__(self) -> str:
        first = "" if self.head is None else f", first {self.head:,} rows"
        return self.url or f"{self.repo}@{self.revision}/{self.files}{first}"

    def first(self, rows: int) -> HubPart:
        """Return the part of which the first rows alone are wanted."""
        share = min(rows / self.rows, 1) if self.rows else None
        size = None if share is None or self.bytes is None else round(self.bytes * share)
        return replace(self, head=rows, rows=None, bytes=size)


@dataclass(frozen=True)
class Entry:
    """A dataset in one language.

    :param name: Spec that stands for it.
    :param about: What it is.
    :param licence: What one may do with it.
    :param language: ISO 639-1 code.
    :param language_name: What its files call the language.
    :param corpus: Files of the passages.
    :param queries: Files of the queries.
    :param qrels: Split → files of the judgements.
    :param sizes: Split → queries, ``passages`` and ``text_bytes``, where rows and bytes do not say it.
    """

    name: str
    about: str
    licence: str
    language: str
    language_name: str
    corpus: tuple[HubPart, ...]
    queries: tuple[HubPart, ...]
    qrels: Mapping[str, tuple[HubPart, ...]]
    sizes: Mapping[str, int]

    @property
    def parts(self) -> tuple[HubPart, ...]:
        """All files, each once."""
        split = [part for parts in self.qrels.values() for part in parts]
        found: dict[str, HubPart] = {}
        for part in (*self.corpus, *self.queries, *split):
            found.setdefault(str(part), part)
        return tuple(found.values())


@cache
def _catalogue(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def hub_names() -> dict[str, tuple[str, ...]]:
    """Return name → languages of the datasets; no language where a name stands for one alone."""
    return {name: tuple(entry.get("languages", ())) for name, entry in _catalogue(CATALOGUE).items()}


def hub_entry(name: str, language: str, rows: int | None = None) -> Entry:
    """Return a dataset.

    :param name: Its name.
    :param language: ISO 639-1 code; empty where the name stands for one language alone.
    :param rows: How many of its rows, from the first; None takes all.
    :raises DatasetError: If there is no such dataset, it has no such language, or its rows do not stand alone.
    """
    known = _catalogue(CATALOGUE)
    if name not in known:
        msg = f"{name!r} is no dataset of the hub; known: {', '.join(known)}"
        raise DatasetError(msg)
    raw = known[name]
    languages = raw.get("languages", {})
    if (language not in languages) if languages else language:
        takes = f"{name}:LANG with one of {', '.join(languages)}" if languages else f"{name} alone"
        msg = f"dataset {name}:{language}: expected {takes}"
        raise DatasetError(msg)
    code = language or raw["language"]
    names = {"lang": code, "name": languages.get(code, "")}
    entry = Entry(
        name=f"{name}:{language}" if language else name,
        about=raw["about"],
        licence=raw["licence"],
        language=code,
        language_name=names["name"],
        corpus=tuple(_part(part, names) for part in raw["corpus"]),
        queries=tuple(_part(part, names) for part in raw["queries"]),
        qrels={split: tuple(_part(part, names) for part in parts) for split, parts in raw["qrels"].items()},
        sizes={key: size for key, value in raw["sizes"].items() if (size := _own(value, code)) is not None},
    )
    return entry if rows is None else _first(entry, rows)


def _first(entry: Entry, rows: int) -> Entry:
    """Return the dataset of the first rows.

    :raises DatasetError: If there are none, or queries, judgements and passages lie in files of their own.
    """
    if rows < 1:
        msg = f"{entry.name}: rows must be at least 1, got {rows}"
        raise DatasetError(msg)
    if any(part.kind not in _WHOLE_ROWS for part in entry.parts):
        known = ", ".join(
            name
            for name, raw in _catalogue(CATALOGUE).items()
            if all(part["kind"] in _WHOLE_ROWS for part in (*raw["corpus"], *raw["queries"]))
        )
        msg = f"{entry.name}: its judgements need all passages; the first rows can be had of {known}"
        raise DatasetError(msg)
    share = min(1.0, rows / (entry.corpus[0].rows or max(entry.sizes[split] for split in entry.qrels)))
    return replace(
        entry,
        name=f"{entry.name}?rows={rows}",
        corpus=tuple(part.first(rows) for part in entry.corpus),
        queries=tuple(part.first(rows) for part in entry.queries),
        qrels={split: tuple(part.first(rows) for part in parts) for split, parts in entry.qrels.items()},
        sizes={key: round(size * share) for key, size in entry.sizes.items()},
    )


def _part(raw: Mapping[str, Any], names: Mapping[str, str]) -> HubPart:
    filled = {**raw, "files": raw.get("files", "").format(**names)}
    return HubPart(**{**filled, **{key: _own(raw.get(key), names["lang"]) for key in ("rows", "bytes")}})


def _own(value: Any, language: str) -> int | None:
    """Return a number that is given for all languages, or for each."""
    found = value.get(language, value.get(_OTHERS)) if isinstance(value, dict) else value
    return None if found is None else int(found)
