"""A Haystack retriever as miners ask it: what it takes, and how it is asked without losing the store's order."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from haystack.components.retrievers import TextEmbeddingRetriever

from hardneg_plugin.components.inner_components import components_in
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import MiningExample

TEXT, VECTOR = "query", "query_embedding"
_SORTS = "sorts by score, highest first"


class Asker(NamedTuple):
    """The examples that ask a query.

    :param name: Name of its first example, for messages.
    :param own: Ids of the positives of its examples.
    """

    name: str
    own: set[str]


def askers_of(examples: Sequence[MiningExample]) -> dict[str, Asker]:
    """Return query → the first example that asks it, with the positives of all that do.

    :param examples: The examples.
    """
    askers: dict[str, Asker] = {}
    for example in examples:
        asker = askers.setdefault(example.query, Asker(f"example {example.id!r}", set()))
        asker.own.update(positive.id for positive in example.positives)
    return askers


class AskedRetriever:
    """A retriever, and the embedder of its queries where it takes a vector.

    ``TextEmbeddingRetriever`` sorts what a store found by score, highest first, and so turns around what a store
    ordered by distance: it is taken apart, and its retriever is asked itself.

    :param component: Name of the miner, for messages.
    :param retriever: A component whose ``run`` takes ``query``, or ``query_embedding`` with a text embedder.
    :param text_embedder: Embeds the queries; None where the retriever takes texts.
    :raises ParameterError: If the retriever cannot be asked with a query alone, or does not answer with documents.
    """

    def __init__(self, component: str, retriever: Any, text_embedder: Any = None) -> None:
        self._component = component
        if isinstance(retriever, type) or isinstance(text_embedder, type):
            given = retriever if isinstance(retriever, type) else text_embedder
            msg = f"{component}: got the class {given.__name__}; give an instance of it"
            raise ParameterError(msg)
        # A subclass may have another run.
        if type(retriever) is TextEmbeddingRetriever:
            if text_embedder is not None:
                msg = f"{component}: text_embedder: the TextEmbeddingRetriever has one already; give its retriever"
                raise ParameterError(msg)
            retriever, text_embedder = retriever.retriever, retriever.text_embedder
        self.retriever, self.text_embedder = retriever, text_embedder
        self._inputs = _inputs_of(retriever)
        self._check()

    @property
    def name(self) -> str:
        """Name of the retriever's class."""
        return type(self.retriever).__name__

    @property
    def takes(self) -> str:
        """Input that the query goes into: ``query`` or ``query_embedding``."""
        return TEXT if self.text_embedder is None else VECTOR

    def has_input(self, name: str) -> bool:
        """Tell whether the retriever takes an input.

        :param name: Such as ``top_k``.
        """
        return name in self._inputs

    def check_order_inside(self, query: str) -> None:
        """Check that nothing inside the retriever sorts distances as if they were similarities.

        :param query: A query to ask with.
        :raises ParameterError: If a component does; it says which one and what to put in its place.
        """
        for part in components_in(self.retriever):
            embedder = getattr(part, "text_embedder", None) or getattr(part, "query_embedder", None)
            inner = getattr(part, "retriever", None)
            if embedder is None or inner is None or VECTOR not in _inputs_of(inner):
                continue
            part.warm_up()
            found = inner.run(**{VECTOR: embedder.run(text=query)["embedding"]})["documents"]
            scores = [document.score for document in found if document.score is not None]
            if len(scores) > 1 and scores == sorted(scores) and scores[0] < scores[-1]:
                msg = (
                    f"{self._component}: inside {self.name} a {type(part).__name__} {_SORTS}, but the scores of "
                    f"{type(inner).__name__} are distances: its worst come first; put a SuperComponent of a pipeline "
                    "text embedder → retriever in its place, which keeps the store's order"
                )
                raise ParameterError(msg)

    def _check(self) -> None:
        needed = self.takes
        what = "a query" if needed == TEXT else "a query_embedding"
        if needed not in self._inputs:
            msg = f"{self._component}: retriever must be a component whose run takes {what}, got {self.name}"
            raise ParameterError(msg + self._remedy())
        also = [name for name, required in self._inputs.items() if required and name != needed]
        if also:
            msg = (
                f"{self._component}: {self.name} also requires {', '.join(also)}, which a query alone does not give; "
                "wrap it in a SuperComponent whose pipeline makes them of the query"
            )
            raise ParameterError(msg)
        outputs = getattr(getattr(self.retriever, "__haystack_output__", None), "_sockets_dict", None)
        if outputs and "documents" not in outputs:
            msg = (
                f"{self._component}: {self.name} must answer with `documents`, its outputs are {', '.join(outputs)}; "
                "a SuperComponent names them by its output_mapping"
            )
            raise ParameterError(msg)

    def _remedy(self) -> str:
        if self.takes == TEXT and VECTOR in self._inputs:
            return "; give text_embedder, the embedder of its query, too"
        if self.takes == VECTOR and TEXT in self._inputs:
            return ", which takes a query itself; leave text_embedder out"
        if self._inputs:
            known = ", ".join(self._inputs)
            return f", whose inputs are {known}; a SuperComponent names its inputs by its input_mapping"
        return ""


def _inputs_of(retriever: object) -> Mapping[str, bool]:
    """Return name → whether it is required: of a component its sockets, of anything else the parameters of ``run``."""
    sockets = getattr(getattr(retriever, "__haystack_input__", None), "_sockets_dict", None)
    if sockets is not None:
        return {name: socket.is_mandatory for name, socket in sockets.items()}
    run = getattr(retriever, "run", None)
    if not callable(run):
        return {}
    return {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in inspect.signature(run).parameters.items()
        if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }
