"""All documents of a Haystack document store, a page at a time where the store has pages.

The protocol of a store has one way to read: ``filter_documents``. Some stores answer it with their first 10,000
documents and say nothing. The number that a store counts is therefore compared with the number that it gave, and what
is missing is asked for by filters: ranges of ids, values of a meta key, and at last all ids but those that are known.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from haystack.dataclasses import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.errors import DatasetError

Filters = dict[str, Any]
# Qdrant's own way to read a page after the other.
_STREAM = "_get_documents_generator"
# Documents that are read at once where a store can be asked by parts, and meta keys that are looked at for that.
_AT_ONCE, _MOST_KEYS = 2_000, 8
# Parts that a page which was cut is asked for again in.
_PARTS = 4
# Values of a meta key that are asked for one by one.
_MOST_VALUES = 1_000
# Ids that a filter may name: Elasticsearch takes 65,536 terms.
_MOST_IDS = 65_000

logger = logging.getLogger(__name__)


def counted(store: DocumentStore, filters: Filters | None) -> int | None:
    """Return how many documents a store has that a filter selects, or None where it cannot tell."""
    if filters is None:
        return int(store.count_documents())
    by_filter = getattr(store, "count_documents_by_filter", None)
    return None if by_filter is None else int(by_filter(filters))


def stored_documents(store: DocumentStore, filters: Filters | None) -> Iterator[Document]:
    """Yield all documents of a store that a filter selects.

    :param store: The store.
    :param filters: Haystack metadata filters; None selects all.
    :raises DatasetError: If the store counts more documents than it gives.
    """
    total = counted(store, filters)
    pages = _Pages(store, filters)
    if total is not None and total > _AT_ONCE and not isinstance(store, InMemoryDocumentStore):
        yield from pages.by_values(total)
    if not pages.given or pages.given < (total or 0):
        yield from pages.first()
    # Without a count, whether there is more is asked; a page that was cut has a round number of documents.
    wanted = total if total is not None else pages.given + (_round(pages.given) and pages.beyond())
    if pages.given < wanted:
        yield from pages.rest(total)
    if pages.given < wanted:
        msg = (
            f"{type(store).__name__}: the store counts {'more' if total is None else f'{total:,}'} documents and gives "
            f"{pages.given:,} ({pages.cap:,} at a time), also when it is asked by filters; a corpus without the others "
            "would be wrong. Mine its parts apart by `filters`, or export the documents to a dataset"
        )
        raise DatasetError(msg) from pages.fault


class _Pages:
    """The documents of a store, each once, page by page.

    :param store: The store.
    :param filters: What selects the documents; None selects all.
    """

    def __init__(self, store: DocumentStore, filters: Filters | None) -> None:
        self._store, self._filters = store, filters
        self._seen: set[str] = set()
        self._keys: dict[str, set[Any]] = {}
        self.given, self.cap = 0, 0
        self.fault: Exception | None = None

    def first(self) -> Iterator[Document]:
        """Yield what the store gives when it is asked for all."""
        streams = callable(getattr(self._store, _STREAM, None))
        pages: Iterable[Document] = _streamed(self._store, self._filters) if streams else self._ask()
        before = len(self._seen)
        for document in _released(pages):
            self.cap += 1
            # A store may give one id twice, which is told later; what other filters gave is known.
            if not before or document.id not in self._seen:
                self.given += 1
                self._note(document)
                yield document

    def by_values(self, total: int) -> Iterator[Document]:
        """Yield documents by the values of a meta key, where the store lists these.

        A store's list has all vectors as Python numbers, 25 KB a document; by parts they never lie in memory together.
        What no value selects is left to :meth:`first`.

        :param total: Documents that the store counts.
        """
        if callable(getattr(self._store, _STREAM, None)):
            return
        try:
            key, values = self._listed(total)
            size = max(1, len(values) * _AT_ONCE // total)
            for start in range(0, len(values), size):
                yield from self._new(self._ask(_compared(f"meta.{key}", "in", values[start : start + size])))
        except Exception as error:
            logger.debug("%s: by values: %s", type(self._store).__name__, error)

    def _listed(self, total: int) -> tuple[str, list[Any]]:
        """Return a meta key whose values cut the documents into small parts, and these values; none where none does."""
        best: tuple[str, list[Any]] = ("", [])
        fields: dict[str, Any] = getattr(self._store, "get_metadata_fields_info", dict)()
        for key in sorted(fields)[:_MOST_KEYS]:
            values, count = self._store.get_metadata_field_unique_values(key, size=_MOST_VALUES)  # type: ignore[attr-defined]
            scalars = all(_scalar(value) is not None for value in values)
            if scalars and len(best[1]) < count <= min(len(values), _MOST_VALUES):
                best = (key.removeprefix("meta."), values)
            if len(best[1]) * _AT_ONCE >= total:
                break
        return best

    def rest(self, total: int | None) -> Iterator[Document]:
        """Yield what the first page left out, by whatever filters the store understands.

        :param total: Documents that the store counts, or None where it cannot tell.
        """
        for split in (self._by_id, self._by_meta, self._but_known):
            try:
                yield from split()
            # Each store refuses a filter by an error of its own.
            except Exception as error:
                self.fault = error
                logger.debug("%s: %s: %s", type(self._store).__name__, split.__name__, error)
            if total is not None and self.given >= total:
                return

    def beyond(self) -> bool:
        """Tell whether the store has a document that it did not give."""
        return any(document.id not in self._seen for document in self._ask(_but(self._seen)))

    def _by_id(self) -> Iterator[Document]:
        """Yield documents by ranges of ids, cut until none has more documents than a page."""
        parts: list[tuple[str | None, str | None]] = _ranges(None, None, self._seen)
        while parts:
            low, high = parts.pop()
            bounds = ((">", low), ("<=", high))
            conditions = [_compared("id", operator, bound) for operator, bound in bounds if bound is not None]
            page = self._ask(*conditions)
            _check_range(page, low, high)
            if len(page) >= self.cap:
                parts += _ranges(low, high, {document.id for document in page})
            yield from self._new(page)

    def _by_meta(self) -> Iterator[Document]:
        """Yield documents by the values of meta keys, those of a page that was cut by a second key."""
        parts: list[list[Filters]] = [[]]
        while parts:
            conditions = parts.pop()
            page = self._ask(*conditions) if conditions else []
            _check_values(page, conditions)
            key = self._key(conditions, page) if not conditions or len(page) >= self.cap else None
            yield from self._new(page)
            if key is not None:
                field, values = f"meta.{key}", self._keys[key]
                asked: list[Any] = next((part["value"] for part in conditions if part["field"] == field), [])
                kept = [part for part in conditions if part["field"] != field]
                new = sorted(values - {*asked}, key=repr)
                parts += [[*kept, _compared(field, "==", value)] for value in new]
                if new:
                    parts.append([*kept, _compared(field, "not in", sorted(values, key=repr))])

    def _but_known(self) -> Iterator[Document]:
        """Yield documents whose ids are not among the known ones, as long as there are any."""
        while len(self._seen) <= _MOST_IDS:
            before = self.given
            yield from self._new(self._ask(_but(self._seen)))
            if self.given == before:
                return

    def _key(self, conditions: Sequence[Filters], page: Sequence[Document]) -> str | None:
        """Return the meta key that cuts a page into the smallest parts."""
        used = {part["field"] for part in conditions if part["operator"] == "=="}
        best, smallest = None, float(len(page) or self.cap)
        for key, values in self._keys.items():
            if f"meta.{key}" in used or not 1 < len(values) <= _MOST_VALUES:
                continue
            counts = Counter(_scalar(document.meta.get(key)) for document in page)
            largest = max(counts.values()) if counts else self.cap / len(values)
            if largest < smallest:
                best, smallest = key, largest
        return best

    def _ask(self, *conditions: Filters) -> list[Document]:
        parts = [*([self._filters] if self._filters else []), *conditions]
        filters = {"operator": "AND", "conditions": parts} if len(parts) > 1 else (parts[0] if parts else None)
        return list(self._store.filter_documents(filters=filters))

    def _new(self, page: list[Document]) -> Iterator[Document]:
        for document in _released(page):
            if document.id not in self._seen:
                self.given += 1
                self._note(document)
                yield document

    def _note(self, document: Document) -> None:
        self._seen.add(document.id)
        for key, value in document.meta.items():
            values = self._keys.setdefault(key, set())
            if _scalar(value) is not None and len(values) <= _MOST_VALUES:
                values.add(value)


def _streamed(store: Any, filters: Filters | None) -> Iterator[Document]:
    """Yield documents of a store whose list is made from a generator, in small pages."""
    size = getattr(store, "scroll_size", _AT_ONCE)
    store.scroll_size = min(size, _AT_ONCE)
    try:
        yield from getattr(store, _STREAM)(filters)
    finally:
        store.scroll_size = size


def _released(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield documents; those of a list are let go one by one, with their vectors."""
    if not isinstance(documents, list):
        yield from documents
        return
    documents.reverse()
    while documents:
        yield documents.pop()


