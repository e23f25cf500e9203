"""The memory of pieces: the features of the model itself, each text split once."""

from __future__ import annotations

import pytest
import torch

from hardneg_plugin.training import tokenization_cache as piece_memory
from hardneg_plugin.training.tokenization_cache import TokenizationCache, preprocess_of

TEXTS = ["red wine", "the sky is blue", "", "red wine"]


class Counting:
    """A tokenizer that writes down what it is asked to split."""

    def __init__(self, tokenizer):
        self.tokenizer, self.split = tokenizer, []

    def encode_batch_fast(self, texts, **options):
        self.split += texts
        return self.tokenizer.encode_batch_fast(texts, **options)


@pytest.mark.parametrize("prompt", [None, "query: "])
def test_features_are_those_of_the_model(tiny_static, prompt):
    expected = tiny_static[0].preprocess(TEXTS, prompt=prompt)
    for _ in range(2):
        features = preprocess_of(tiny_static)(TEXTS, prompt=prompt)
        assert features.keys() == expected.keys()
        for name, values in expected.items():
            assert features[name].dtype == values.dtype
            assert torch.equal(features[name], values)


def test_each_text_is_split_once(tiny_static):
    tokenizer = Counting(tiny_static[0].tokenizer)
    memory = TokenizationCache(tokenizer)
    first = memory(TEXTS)
    second = memory(["the sky is blue", "a"])
    assert tokenizer.split == ["red wine", "the sky is blue", "", "a"]
    assert (
        second["input_ids"][: second["offsets"][1]].tolist()
        == first["input_ids"][first["offsets"][1] : first["offsets"][2]].tolist()
    )


def test_beyond_its_room_texts_are_split_whenever_they_come(tiny_static, monkeypatch):
    monkeypatch.setattr(piece_memory, "_KEPT", 1)
    tokenizer = Counting(tiny_static[0].tokenizer)
    memory = TokenizationCache(tokenizer)
    memory(["red wine", "the sky is blue"])
    features = memory(["red wine", "the sky is blue"])
    assert tokenizer.split == ["red wine", "the sky is blue", "the sky is blue"]
    assert len(features["offsets"]) == 2


def test_other_models_keep_their_own(tiny_bert_folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_bert_folder))
    assert preprocess_of(model) == model.preprocess
