from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

WORDS = ["a", "an", "the", "is", "red", "blue", "green", "apple", "sky", "grass", "wine", "sea", "water", "tea"]
SHARED = Path(os.environ.get("HARDNEG_SHARED", Path(__file__).parents[2] / "../shared")).resolve()


@pytest.fixture(scope="module", autouse=True)
def _frozen_libraries():
    """The trainer collects garbage at its end: a second over all the objects of torch, if they are looked at."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def tiny_static():
    """A static model of 14 words and 8 dimensions."""
    from hardneg_plugin.training.static_model import build_static_model

    return build_static_model([" ".join(WORDS)], dims=8, vocabulary=200, seed=0)


@pytest.fixture(scope="session")
def tiny_bert_folder(tmp_path_factory):
    """A random BERT of two layers with one token per word, as transformers saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(special + WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    folder = tmp_path_factory.mktemp("tiny-bert")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(special + WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_bert(tiny_bert_folder):
    from hardneg_plugin.training import load_base_model

    return load_base_model(str(tiny_bert_folder))


@pytest.fixture
def mbert_tokenizer():
    folder = SHARED / "models" / "mbert-tokenizer"
    if not folder.is_dir():
        pytest.skip(f"the mBERT tokenizer is not there: {folder} (set HARDNEG_SHARED)")
    return folder
