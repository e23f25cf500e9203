from __future__ import annotations

import pytest

WORDS = ["a", "an", "the", "is", "red", "blue", "green", "apple", "sky", "grass", "wine", "sea", "water", "tea"]


@pytest.fixture
def make_static():
    """Make static models of 14 words and 8 dimensions; another seed, other weights."""
    from hardneg_plugin.training.static_model import build_static_model

    def make(seed=0, dims=8, max_length=None):
        return build_static_model([" ".join(WORDS)], dims=dims, vocabulary=200, seed=seed, max_length=max_length)

    return make


@pytest.fixture(scope="session")
def small_bert():
    """A random BERT of one layer with mean pooling and one token per word."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

    def make(folder):
        vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **names).save_pretrained(folder)
        set_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=16,
        )
        BertModel(config).save_pretrained(folder)
        transformer = Transformer(str(folder))
        return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension(), "mean")])

    return make
