"""The word pieces of a static model's training texts, split once and not in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.memory import available_memory
from hardneg_plugin.search.models import is_static_module

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

# Bytes of pieces that are kept; texts beyond are split whenever they come.
_KEPT = 512_000_000
# Of what a run's promise leaves.
_SHARE = 0.25


class TokenizationCache:
    """Makes the features of texts for a static embedding model, as its own ``preprocess`` does.

    Splitting texts takes most of the time of training such a model, and each epoch, and each query that shares a
    negative, brings the same texts again.

    :param tokenizer: A tokenizer of the ``tokenizers`` library.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._pieces: dict[str, NDArray[np.int32]] = {}
        self._bytes = 0
        room = available_memory(_SHARE)
        self._kept = _KEPT if room is None else min(_KEPT, room)

    def __call__(self, inputs: Sequence[str], prompt: str | None = None) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, the pieces of all texts, and ``offsets``, where each text begins.

        :param inputs: The texts.
        :param prompt: Stands before each of them.
        """
        import torch

        texts = [prompt + text for text in inputs] if prompt else list(inputs)
        new = list(dict.fromkeys(text for text in texts if text not in self._pieces))
        found = dict(zip(new, self._split(new), strict=True))
        pieces = [found[text] if text in found else self._pieces[text] for text in texts]
        self._keep(found)
        offsets = np.cumsum([0, *map(len, pieces[:-1])])
        ids = np.concatenate(pieces).astype(np.int64) if pieces else np.zeros(0, np.int64)
        return {"input_ids": torch.from_numpy(ids), "offsets": torch.from_numpy(offsets)}

    def _split(self, texts: list[str]) -> list[NDArray[np.int32]]:
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.asarray(encoding.ids, np.int32) for encoding in encodings]

    def _keep(self, found: dict[str, NDArray[np.int32]]) -> None:
        for text, pieces in found.items():
            if self._bytes < self._kept:
                self._pieces[text] = pieces
                self._bytes += pieces.nbytes + len(text)


def preprocess_of(model: SentenceTransformer) -> Any:
    """Return what makes features of texts: with a memory where the model is a table, else the model's own."""
    if not is_static_module(model[0]):
        return model.preprocess
    return TokenizationCache(model[0].tokenizer)
