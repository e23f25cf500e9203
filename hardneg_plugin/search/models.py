"""Load sentence-transformers models, and tell static embeddings from transformers: the one place that does either."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hardneg_plugin.errors import ModelError, ParameterError
from hardneg_plugin.search.load_failure import load_failure

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

PoolingMode = Literal["mean", "cls"]
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def load_sentence_transformer(
    name: str, *, what: str = "model", pooling: PoolingMode | None = None, device: str | None = None
) -> SentenceTransformer:
    """Load a model from a folder or the hub, without any code from its repository.

    :param name: Folder or hub id of a sentence-transformers model, or of a plain transformer.
    :param what: Name of the parameter that holds the model; the message begins with it.
    :param pooling: Pooling of a plain transformer; None means ``mean``.
    :param device: Such as ``cuda:0``; None takes the best there is.
    :raises ModelError: If the model does not exist or cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.util import is_sentence_transformer_model

    folder = local_folder(name, what)
    path, local = (name, False) if folder is None else (str(folder), True)
    try:
        if is_sentence_transformer_model(path, local_files_only=local):
            return SentenceTransformer(path, device=device, local_files_only=local)
        transformer = Transformer(path)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{what}: no sentence-transformers model can be loaded from {name!r}: {load_failure(error)}"
        raise ModelError(msg) from error
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling or "mean")]
    return SentenceTransformer(modules=modules, device=device)


def local_folder(name: str, what: str = "model") -> Path | None:
    """Return the folder of a model, or None if the name is a hub id.

    :param name: Folder or hub id.
    :param what: Name of the parameter that holds the model; the message begins with it.
    :raises ModelError: If it is neither a folder nor a possible hub id.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(name):
        msg = f"{what}: there is no folder {name}, and it is no id of the Hugging Face Hub (owner/name)"
        raise ModelError(msg)
    return None


def input_modules(model: SentenceTransformer) -> list[torch.nn.Module]:
    """Return the modules that read texts: the first one of a model, or of each of its encoders."""
    from sentence_transformers.base.modules import Router

    first = model[0]
    if not isinstance(first, Router):
        return [first]
    return [next(route.children()) for route in first.sub_modules.values()]


def is_static_embedding(model: object) -> bool:
    """Tell whether a model is a table of token vectors, without a transformer.

    :param model: A ``SentenceTransformer``, or an encoder that declares it by an attribute of this name.
    """
    library = sys.modules.get("sentence_transformers")
    if library is None or not isinstance(model, library.SentenceTransformer):
        return bool(getattr(model, "is_static_embedding", False))
    return all(map(is_static_module, input_modules(model)))


def is_static_module(module: torch.nn.Module) -> bool:
    """Tell whether a module is sentence-transformers' table of token vectors."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    return isinstance(module, StaticEmbedding)


def is_static_folder(folder: Path) -> bool:
    """Tell by its files alone whether a folder holds a static embedding model."""
    modules = folder / "modules.json"
    return modules.is_file() and "StaticEmbedding" in modules.read_text("utf-8")


def cut_texts_at(model: SentenceTransformer, max_length: int) -> None:
    """Let a model cut texts after a number of tokens.

    :param model: The model; changed in place.
    :param max_length: Number of tokens.
    :raises ParameterError: If the model cannot read as many tokens.
    """
    for module in input_modules(model):
        _cut_module_at(module, max_length)


def _cut_module_at(module: Any, max_length: int) -> None:
    # torch types the attributes of every module as tensors, hence Any.
    if is_static_module(module):
        module.tokenizer.enable_truncation(max_length)
        return
    # A plain transformer's own limit (its positions) comes with its tokenizer or its configuration.
    limits = [module.max_seq_length, getattr(module.config, "max_position_embeddings", None)]
    longest = min((limit for limit in limits if limit), default=max_length)
    if max_length > longest:
        msg = f"max_length {max_length} is more than the model reads: {longest} tokens"
        raise ParameterError(msg)
    module.max_seq_length = max_length
