"""Passages as the word pieces of a static model, split once per tokenizer and corpus.

A static embedding model is a table: splitting a text into pieces takes most of the time of encoding it. Systems that
are trained from one base model share its tokenizer, so the pieces of a corpus are kept in the cache and every further
model only looks them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.search.dense.buffers import empty_vectors
from hardneg_plugin.search.dense.vector_space import Vectors
from hardneg_plugin.search.models import is_static_embedding

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hardneg_plugin.records import Corpus

KIND = "pieces"
_IDS, _ENDS = "ids.npy", "ends.npy"
# Texts that are split at once, and passages that are looked up at once.
_TEXT_BLOCK, _PASSAGE_BLOCK = 4096, 2048
_PASSAGE_PROMPTS = ("document", "passage", "corpus")


def sums_token_vectors(model: Any) -> bool:
    """Tell whether a model's passage vectors depend on the tokens of the text alone.

    That is a static embedding, perhaps normalised, without a prompt and with all its dimensions.

    :param model: A ``SentenceTransformer``, or any other encoder.
    """
    if not is_static_embedding(model) or not hasattr(model, "prompts"):
        return False
    kinds = [type(module).__name__ for module in model][1:]
    prompted = any(model.prompts.get(name) for name in _PASSAGE_PROMPTS) or model.default_prompt_name
    return kinds in ([], ["Normalize"]) and not prompted and not model.truncate_dim


def encode_tokens(model: SentenceTransformer, corpus: Corpus) -> Vectors:
    """Encode a corpus with a lookup table; the vectors equal those of ``encode_document``, bit for bit.

    :param model: A model that :func:`sums_token_vectors` says yes to.
    :param corpus: At least one passage.
    :returns: Shape ``(passages, dimensions)``.
    """
    import torch

    ids, ends = corpus_pieces(model[0].tokenizer, corpus)
    vectors = empty_vectors(len(corpus), int(model.get_embedding_dimension() or 0))
    starts = np.concatenate([[0], ends[:-1]])
    with torch.inference_mode():
        for first in range(0, len(corpus), _PASSAGE_BLOCK):
            block = slice(first, min(first + _PASSAGE_BLOCK, len(corpus)))
            pieces = ids[starts[block.start] : ends[block.stop - 1]].astype(np.int64)
            features = {"input_ids": pieces, "offsets": starts[block] - starts[block.start]}
            features = {name: torch.from_numpy(values).to(model.device) for name, values in features.items()}
            vectors[block] = model(features)["sentence_embedding"].float().cpu().numpy()
    return vectors


def corpus_pieces(tokenizer: Any, corpus: Corpus) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the pieces of all passages one after the other, and where each passage ends; both memory-mapped.

    :param tokenizer: A tokenizer of the ``tokenizers`` library.
    :param corpus: The passages.
    """
    key = fingerprint([tokenizer.to_str(), corpus.key])
    folder = build_entry(KIND, key, lambda empty: _split(tokenizer, corpus, empty))
    return np.load(folder / _IDS, mmap_mode="r"), np.load(folder / _ENDS, mmap_mode="r")


def _split(tokenizer: Any, corpus: Corpus, folder: Path) -> None:
    lengths = np.zeros(len(corpus), np.int64)
    raw = folder / "raw"
    with raw.open("wb") as file:
        first = 0
        for block in _blocks(corpus.iter_texts()):
            encodings = tokenizer.encode_batch_fast(block, add_special_tokens=False)
            for position, encoding in enumerate(encodings, first):
                ids = np.asarray(encoding.ids, np.uint32)
                lengths[position] = len(ids)
                file.write(ids.tobytes())
            first += len(block)
    ends = np.cumsum(lengths)
    ids = np.lib.format.open_memmap(folder / _IDS, "w+", np.uint32, (int(ends[-1]),))
    if len(ids):
        ids[:] = np.memmap(raw, np.uint32, "r")
    ids.flush()
    raw.unlink()
    np.save(folder / _ENDS, ends)


def _blocks(texts: Iterator[str]) -> Iterator[list[str]]:
    while block := list(islice(texts, _TEXT_BLOCK)):
        yield block
