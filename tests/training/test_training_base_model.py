from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from hardneg_plugin.errors import ModelError, ParameterError, TrainingError
from hardneg_plugin.training import load_base_model
from hardneg_plugin.training.base_model import auto_learning_rate, base_model_identity
from hardneg_plugin.training.static_model import inverse_document_frequencies, learn_tokenizer

MANY_SCRIPTS = [
    "The quick brown fox",
    "মহাশ্বেতা দেবী একজন লেখিকা",
    "นักเขียนชาวไทยคนหนึ่ง",
    "महादेवी वर्मा एक कवयित्री",
    "小説家の名前は何ですか",
    "한국어 문장입니다",
    "كاتب عربي",
]


def pooling_of(model: SentenceTransformer) -> str:
    return next(module.pooling_mode for module in model if isinstance(module, Pooling))


def test_importing_the_package_loads_no_torch():
    code = "import sys, hardneg_plugin.training; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_plain_transformer_gets_the_pooling_asked_for(tiny_bert_folder):
    assert pooling_of(load_base_model(str(tiny_bert_folder))) == "mean"
    cls = load_base_model(str(tiny_bert_folder), pooling="cls", max_length=5)
    assert pooling_of(cls) == "cls"
    assert cls.preprocess(["red blue green apple sky grass"])["input_ids"].shape == (1, 5)


def test_a_saved_model_keeps_its_pooling(tiny_bert_folder, tmp_path):
    load_base_model(str(tiny_bert_folder), pooling="cls").save_pretrained(str(tmp_path), create_model_card=False)
    assert pooling_of(load_base_model(str(tmp_path))) == "cls"
    assert pooling_of(load_base_model(str(tmp_path), pooling="cls")) == "cls"
    with pytest.raises(ParameterError, match=r"pooling mean was asked for, but .* pools by cls"):
        load_base_model(str(tmp_path), pooling="mean")


