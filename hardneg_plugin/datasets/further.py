"""A source with further passages behind its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import xxhash

from hardneg_plugin.datasets.pair_source import text_id
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, Source
from hardneg_plugin.datasets.texts_of import Texts, texts_of


class FurtherPassages:
    """Adds the texts of a collection that the source does not have; their ids are made of their texts.

    :param source: The source.
    :param texts: The collection.
    :param identity: Starts what tells a changed collection.
    """

    def __init__(self, source: Source, texts: Texts, identity: Callable[[], object]) -> None:
        self._source, self._texts, self._identity = source, texts, identity

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._source.name

    def identity(self) -> dict[str, object]:
        """Return that of the source and that of the collection."""
        return {"further": [self._source.identity(), self._identity()]}

    def passages(self) -> Iterator[Passage]:
        """Yield the passages of the source, and then each further text once."""
        seen: set[int] = set()
        for passage in self._source.passages():
            seen.update(_hashes(passage.title, passage.text))
            yield passage
        for text in self._texts.start():
            # A passage stands in pairs without its title as well.
            hashes = _hashes(text.title, text.text)
            if seen.isdisjoint(hashes):
                seen.update(hashes)
                whole = f"{text.title} {text.text}" if text.title else text.text
                yield Passage(text_id("p", whole), text.text, text.title, text.language, text.line, self._texts.where)

    def queries(self) -> Iterator[Query]:
        """Yield the queries of the source."""
        return self._source.queries()

    def splits(self) -> tuple[str, ...]:
        """Names of the source's splits."""
        return self._source.splits()

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements of the source."""
        return self._source.qrels(split)

    def where(self, part: str) -> str:
        """Return the source's place of a part."""
        return self._source.where(part)


def with_further(source: Source, corpus: Any, problems: RowProblems) -> Source:
    """Return the source with further passages.

    :param source: The source.
    :param corpus: What holds them, see :func:`~hardneg_plugin.datasets.texts_of.texts_of`; None for none.
    :param problems: Takes those that are no texts.
    """
    if corpus is None:
        return source
    texts = texts_of(corpus, "corpus", problems, ids=False)
    return FurtherPassages(source, texts, partial(content_identity, texts))


def content_identity(texts: Texts) -> str:
    """Return a hash of the texts of a collection in memory."""
    digest = xxhash.xxh3_128()
    for text in texts.start():
        digest.update(repr(text[:4]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _hashes(title: str, text: str) -> set[int]:
    whole = f"{title} {text}" if title else text
    return {xxhash.xxh3_64_intdigest(one.encode("utf-8", "surrogatepass")) for one in (text, whole)}
