"""What a row of the contract tests' table is."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from dense_models import saved_cross_encoder, saved_model

import hardneg_plugin

# Stand for real ones where a test runs the component.
CORPUS = "a dataset spec"
MODEL = "a model"
CROSS_ENCODER = "a cross-encoder"


class Case(NamedTuple):
    """A component.

    :param name: Class name.
    :param module: Module that its `type` in YAML names: serialised API.
    :param stage: Whether it takes examples and gives examples.
    :param required: Parameters without a default.
    :param defaults: All others, by default.
    :param custom: All of them, each with another value.
    :param bad: Parameters that are refused, and what the message says.
    :param inputs: Sockets of `run`.
    :param outputs: Sockets that `run` fills.
    :param optional: Sockets that may stay empty.
    :param in_place_of_required: Parameters that exclude others; the component's own tests cover them.
    """

    name: str
    module: str
    stage: bool
    required: Mapping[str, Any]
    defaults: Mapping[str, Any]
    custom: Mapping[str, Any]
    bad: tuple[tuple[Mapping[str, Any], str], ...]
    inputs: tuple[str, ...] = ("examples",)
    outputs: tuple[str, ...] = ("examples",)
    optional: tuple[str, ...] = ()
    in_place_of_required: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """What Haystack writes as the type of the component."""
        return f"hardneg_plugin.components.{self.module}.{self.name}"

    def build(self, spec: Any = CORPUS, /, **parameters: Any) -> Any:
        """Make the component with its required parameters and some more."""
        given = {**self.required, **parameters}
        if spec is not CORPUS:
            real = {CORPUS: lambda: spec, MODEL: tiny_model, CROSS_ENCODER: tiny_cross_encoder}
            given = {name: real[value]() if value in tuple(real) else value for name, value in given.items()}
        return getattr(hardneg_plugin, self.name)(**given)

    def finding(self, source: str) -> dict[str, str]:
        """Return the parameters with which it adds candidates, or scores, to examples that have some already."""
        if self.name in ("RAGNegativeRanker", "CrossEncoderFilter"):
            return {"scorer": source}
        return {"source": source} if self.name.endswith(("NegativeMiner", "Generator", "FusionRanker")) else {}

    def anywhere(self) -> dict[str, Any]:
        """Return the parameters with which it finds any passage, for a query without a positive."""
        return {"clusters": 1, "around": "query"} if self.name == "ClusterNegativeMiner" else {}


@lru_cache(maxsize=1)
def _model_folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    saved_model(folder.name)
    return folder


def tiny_model() -> str:
    """Return the folder of a small model; it lives as long as the process."""
    return _model_folder().name


@lru_cache(maxsize=1)
def _cross_encoder_folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    saved_cross_encoder(folder.name)
    return folder


def tiny_cross_encoder() -> str:
    """Return the folder of a small cross-encoder; it lives as long as the process."""
    return _cross_encoder_folder().name


def whole(name: str, lowest: int, got: object) -> tuple[dict[str, Any], str]:
    return {name: got}, f"{name} must be a whole number of at least {lowest}, got {got!r}"


def number(name: str, wanted: str, got: object) -> tuple[dict[str, Any], str]:
    return {name: got}, f"{name} must be a number {wanted}, got {got!r}"


NO_CORPUS = tuple(
    ({"corpus": value}, f"corpus must be a dataset spec or a document store, got {value!r}")
    for value in (None, 7, ["beir:data"])
)
NO_SOURCE = tuple(({"source": value}, f"source must be a name, got {value!r}") for value in ("", "  ", None))
# The corpus of a case is no store.
NO_STORE = (
    ({"filters": {"field": "id", "operator": "==", "value": "a"}}, "filters select documents of a store"),
    *(
        ({"meta_fields": value}, f"meta_fields must be a list of keys of Document.meta, got {value!r}")
        for value in ([], "url", [7], [" "])
    ),
)
