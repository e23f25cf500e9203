"""Fingerprint a sentence-transformers model by its content, never by its name or folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

# Where a model was loaded from and what wrote it; neither changes a vector.
_NOT_CONTENT = ("_name_or_path", "base_model_name_or_path", "transformers_version", "dtype", "torch_dtype")


def model_identity(model: SentenceTransformer) -> str:
    """Return a hash of a model as it is in memory: one step of training gives another.

    It covers every tensor of the ``state_dict``, the kind and configuration of each module (pooling, normalisation,
    layers, adapters), the tokenizers and the length at which texts are cut. Prompts and dimensions are chosen at each
    call and are no part of it. Two copies of one model in different folders have the same identity.

    :param model: The model, on any device.
    :returns: 32 hex digits.
    """
    state = xxhash.xxh3_128()
    for name, module in model.named_modules():
        facts = [name, type(module).__qualname__, _configurations(module)]
        state.update(json.dumps(facts, sort_keys=True, default=_plain).encode())
        tokenizer = getattr(module, "tokenizer", None)
        if tokenizer is not None:
            _add_tokenizer(state, tokenizer)
    state.update(f"max_seq_length={model.max_seq_length}".encode())
    for name, tensor in model.state_dict().items():
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(_bytes(tensor).data)
    return state.hexdigest()


def _configurations(module: torch.nn.Module) -> dict[str, Any]:
    """Return the configurations that a module carries: of sentence-transformers, transformers and PEFT."""
    found: dict[str, Any] = {}
    if callable(config_dict := getattr(module, "get_config_dict", None)):
        found["module"] = config_dict()
    config: Any = getattr(module, "config", None)
    if hasattr(config, "to_dict"):
        found["config"] = config.to_dict()
    if isinstance(adapters := getattr(module, "peft_config", None), dict):
        found["adapters"] = {name: adapter.to_dict() for name, adapter in adapters.items()}
        found["disabled"] = bool(getattr(module, "_disable_adapters", False))
    return {kind: _content(values) for kind, values in found.items()}


def _content(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(name): _content(value) for name, value in values.items() if name not in _NOT_CONTENT}
    return values


def _plain(value: Any) -> Any:
    """Return what JSON cannot express as JSON: sets in order, functions and classes by their name, others as text."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return getattr(value, "__qualname__", None) or str(value)


def _bytes(tensor: torch.Tensor) -> NDArray[np.uint8]:
    import torch

    array: NDArray[np.uint8] = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def _add_tokenizer(state: xxhash.xxh3_128, tokenizer: Any) -> None:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

    if isinstance(tokenizer, Tokenizer):
        state.update(tokenizer.to_str().encode())
        return
    if isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.is_fast:
        # Truncation and padding are set anew by each call; what stays between two calls says nothing of the next.
        content = json.loads(tokenizer.backend_tokenizer.to_str())
        content.update(truncation=None, padding=None)
        sides = [tokenizer.model_max_length, tokenizer.padding_side, tokenizer.truncation_side]
        state.update(json.dumps([content, sides], sort_keys=True, default=str).encode())
        return
    with tempfile.TemporaryDirectory() as folder:
        save = tokenizer.save_pretrained if hasattr(tokenizer, "save_pretrained") else tokenizer.save
        save(folder)
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            state.update(path.name.encode())
            state.update(path.read_bytes())
