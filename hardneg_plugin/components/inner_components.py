"""The components and document stores that a Haystack component is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PARTS = ("retriever", "_retriever", "retrievers", "text_embedder", "query_embedder", "document_embedder")
_STORES = ("document_store", "_document_store")


def components_in(component: object) -> Iterator[Any]:
    """Yield a component and all that it asks: wrapped retrievers and embedders, those of its pipeline, each once.

    :param component: Any object; what is no component has no parts.
    """
    waiting, seen = [component], set()
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        for name in _PARTS:
            part = getattr(each, name, None)
            waiting += part.values() if isinstance(part, Mapping) else [part]
        graph = getattr(getattr(each, "pipeline", None), "graph", None)
        if graph is not None:
            waiting += [data["instance"] for _, data in graph.nodes(data=True)]


def stores_in(component: object) -> list[Any]:
    """Return the document stores that a component and its parts read, each once.

    :param component: A retriever, or what wraps some.
    """
    found: dict[int, Any] = {}
    for each in components_in(component):
        for name in _STORES:
            store = getattr(each, name, None)
            if callable(getattr(store, "count_documents", None)):
                found[id(store)] = store
    return list(found.values())


def empty_store_in(component: object) -> str:
    """Return the name of an empty document store that a component reads; empty where all have documents.

    :param component: A retriever, or what wraps some.
    """
    return next((type(store).__name__ for store in stores_in(component) if store.count_documents() == 0), "")
