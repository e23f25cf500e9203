from __future__ import annotations

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tiny_trainings import TEXTS, train_tiny

from hardneg_plugin.errors import TrainingError
from hardneg_plugin.search.models import is_static_embedding
from hardneg_plugin.training import load_base_model
from hardneg_plugin.training.base_model import auto_learning_rate
from hardneg_plugin.training.encoders import has_separate_encoders


@pytest.fixture(params=["static", "transformer"])
def base(request, tiny_bert_folder):
    return "static" if request.param == "static" else str(tiny_bert_folder)


def load(base, **settings) -> SentenceTransformer:
    static = {"corpus_texts": TEXTS, "static_dims": 8, "vocabulary": 200} if base == "static" else {}
    return load_base_model(base, **static, **settings)


def test_separate_encoders_start_alike(base):
    tied, separate = load(base), load(base, encoders="separate")
    assert (has_separate_encoders(tied), has_separate_encoders(separate)) == (False, True)
    assert (is_static_embedding(separate), auto_learning_rate(base, separate)) == (
        is_static_embedding(tied),
        auto_learning_rate(base, tied),
    )
    expected = tied.encode(TEXTS)
    assert np.array_equal(separate.encode_query(TEXTS), expected)
    assert np.array_equal(separate.encode_document(TEXTS), expected)


def test_separate_encoders_are_trained_apart_and_saved_together(base, tmp_path):
    result = train_tiny(tmp_path, base, encoders="separate")
    model = SentenceTransformer(str(result.model_path), device="cpu")
    queries, documents = model.encode_query(TEXTS), model.encode_document(TEXTS)
    before = load(base).encode(TEXTS)
    assert not np.allclose(queries, documents, atol=1e-3)
    assert not np.allclose(queries, before, atol=1e-3)
    assert not np.allclose(documents, before, atol=1e-3)
    assert json.loads((tmp_path / "training.json").read_text())["settings"]["encoders"] == "separate"
    assert "| encoders | separate" in (result.model_path / "README.md").read_text()


@pytest.mark.integration
def test_separate_encoders_learn_to_find(tmp_path):
    result = train_tiny(tmp_path, "static", encoders="separate", max_steps=60, learning_rate=1e-1)
    model = SentenceTransformer(str(result.model_path), device="cpu")
    scores = model.similarity(model.encode_query([f"{text} is" for text in TEXTS]), model.encode_document(TEXTS))
    assert (scores.argmax(dim=1).numpy() == np.arange(len(TEXTS))).all()


@pytest.mark.integration
@pytest.mark.parametrize("loss", ["cached_multiple_negatives_ranking", "cached_gist", "gist", "margin_mse"])
def test_every_loss_trains_both_encoders(tiny_bert_folder, tmp_path, loss):
    loss_args = {"guide": str(tiny_bert_folder)} if "gist" in loss else {}
    if "cached" in loss:
        loss_args["mini_batch_size"] = 4
    result = train_tiny(
        tmp_path, tiny_bert_folder, encoders="separate", loss=loss, loss_args=loss_args, max_steps=2, warmup=0
    )
    model = SentenceTransformer(str(result.model_path), device="cpu")
    before = load(str(tiny_bert_folder)).encode(TEXTS)
    assert not np.allclose(model.encode_query(TEXTS), before, atol=1e-4)
    assert not np.allclose(model.encode_document(TEXTS), before, atol=1e-4)


def test_a_model_with_separate_encoders_is_trained_on_as_such(tmp_path):
    first = train_tiny(tmp_path / "first", "static", encoders="separate").model_path
    with pytest.raises(TrainingError, match="has separate encoders for queries and passages; set encoders to separate"):
        train_tiny(tmp_path / "tied", first)
    assert not (tmp_path / "tied").exists()
    second = train_tiny(tmp_path / "second", first, encoders="separate").model_path
    vectors = [SentenceTransformer(str(path), device="cpu").encode_query(TEXTS) for path in (first, second)]
    assert not np.allclose(*vectors, atol=1e-3)


def test_texts_are_cut_in_both_encoders(base):
    texts = "the red apple is the blue sky"
    model = load(base, encoders="separate", max_length=3)
    for task in ("query", "document"):
        assert model.preprocess([texts], task=task)["input_ids"].numel() == 3


@pytest.mark.integration
def test_a_killed_training_of_separate_encoders_goes_on(tmp_path):
    def kill(done: int, total: int) -> None:
        if done == 5:
            raise InterruptedError

    whole = train_tiny(tmp_path / "whole", "static", encoders="separate", save_steps=2)
    with pytest.raises(InterruptedError):
        train_tiny(tmp_path / "killed", "static", encoders="separate", save_steps=2, progress=kill)
    resumed = train_tiny(tmp_path / "killed", "static", encoders="separate", save_steps=2)
    models = [SentenceTransformer(str(result.model_path), device="cpu") for result in (whole, resumed)]
    assert np.array_equal(*(model.encode_query(TEXTS) for model in models))
    assert np.array_equal(*(model.encode_document(TEXTS) for model in models))


# Prompts


def test_prompts_are_read_in_training_and_in_use(tiny_bert_folder, tmp_path):
    """A prompt of words that the model knows changes what it is trained on, and what it encodes later."""
    prompts = {"query": "tea ", "passage": "wine "}
    with_prompts = train_tiny(tmp_path / "with", tiny_bert_folder, prompts=prompts)
    without = train_tiny(tmp_path / "without", tiny_bert_folder)
    assert with_prompts.loss_history[0] != without.loss_history[0]
    model = SentenceTransformer(str(with_prompts.model_path), device="cpu")
    assert np.array_equal(model.encode_query(["red sky"]), model.encode(["tea red sky"]))
    assert np.array_equal(model.encode_document(["red sky"]), model.encode(["wine red sky"]))


def test_the_base_models_own_prompts_are_kept(tiny_bert_folder, tmp_path):
    model = load(str(tiny_bert_folder), prompts={"query": "tea ", "passage": "wine "})
    model.save_pretrained(str(tmp_path / "base"), create_model_card=False)
    given = train_tiny(tmp_path / "given", tiny_bert_folder, prompts={"query": "tea ", "passage": "wine "})
    own = train_tiny(tmp_path / "own", tmp_path / "base")
    assert own.loss_history == given.loss_history
    none = train_tiny(tmp_path / "none", tmp_path / "base", prompts={"query": "", "passage": ""})
    assert none.loss_history != own.loss_history
    assert SentenceTransformer(str(none.model_path), device="cpu").prompts == {"query": "", "document": ""}


def test_the_model_declares_the_similarity_of_its_loss(tmp_path):
    for loss, similarity in (("margin_mse", "dot"), ("multiple_negatives_ranking", "cosine")):
        result = train_tiny(tmp_path / loss, "static", loss=loss, max_steps=1)
        assert SentenceTransformer(str(result.model_path), device="cpu").similarity_fn_name == similarity
        assert f"compared by {similarity} similarity" in (result.model_path / "README.md").read_text().replace(
            "\n", " "
        )
