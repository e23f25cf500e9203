"""Importing a source's corpus into the cache: validated row by row, streamed, once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hardneg_plugin.cache import CACHE_VARIABLE, entry_path, fingerprint, is_sound, refuse_links, staging_folder
from hardneg_plugin.checksums import sealed, unsealed
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Source
from hardneg_plugin.errors import CacheError, DatasetError
from hardneg_plugin.files import write_atomically
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.corpus_writer import CorpusWriter, duplicate_rows, publish_corpus

# Raised when a change of the code changes what is imported from the same files.
IMPORT_VERSION = 4
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def validate_text(text: str, max_chars: int) -> tuple[str, str] | None:
    """Return ``(kind, message)`` of what is wrong with a text, or None.

    :param max_chars: Longer texts are faults: one broken row would fill the memory of every later stage.
    """
    if not text or text.isspace():
        return "empty text", "the text is empty"
    if len(text) > max_chars:
        return "too long", f"the text has {len(text):,} characters, more than max_text_chars = {max_chars:,}"
    if _storable(text):
        return None
    found = _UNSTORABLE.search(text)
    assert found is not None
    name = "a NUL byte" if found.group() == "\x00" else f"half a surrogate pair ({found.group()!a})"
    return "broken character", f"the text has {name} at character {found.start()}"


def all_sound(values: Sequence[object], max_chars: int) -> bool:
    """Tell whether all of some values are texts without a fault; takes a tenth of the time of one text at a time."""
    if set(map(type, values)) != {str}:
        return False
    texts: Sequence[str] = values  # type: ignore[assignment]
    if not all(texts) or any(map(str.isspace, texts)) or max(map(len, texts)) > max_chars:
        return False
    return _storable("".join(texts))


def _storable(text: str) -> bool:
    """Tell whether a text has no NUL byte, and no half of a surrogate pair."""
    if "\x00" in text:
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def id_fault(identifier: str, language: str) -> tuple[str, str] | None:
    """Return ``(kind, message)`` of what is wrong with the id or the language of a row, or None."""
    if not identifier.strip() or not _storable(identifier):
        return "broken id", f"the id is {identifier!r}"
    if not _storable(language):
        return "broken language", f"the language is {language!r}"
    return None


def import_corpus(source: Source, problems: RowProblems, *, max_chars: int, language: str) -> Corpus:
    """Return the corpus of a source; read it into the cache first unless the same files were read before.

    :param source: Where the passages come from.
    :param problems: Counts what is left out.
    :param max_chars: Longest text in characters.
    :param language: Language of passages that carry none.
    :raises DatasetError: If a row is bad and bad rows are errors, or no row is left.
    """
    # What was read of a source is remembered by a hash of its files: those that stay the same are not imported again.
    options = [IMPORT_VERSION, max_chars, language, problems.on_bad_row]
    memo = entry_path("sources", fingerprint([source.identity(), options])).with_suffix(".json")
    corpus = _remembered(memo, problems)
    if corpus is None:
        corpus = _read(source, problems, max_chars=max_chars, language=language)
        _remember(memo, corpus, problems)
    return corpus


def _remembered(memo: Path, problems: RowProblems) -> Corpus | None:
    if not memo.is_file():
        return None
    try:
        facts = unsealed(json.loads(memo.read_text("utf-8")))
        key, left_out, examples = facts["corpus"], dict(facts["left_out"]), list(facts["examples"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # damaged: the files are read once more, and it is written anew
    if not is_sound(entry_path("corpus", key)):
        return None
    problems.recall("corpus", left_out, examples)
    return Corpus.open(key)


def _remember(memo: Path, corpus: Corpus, problems: RowProblems) -> None:
    left_out, examples = problems.counts().get("corpus", {}), problems.examples["corpus"]
    refuse_links(memo.parent)
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        facts = sealed({"corpus": corpus.key, "left_out": left_out, "examples": examples})
        write_atomically(memo, json.dumps(facts))
    except OSError as error:
        msg = f"cannot write the cache folder {memo.parent}: {error}; set {CACHE_VARIABLE} to one that can be written"
        raise CacheError(msg) from error


def _read(source: Source, problems: RowProblems, *, max_chars: int, language: str) -> Corpus:
    # Ids that occur twice are only known at the end; rows are then read once more without them.
    first_of: dict[int, int] = {}
    while True:
        problems.start("corpus")
        with staging_folder("corpus") as folder:
            with CorpusWriter(folder) as writer:
                for passage in _unique(_sound(source, problems, max_chars), first_of, source, problems):
                    writer.add(passage.id, passage.text, passage.title, passage.language or language)
            if not writer.rows:
                left_out = problems.counts().get("corpus", "nothing")
                msg = f"{source.where('corpus')}: no passage is left; left out: {left_out}"
                raise DatasetError(msg)
            again = {} if first_of else {row: first for row, first, _ in duplicate_rows(folder)}
            if not again:
                return publish_corpus(folder, writer.key)
        first_of = again


def _sound(source: Source, problems: RowProblems, max_chars: int) -> Iterator[Passage]:
    for passage in source.passages():
        text = f"{passage.title} {passage.text}" if passage.title else passage.text
        fault = validate_text(text, max_chars) or id_fault(passage.id, passage.language)
        if fault is None:
            yield passage
        else:
            problems.bad("corpus", fault[0], _place(source, passage), f"passage {passage.id!r}: {fault[1]}")


def _unique(
    passages: Iterator[Passage], first_of: Mapping[int, int], source: Source, problems: RowProblems
) -> Iterator[Passage]:
    firsts = set(first_of.values())
    locations: dict[int, str] = {}
    for row, passage in enumerate(passages):
        if row in firsts:
            locations[row] = _place(source, passage)
        if row in first_of:
            message = f"passage id {passage.id!r} occurs twice, first in {locations[first_of[row]]}"
            problems.bad("corpus", "duplicate id", _place(source, passage), message)
        else:
            yield passage


def _place(source: Source, passage: Passage) -> str:
    return f"{passage.file or source.where('corpus')}:{passage.line}"
