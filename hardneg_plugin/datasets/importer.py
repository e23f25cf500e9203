"""Importing a source's corpus into the cache: validated row by row, streamed, once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from hardneg_plugin.cache import entry_path, fingerprint, staging_folder
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Source
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.corpus_writer import CorpusWriter, duplicate_rows, publish_corpus

# Raised when a change of the code changes what is imported from the same files.
IMPORT_VERSION = 1
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def text_fault(text: str, max_chars: int) -> tuple[str, str] | None:
    """Return ``(kind, message)`` of what is wrong with a text, or None.

    :param max_chars: Longer texts are faults: one broken row would fill the memory of every later stage.
    """
    if not text or text.isspace():
        return "empty text", "the text is empty"
    if len(text) > max_chars:
        return "too long", f"the text has {len(text):,} characters, more than max_text_chars = {max_chars:,}"
    found = _UNSTORABLE.search(text)
    if found:
        name = "a NUL byte" if found.group() == "\x00" else f"half a surrogate pair ({ascii(found.group())})"
        return "broken character", f"the text has {name} at character {found.start()}"
    return None


def import_corpus(source: Source, problems: RowProblems, *, max_chars: int, language: str) -> Corpus:
    """Return the corpus of a source; read it into the cache first unless the same files were read before.

    :param source: Where the passages come from.
    :param problems: Counts what is left out.
    :param max_chars: Longest text in characters.
    :param language: Language of passages that carry none.
    :raises DatasetError: If a row is bad and bad rows are errors, or no row is left.
    """
    # A source's files are remembered by size and time, its content by hash: an untouched file is not read again.
    options = {"version": IMPORT_VERSION, "max_chars": max_chars, "language": language, "on_bad_row": problems.on_bad_row}
    memo = entry_path("sources", fingerprint([source.identity(), options])).with_suffix(".json")
    remembered = _remembered(memo)
    if remembered is not None:
        corpus, left_out = remembered
        problems.start("corpus")
        for kind, number in left_out.items():
            problems.count("corpus", kind, number)
        return corpus
    corpus = _read(source, problems, max_chars=max_chars, language=language)
    memo.parent.mkdir(parents=True, exist_ok=True)
    partial = memo.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps({"corpus": corpus.key, "left_out": problems.counts().get("corpus", {})}), "utf-8")
    partial.replace(memo)
    return corpus


def _remembered(memo: Path) -> tuple[Corpus, dict[str, int]] | None:
    if not memo.is_file():
        return None
    facts = json.loads(memo.read_text("utf-8"))
    if not entry_path("corpus", facts["corpus"]).is_dir():
        return None
    return Corpus.open(facts["corpus"]), facts["left_out"]


def _read(source: Source, problems: RowProblems, *, max_chars: int, language: str) -> Corpus:
    duplicates: frozenset[int] = frozenset()
    while True:
        problems.start("corpus")
        with staging_folder("corpus") as folder:
            with CorpusWriter(folder) as writer:
                for row, passage in enumerate(_sound(source, problems, max_chars)):
                    if row not in duplicates:
                        writer.add(passage.id, passage.text, passage.title, passage.language or language)
            problems.count("corpus", "duplicate id", len(duplicates)) if duplicates else None
            again = frozenset() if duplicates else _find_duplicates(folder, source, problems, max_chars)
            if not again:
                corpus = publish_corpus(folder, writer.key)
                if not len(corpus):
                    msg = f"{source.where('corpus')}: no passage is left; left out: {problems.counts().get('corpus', 'none')}"
                    raise DatasetError(msg)
                return corpus
        # Ids that occur twice are only known at the end; rows are then read once more without them.
        duplicates = again


def _sound(source: Source, problems: RowProblems, max_chars: int) -> Iterator[Passage]:
    where = source.where("corpus")
    for passage in source.passages():
        fault = text_fault(passage.text if not passage.title else f"{passage.title} {passage.text}", max_chars)
        if fault is None and (not passage.id or _UNSTORABLE.search(passage.id)):
            fault = "broken id", f"the id is {passage.id!r}"
        if fault is None:
            yield passage
        else:
            problems.bad("corpus", fault[0], f"{where}:{passage.line}", f"passage {passage.id!r}: {fault[1]}")


def _find_duplicates(folder: Path, source: Source, problems: RowProblems, max_chars: int) -> frozenset[int]:
    found = {row: (first, identifier) for row, first, identifier in duplicate_rows(folder)}
    if found and problems.on_bad_row == "error":
        row, (first, identifier) = next(iter(found.items()))
        lines = {}
        for number, passage in enumerate(_sound(source, problems, max_chars)):
            if number in (row, first):
                lines[number] = passage.line
            if len(lines) == 2:  # noqa: PLR2004 - the row and the first one
                break
        message = f"passage id {identifier!r} occurs twice, first in line {lines[first]}"
        problems.bad("corpus", "duplicate id", f"{source.where('corpus')}:{lines[row]}", message)
    return frozenset(found)
