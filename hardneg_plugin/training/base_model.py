"""The model that training starts from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xxhash

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.search.load_failure import load_failure
from hardneg_plugin.training.encoders import TIED, Encoders, input_modules, with_encoders
from hardneg_plugin.training.prompts import set_prompts
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY, build_static_model

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

STATIC = "static"
PoolingMode = Literal["mean", "cls"]
TRANSFORMER_LEARNING_RATE = 2e-5
LORA_LEARNING_RATE = 2e-4
PRETRAINED_STATIC_LEARNING_RATE = 1e-3
SCRATCH_STATIC_LEARNING_RATE = 1e-1
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_READ_BYTES = 1 << 24


def load_base_model(
    base_model: str,
    *,
    pooling: PoolingMode | None = None,
    max_length: int | None = None,
    seed: int = 42,
    corpus_texts: Iterable[str] | None = None,
    static_dims: int = STATIC_DIMS,
    vocabulary: int | str = VOCABULARY,
    encoders: Encoders = TIED,
    prompts: Mapping[str, str] | None = None,
) -> SentenceTransformer:
    """Load or build the model that training starts from. No code from a model's repository is ever run.

    :param base_model: Folder or hub id of a sentence-transformers model or of a plain transformer (such as
        ``google-bert/bert-base-multilingual-cased``), or ``static`` for a static embedding model from scratch.
    :param pooling: How a plain transformer's token vectors become one: ``mean`` (what ``None`` means for it) or
        ``cls``. A sentence-transformers model brings its own, and ``None`` keeps it.
    :param max_length: Number of tokens after which a text is cut; ``None`` keeps the model's own.
    :param seed: Seed of weights that are not loaded (``static`` only).
    :param corpus_texts: Texts that the word pieces of ``static`` are learnt from; iterated twice.
    :param static_dims: Dimensions of ``static``.
    :param vocabulary: Number of word pieces of ``static``, or the folder or hub id of a tokenizer to take them from.
    :param encoders: ``tied``: one encoder for queries and passages; ``separate``: two, which start alike. The texts
        then have to be encoded with ``encode_query`` and ``encode_document``.
    :param prompts: Texts to put before every ``query`` and every ``passage``; what is not given is the model's own.
    :raises ParameterError: If a parameter cannot work with this model, or the model's own pooling is another one.
    :raises TrainingError: If there is no such model, it cannot be loaded, or it has separate encoders and tied ones are
        asked for.
    """
    if max_length is not None and max_length < 1:
        msg = f"max_length must be at least 1 token, got {max_length}"
        raise ParameterError(msg)
    if base_model == STATIC:
        _check_static(pooling, corpus_texts)
        model = build_static_model(
            corpus_texts or (), dims=static_dims, vocabulary=vocabulary, max_length=max_length, seed=seed
        )
    else:
        model = _load(base_model, pooling, max_length)
    model = with_encoders(model, base_model, encoders)
    set_prompts(model, prompts)
    return model


def load_pretrained(name: str, *, what: str = "base_model", pooling: PoolingMode | None = None) -> SentenceTransformer:
    """Load a model from a folder or the hub, without any code from its repository.

    :param name: Folder or hub id of a sentence-transformers model, or of a plain transformer.
    :param what: What the model is for; the messages begin with it.
    :param pooling: Pooling of a plain transformer; ``None`` means ``mean``.
    :raises TrainingError: If there is no such model, or it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.util import is_sentence_transformer_model

    folder = local_folder(name, what)
    path = name if folder is None else str(folder)
    try:
        if is_sentence_transformer_model(path, local_files_only=folder is not None):
            return SentenceTransformer(path, local_files_only=folder is not None)
        transformer = Transformer(path)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{what} {name} cannot be loaded: {load_failure(error)}"
        raise TrainingError(msg) from error
    return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension(), pooling or "mean")])


