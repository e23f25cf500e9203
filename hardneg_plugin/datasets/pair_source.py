"""The passages, queries and judgements of tables of pairs, wherever their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import xxhash

from hardneg_plugin.datasets.pairs import Pair
from hardneg_plugin.datasets.rows import Passage, Qrel, Query


def text_id(prefix: str, text: str) -> str:
    """Return the id of a text that came without one: the same text gives the same id."""
    return f"{prefix}-{xxhash.xxh3_64_hexdigest(text.encode('utf-8', 'surrogatepass'))}"


class PairTable(NamedTuple):
    """One table of pairs.

    :param file: The file, for messages; empty where there is none.
    :param pairs: Starts the sound rows, told for which part of the dataset they are read.
    :param languages: Whether rows may have a language.
    """

    file: str
    pairs: Callable[[str], Iterator[Pair]]
    languages: bool


class PairSource:
    """Positives and negatives of all tables are the corpus: the same text is the same passage, or the same query.

    :param tables: Split → its table.
    """

    def __init__(self, tables: Mapping[str, PairTable]) -> None:
        self._tables = tables

    def splits(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._tables)

    def passages(self) -> Iterator[Passage]:
        """Yield each distinct text among the positives and negatives of all tables."""
        seen: set[str] = set()
        languages = self._later_languages()
        for table in self._tables.values():
            for pair in table.pairs("corpus"):
                for text in (*pair.positives, *pair.negatives):
                    identifier = text_id("p", text)
                    if identifier not in seen:
                        seen.add(identifier)
                        language = pair.language or languages.get(identifier, "")
                        yield Passage(identifier, text, "", language, pair.line, table.file)

    def queries(self) -> Iterator[Query]:
        """Yield each distinct anchor of all tables, with the answers of all its rows and the first language of one."""
        return iter(self._judged[0].values())

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield each distinct pair of a table, grade 1."""
        return iter(self._judged[1][split].values())

    @cached_property
    def _judged(self) -> tuple[dict[str, Query], dict[str, dict[tuple[str, str], Qrel]]]:
        """All queries, and the judgements of each split: a dataset holds both, and they are read at once."""
        queries: dict[str, Query] = {}
        judged: dict[str, dict[tuple[str, str], Qrel]] = {}
        for split, table in self._tables.items():
            found = judged[split] = {}
            for pair in table.pairs("queries"):
                passages = [text_id("p", text) for text in pair.positives]
                for text in pair.anchors:
                    identifier = text_id("q", text)
                    queries[identifier] = _merged(queries.get(identifier), identifier, text, pair, table.file)
                    for passage in passages:
                        found.setdefault((identifier, passage), Qrel(identifier, passage, 1, pair.line))
        return queries, judged

    def _later_languages(self) -> dict[str, str]:
        """Return the language of each passage whose first row has none and a later one has."""
        if not any(table.languages for table in self._tables.values()):
            return {}
        found: dict[str, str] = {}
        for table in self._tables.values():
            for pair in table.pairs("queries"):
                for text in (*pair.positives, *pair.negatives):
                    identifier = text_id("p", text)
                    found[identifier] = found.get(identifier) or pair.language
        return found


def _merged(known: Query | None, identifier: str, text: str, pair: Pair, file: str) -> Query:
    if known is None:
        return Query(identifier, text, pair.language, pair.answers, pair.line, file)
    if (not pair.language or known.language) and not pair.answers:
        return known
    answers = tuple(dict.fromkeys((*known.answers, *pair.answers)))
    return known._replace(language=known.language or pair.language, answers=answers)
