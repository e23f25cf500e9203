"""The model that training starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import xxhash

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.models import (
    PoolingMode,
    cut_texts_at,
    is_static_embedding,
    load_sentence_transformer,
    local_folder,
)
from hardneg_plugin.training.encoders import TIED, Encoders, with_encoders
from hardneg_plugin.training.prompts import set_prompts
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY, build_static_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

STATIC = "static"
TRANSFORMER_LEARNING_RATE = 2e-5
LORA_LEARNING_RATE = 2e-4
PRETRAINED_STATIC_LEARNING_RATE = 1e-3
SCRATCH_STATIC_LEARNING_RATE = 1e-1
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
    :raises ModelError: If the model does not exist or cannot be loaded.
    :raises TrainingError: If it has separate encoders and tied ones are asked for.
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


def base_model_identity(base_model: str, what: str = "base_model") -> str:
    """Return the id of a hub model, or a hash of a local one's files, which tells when other weights lie there.

    :param base_model: Its name.
    :param what: Name of the parameter that holds it; the message begins with it.
    :raises ModelError: If it is neither a folder nor an id.
    """
    folder = None if base_model == STATIC else local_folder(base_model, what)
    if folder is None:
        return base_model
    state = xxhash.xxh3_128()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        state.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                state.update(block)
    return f"files:{state.hexdigest()}"


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
    if is_static_embedding(model):
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
    model = load_sentence_transformer(base_model, what="base_model", pooling=pooling)
    _check_pooling(model, base_model, pooling)
    if max_length is not None:
        cut_texts_at(model, max_length)
    return model


def _check_pooling(model: SentenceTransformer, base_model: str, pooling: PoolingMode | None) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    if pooling is None:
        return
    own = next((module.pooling_mode for module in model.modules() if isinstance(module, Pooling)), None)
    if own != pooling:
        pools = f"pools by {own}" if own else "has no pooling"
        msg = f"pooling {pooling} was asked for, but {base_model} {pools} and was trained so; leave pooling out"
        raise ParameterError(msg)