def local_folder(base_model: str, what: str = "base_model") -> Path | None:
    """Return the folder of a model, or ``None`` if it is ``static`` or a hub id.

    :param base_model: Its name.
    :param what: What the model is for; the message begins with it.
    :raises TrainingError: If it is neither a folder nor a possible hub id.
    """
    folder = Path(base_model).expanduser()
    if base_model == STATIC:
        return None
    if folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(base_model):
        msg = f"{what}: there is no folder {base_model}, and it is no id of the Hugging Face Hub (owner/name)"
        raise TrainingError(msg)
    return None


def base_model_identity(base_model: str) -> str:
    """Return the id of a hub model, or a hash of a local one's files, which tells when other weights lie there."""
    folder = local_folder(base_model)
    if folder is None:
        return base_model
    state = xxhash.xxh3_128()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        state.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                state.update(block)
    return f"files:{state.hexdigest()}"


def is_static(model: SentenceTransformer) -> bool:
    """Tell whether a model looks its word pieces up in one table, without a transformer."""
    return any(_is_table(module) for module in input_modules(model))


def auto_learning_rate(base_model: str, model: SentenceTransformer, *, lora: bool = False) -> float:
    """Return the learning rate that ``auto`` stands for.

    2e-5 for a transformer (the usual one for BERT-sized encoders), 2e-4 for adapters beside it (the lower end of what
    Hu et al. 2021, table 9, trained RoBERTa with; not measured here), 1e-3 for a pretrained static embedding model, and
    1e-1 for one from scratch: its rows are far apart, and each is updated only when its piece is in the batch. The
    latter two were measured over 80 to 300 steps with batches of 64 and 128 in English, Korean and Swahili; with
    batches of 8, a pretrained static model wants 1e-4 to 3e-4.
    """
    if base_model == STATIC:
        return SCRATCH_STATIC_LEARNING_RATE
    if is_static(model):
        return PRETRAINED_STATIC_LEARNING_RATE
    return LORA_LEARNING_RATE if lora else TRANSFORMER_LEARNING_RATE


def _check_static(pooling: PoolingMode | None, corpus_texts: Iterable[str] | None) -> None:
    if pooling is not None or corpus_texts is None:
        msg = (
            "base_model static needs corpus_texts"
            if pooling is None
            else "base_model static takes no pooling: it is a mean"
        )
        raise ParameterError(msg)


def _load(base_model: str, pooling: PoolingMode | None, max_length: int | None) -> SentenceTransformer:
    if pooling not in (None, "mean", "cls"):
        msg = f"pooling must be mean or cls, got {pooling!r}"
        raise ParameterError(msg)
    model = load_pretrained(base_model, pooling=pooling)
    _check_pooling(model, base_model, pooling)
    if max_length is not None:
        for module in input_modules(model):
            _cut_at(module, max_length)
    return model


def _is_table(module: torch.nn.Module) -> bool:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    return isinstance(module, StaticEmbedding)


def _check_pooling(model: SentenceTransformer, base_model: str, pooling: PoolingMode | None) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    if pooling is None:
        return
    own = next((module.pooling_mode for module in model.modules() if isinstance(module, Pooling)), None)
    if own != pooling:
        pools = f"pools by {own}" if own else "has no pooling"
        msg = f"pooling {pooling} was asked for, but {base_model} {pools} and was trained so; leave pooling out"
        raise ParameterError(msg)


def _cut_at(module: Any, max_length: int) -> None:
    # torch types the attributes of every module as tensors, hence Any.
    if _is_table(module):
        module.tokenizer.enable_truncation(max_length)
        return
    # A plain transformer's own limit (its positions) comes with its tokenizer or its configuration.
    limits = [module.max_seq_length, getattr(module.config, "max_position_embeddings", None)]
    longest = min((limit for limit in limits if limit), default=max_length)
    if max_length > longest:
        msg = f"max_length {max_length} is more than the model reads: {longest} tokens"
        raise ParameterError(msg)
    module.max_seq_length = max_length
