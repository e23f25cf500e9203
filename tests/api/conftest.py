"""A model whose vectors are written by hand: every text is one word, every word has its vector."""

from __future__ import annotations

import pytest


@pytest.fixture
def toy_model():
    """Return a function: vectors by text, and a similarity → a SentenceTransformer."""

    def build(vectors, similarity="cosine"):
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        vocabulary = {"[UNK]": 0, **{text: number for number, text in enumerate(vectors, start=1)}}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence([])
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
        size = len(next(iter(vectors.values())))
        weights = torch.tensor([[0.0] * size, *vectors.values()], dtype=torch.float32)
        modules = [StaticEmbedding(tokenizer, embedding_weights=weights)]
        return SentenceTransformer(modules=modules, similarity_fn_name=similarity, device="cpu")

    return build