@pytest.mark.integration
def test_mbert_with_its_real_tokenizer(mbert_tokenizer, tmp_path):
    """What google-bert/bert-base-multilingual-cased is: a plain BERT folder, here with random small weights."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(mbert_tokenizer)
    tokenizer.save_pretrained(tmp_path)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path)
    model = load_base_model(str(tmp_path), max_length=256)
    assert (pooling_of(model), model.max_seq_length, model.get_embedding_dimension()) == ("mean", 256, 32)
    assert model.encode(MANY_SCRIPTS).shape == (len(MANY_SCRIPTS), 32)
    with pytest.raises(ParameterError, match="max_length 513 is more than the model reads: 512"):
        load_base_model(str(tmp_path), max_length=513)


def test_models_that_are_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"there is no folder \./no/such/model"):
        load_base_model("./no/such/model")
    with pytest.raises(ModelError, match="base_model: no sentence-transformers model can be loaded from"):
        load_base_model(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_model": "static"}, "needs corpus_texts"),
        ({"base_model": "static", "corpus_texts": iter(["a"])}, "corpus_texts is read more than once: give a list"),
        ({"base_model": "static", "corpus_texts": "one text"}, "not str"),
        ({"base_model": "static", "corpus_texts": ["a"], "pooling": "cls"}, "takes no pooling"),
        ({"base_model": "static", "corpus_texts": ["a"], "static_dims": 0}, "static_dims must be at least 1"),
        ({"base_model": "static", "corpus_texts": [" "]}, "no text holds a word"),
        ({"base_model": "x", "pooling": "max"}, "pooling must be mean or cls, got 'max'"),
        ({"base_model": "x", "max_length": 0}, "max_length must be at least 1"),
    ],
)
def test_parameters_that_cannot_work(arguments, message):
    with pytest.raises(ParameterError, match=message):
        load_base_model(**arguments)


def test_the_learnt_tokenizer_keeps_marks_and_knows_every_script():
    tokenizer = learn_tokenizer(MANY_SCRIPTS, vocabulary=2000)
    for text in MANY_SCRIPTS:
        pieces = tokenizer.encode(text).tokens
        assert "[UNK]" not in pieces
        assert "".join(pieces).replace("▁", " ").strip() == text.lower()
    assert tokenizer.encode("ⓠ").tokens == tokenizer.encode("Q").tokens  # NFKC and lower case


@pytest.mark.integration
def test_the_tokenizer_is_the_same_in_every_process():
    code = (
        "import hashlib; from hardneg_plugin.training.static_model import learn_tokenizer;"
        "texts = [f'{a}{b} {b}{c} {c}{a}' for a in 'abcdefgh' for b in 'ijklmnop' for c in 'qrstuvwx'];"
        "print(hashlib.sha256(learn_tokenizer(texts, 150).to_str().encode()).hexdigest())"
    )
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(3)}
    assert len(runs) == 1


def test_inverse_document_frequencies():
    texts = ["red red sky", "red wine", "red tea", "sky"]
    tokenizer = learn_tokenizer(texts, vocabulary=200)
    weights = inverse_document_frequencies(tokenizer, texts)
    assert weights[tokenizer.token_to_id("▁red")] == pytest.approx(np.log(1 + 4 / 3))
    assert weights[tokenizer.token_to_id("▁sky")] == pytest.approx(np.log(1 + 4 / 2))
    assert weights[tokenizer.token_to_id("[UNK]")] == pytest.approx(np.log(1 + 4))


def test_static_weights_depend_on_the_seed_alone():
    texts = ["red apple", "blue sky"]
    first, again, other = (
        load_base_model("static", corpus_texts=texts, static_dims=4, vocabulary=50, seed=seed)[0]
        .embedding.weight.detach()
        .numpy()
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_untrained_static_model_finds_the_text_with_the_same_words():
    texts = ["red apples and green pears", "a deep blue sea", "the old stone bridge"]
    model = load_base_model("static", corpus_texts=texts)
    scores = model.similarity(model.encode(["bridge of stone"]), model.encode(texts))
    assert scores.argmax().item() == 2


def test_the_cut_of_a_static_model_is_saved_with_it(tmp_path):
    model = load_base_model("static", corpus_texts=["red apples and green pears"], max_length=3, static_dims=4)
    model.save_pretrained(str(tmp_path), create_model_card=False)
    loaded = SentenceTransformer(str(tmp_path))
    assert len(loaded.preprocess(["red apples and green pears"])["input_ids"]) == 3


def test_auto_learning_rate(tiny_bert, tiny_static):
    assert auto_learning_rate("some/bert", tiny_bert) == 2e-5
    assert auto_learning_rate("some/potion", tiny_static) == 1e-3
    assert auto_learning_rate("static", tiny_static) > 1e-3


def test_identity_of_a_local_model_is_its_files(tmp_path):
    (tmp_path / "weights").write_bytes(b"one")
    first = base_model_identity(str(tmp_path))
    (tmp_path / "README.md").write_text("a card")
    assert base_model_identity(str(tmp_path)) == first
    (tmp_path / "weights").write_bytes(b"two")
    assert base_model_identity(str(tmp_path)) != first
    assert base_model_identity("google-bert/bert-base-multilingual-cased") == "google-bert/bert-base-multilingual-cased"


class KeyedTexts(list):
    """Texts with a name for their content, as a corpus has it."""

    key = "colours"


def test_what_is_learnt_from_a_named_corpus_is_learnt_once(cache_folder, monkeypatch):
    from hardneg_plugin.training import static_model

    texts = ["red wine", "blue sky", "green grass"]
    plain = load_base_model("static", corpus_texts=texts, static_dims=4, vocabulary=50)
    first = load_base_model("static", corpus_texts=KeyedTexts(texts), static_dims=4, vocabulary=50)
    monkeypatch.setattr(static_model, "learn_tokenizer", None)
    again = load_base_model("static", corpus_texts=KeyedTexts(texts), static_dims=4, vocabulary=50)
    assert len(list((cache_folder / "tokenizers").iterdir())) == 1
    for model in (first, again):
        assert model[0].tokenizer.to_str() == plain[0].tokenizer.to_str()
        assert torch.equal(model[0].embedding.weight, plain[0].embedding.weight)


def test_word_pieces_may_come_from_a_tokenizer(shared, cache_folder):
    folder = str(shared / "models/mbert-tokenizer")
    model = load_base_model("static", corpus_texts=KeyedTexts(["a b", "a"]), static_dims=4, vocabulary=folder)
    assert model[0].num_embeddings == 119_547
    # No [CLS] and no [SEP]; a language that the corpus does not hold has pieces of its own.
    assert model[0].tokenizer.encode("নদী", add_special_tokens=False).tokens == ["নদী"]
    (kept,) = (cache_folder / "tokenizers").glob("*/lengths.npy")
    lengths = np.load(kept)
    # ln(1 + N / n): "a" is in both texts, "b" in one, and what is in none counts as in one.
    for piece, expected in (("a", np.log(2)), ("b", np.log(3)), ("নদী", np.log(3))):
        assert lengths[model[0].tokenizer.token_to_id(piece)] == pytest.approx(expected)


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrainingError, match="vocabulary: no tokenizer can be loaded from"):
        load_base_model("static", corpus_texts=["a"], static_dims=4, vocabulary=str(tmp_path))
