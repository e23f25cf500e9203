"""Several sources as one: a corpus in several languages, or from several collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hardneg_plugin.datasets.rows import Passage, Qrel, Query, Source


class UnionMember(NamedTuple):
    """One of the sources.

    :param prefix: Stands before each of its ids, with a slash; ids of different sources never meet.
    :param source: The source.
    :param language: Language of its rows that carry none.
    """

    prefix: str
    source: Source
    language: str


def named_parts(sources: Sequence[tuple[Source, str]]) -> tuple[UnionMember, ...]:
    """Return the parts of a union: the prefix is the source's name, and its number where two have one name.

    :param sources: Sources, each with the language of rows that carry none.
    """
    names = [source.name for source, _ in sources]
    return tuple(
        UnionMember(name if names.count(name) == 1 else f"{number}-{name}", source, language)
        for number, (name, (source, language)) in enumerate(zip(names, sources, strict=True), 1)
    )


class UnionSource:
    """The passages, queries and judgements of several sources, one source after the other.

    Ids get a prefix, so that a passage and its translation, which share an id in parallel collections, stay two
    passages; ``ParentDocumentFilter(id_pattern="^[^/]+/(.*)$")`` then drops translations of a positive.

    :param parts: The sources.
    """

    def __init__(self, parts: Sequence[UnionMember]) -> None:
        self._parts = tuple(parts)

    @property
    def name(self) -> str:
        """The names of all, joined by a plus sign."""
        return "+".join(part.prefix for part in self._parts)

    def identity(self) -> dict[str, object]:
        """Prefix, language and identity of every source."""
        return {"union": [[part.prefix, part.language, part.source.identity()] for part in self._parts]}

    def passages(self) -> Iterator[Passage]:
        """Yield the passages of all."""
        for part in self._parts:
            location = part.source.where("corpus")
            for passage in part.source.passages():
                yield passage._replace(
                    id=f"{part.prefix}/{passage.id}",
                    language=passage.language or part.language,
                    file=passage.file or location,
                )

    def queries(self) -> Iterator[Query]:
        """Yield the queries of all."""
        for part in self._parts:
            location = part.source.where("queries")
            for query in part.source.queries():
                yield query._replace(
                    id=f"{part.prefix}/{query.id}",
                    language=query.language or part.language,
                    file=query.file or location,
                )

    def splits(self) -> tuple[str, ...]:
        """Return the splits that any of the sources has."""
        return tuple(dict.fromkeys(split for part in self._parts for split in part.source.splits()))

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements of the sources that have the split."""
        for part in self._parts:
            if split not in part.source.splits():
                continue
            location = part.source.where(f"qrels/{split}")
            for qrel in part.source.qrels(split):
                yield qrel._replace(
                    query_id=f"{part.prefix}/{qrel.query_id}",
                    passage_id=f"{part.prefix}/{qrel.passage_id}",
                    file=qrel.file or location,
                )

    def where(self, part: str) -> str:
        """Return the files of a part."""
        return " or ".join(one.source.where(part) for one in self._parts)