def _check_range(page: Iterable[Document], low: str | None, high: str | None) -> None:
    """Check that a store compares ids as asked: one that does not may be asked without an end."""
    outside = [one.id for one in page if not (low or "") <= one.id <= (one.id if high is None else high)]
    if outside:
        msg = f"asked for the ids after {low!r} to {high!r}, and got {outside[0]!r}"
        raise ValueError(msg)


def _check_values(page: Iterable[Document], conditions: Iterable[Filters]) -> None:
    """Check that a store compares meta as asked."""
    for condition in conditions:
        key, negated = condition["field"].removeprefix("meta."), condition["operator"] == "not in"
        values = condition["value"] if negated else [condition["value"]]
        for document in page:
            if (document.meta.get(key) in values) is negated:
                got = f"document {document.id!r} with {document.meta.get(key)!r:.80}"
                msg = f"asked for {condition!r:.200}, and got {got}"
                raise ValueError(msg)


def _ranges(low: str | None, high: str | None, ids: Iterable[str]) -> list[tuple[str | None, str | None]]:
    """Return ranges of ids, the lower bound outside, between which about as many of some ids lie."""
    ordered = sorted(ids)
    bounds = [ordered[len(ordered) * part // _PARTS] for part in range(1, _PARTS)] if ordered else []
    inner = sorted({bound for bound in bounds if bound not in (low, high)})
    if not inner:
        return []
    edges = [low, *inner, high]
    return list(pairwise(edges))


def _compared(field: str, operator: str, value: object) -> Filters:
    return {"field": field, "operator": operator, "value": value}


def _but(ids: Iterable[str]) -> Filters:
    return _compared("id", "not in", sorted(ids))


def _scalar(value: object) -> object:
    return value if isinstance(value, str | int) else None


def _round(number: int) -> bool:
    """Tell whether a number of documents looks like a limit: a multiple of 100, or a power of two."""
    return number >= 10 and (number % 100 == 0 or number & (number - 1) == 0)
