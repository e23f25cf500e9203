"""A sentence-transformers model with the prompts, length and dimensions that it encodes queries and passages with."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense.search import Encoder, Kind, is_static_embedding
from hardneg_plugin.search.load_failure import load_failure
from hardneg_plugin.search.model_identity import model_identity

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Precision = Literal["float32", "float16", "bfloat16"]

# The names under which sentence-transformers looks for a prompt, the first that the model has.
_PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}


class IdentifiedEncoder(Encoder, Protocol):
    """An encoder whose vectors can be stored, since it says what they depend on."""

    def identity(self, kind: Kind) -> dict[str, object]:
        """Return JSON-able facts: equal facts promise equal vectors for equal texts."""


class DualEncoder:
    """Encodes queries and passages, each with its prompt.

    :param model: The model; never changed.
    :param query_prompt: Text in front of each query; None takes the model's own, an empty one takes none.
    :param passage_prompt: Text in front of each passage; likewise.
    :param truncate_dim: Leading dimensions that are kept (Matryoshka embeddings); None takes the model's own choice.
    :param devices: Devices that share the work, a process each; None encodes in this process.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        truncate_dim: int | None = None,
        devices: Sequence[str] | None = None,
    ) -> None:
        self._model = model
        self._devices = list(devices or ())
        self._pool: dict[Any, Any] | None = None
        self._given: dict[Kind, str | None] = {"query": query_prompt, "passage": passage_prompt}
        self._truncate_dim = truncate_dim

    @property
    def similarity_fn_name(self) -> str:
        """Name of the similarity that the model declares."""
        return self._model.similarity_fn_name

    @property
    def is_static_embedding(self) -> bool:
        """Whether the model looks word pieces up in a table, without a transformer."""
        return is_static_embedding(self._model)

    def encode_query(self, inputs: list[str], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Encode queries to an array of shape ``(texts, dimensions)``."""
        return self._model.encode_query(
            inputs,
            prompt=self.prompt("query"),
            truncate_dim=self._dims(),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            **self._workers(),
        )

    def encode_document(self, inputs: list[str], *, batch_size: int, show_progress_bar: bool) -> Any:
        """Encode passages to an array of shape ``(texts, dimensions)``."""
        return self._model.encode_document(
            inputs,
            prompt=self.prompt("passage"),
            truncate_dim=self._dims(),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            **self._workers(),
        )

    def prompt(self, kind: Kind) -> str:
        """Return the text in front of each query or passage; empty where there is none."""
        given = self._given[kind]
        if given is not None:
            return given
        prompts = self._model.prompts
        name = next((name for name in _PROMPT_NAMES[kind] if name in prompts), self._model.default_prompt_name)
        return (prompts.get(name) or "") if name is not None else ""

    def identity(self, kind: Kind) -> dict[str, object]:
        """Return what the vectors of a kind of text depend on: the model's content, the prompt and the dimensions."""
        return {
            "model": model_identity(self._model),
            "kind": kind,
            "prompt": self.prompt(kind),
            "truncate_dim": self._dims(),
        }

    def _workers(self) -> dict[str, Any]:
        """Return the processes to encode with, started when they are first needed; they end with this object."""
        if not self._devices:
            return {}
        if self._pool is None:
            self._pool = self._model.start_multi_process_pool(self._devices)
            weakref.finalize(self, self._model.stop_multi_process_pool, self._pool)
        return {"pool": self._pool}

    def _dims(self) -> int | None:
        return self._truncate_dim if self._truncate_dim is not None else self._model.truncate_dim


def load_model(
    model: str,
    *,
    max_length: int | None = None,
    device: str | Sequence[str] | None = None,
    dtype: Precision | None = None,
) -> SentenceTransformer:
    """Load a model; no code from its repository is ever run.

    :param model: Folder or hub id.
    :param max_length: Tokens after which a text is cut; None keeps the model's own limit.
    :param device: Such as ``cuda:0``; None takes the best there is, several leave the model in main memory.
    :param dtype: Precision of the weights; None keeps that of the files.
    :raises ParameterError: If no model can be loaded from there, or it cannot read texts of ``max_length`` tokens.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    folder = Path(model).expanduser()
    local = folder.is_dir()
    if device is not None and not isinstance(device, str):
        device = "cpu"
    try:
        loaded = SentenceTransformer(str(folder) if local else model, device=device, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        msg = f"model: no sentence-transformers model can be loaded from {model!r}: {load_failure(error)}"
        raise ParameterError(msg) from error
    if max_length is not None:
        _cut_at(loaded, max_length)
    return loaded if dtype is None else loaded.to(getattr(torch, dtype))


def _cut_at(model: SentenceTransformer, max_length: int) -> None:
    from tokenizers import Tokenizer

    first: Any = model[0]  # torch types the attributes of every module as tensors
    if isinstance(getattr(first, "tokenizer", None), Tokenizer):
        # A static embedding has no positions: it reads any length.
        first.tokenizer.enable_truncation(max_length)
        return
    limits = [model.max_seq_length, getattr(getattr(first, "config", None), "max_position_embeddings", None)]
    longest = min((limit for limit in limits if limit), default=max_length)
    if max_length > longest:
        msg = f"max_length {max_length} is more than the model reads: {longest} tokens"
        raise ParameterError(msg)
    model.max_seq_length = max_length
