from __future__ import annotations

import pytest

from hardneg_plugin.search.model_identity import model_identity

TEXTS = ["a red apple", "the sky is blue", "green tea green tea green tea"]


def test_the_same_content_is_the_same_model(make_static):
    assert model_identity(make_static(1)) == model_identity(make_static(1))


def test_folder_and_name_do_not_count(make_static, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = make_static()
    for name in ("one", "other/one"):
        model.save(str(tmp_path / name), create_model_card=False)
    loaded = [SentenceTransformer(str(tmp_path / name)) for name in ("one", "other/one")]
    assert {model_identity(one) for one in loaded} == {model_identity(model)}


def test_other_weights_are_another_model(make_static):
    assert model_identity(make_static(1)) != model_identity(make_static(2))


def test_a_change_of_one_weight_in_memory_is_another_model(make_static):
    import torch

    model = make_static()
    before = model_identity(model)
    with torch.no_grad():
        model[0].embedding.weight[3, 5] += 1e-6
    assert model_identity(model) != before


def test_the_length_counts(make_static):
    assert len({model_identity(make_static(max_length=length)) for length in (None, 4, 5)}) == 3


def test_a_module_more_is_another_model(make_static):
    from sentence_transformers import SentenceTransformer

    model = make_static()
    assert model_identity(SentenceTransformer(modules=[model[0]])) != model_identity(model)


@pytest.fixture
def bert(small_bert, tmp_path):
    return small_bert(tmp_path / "bert")


def test_encoding_changes_nothing(bert):
    # A fast tokenizer keeps the truncation and padding of its last call.
    before = model_identity(bert)
    bert.encode(TEXTS)
    assert model_identity(bert) == before


def test_training_mode_does_not_count(bert):
    before = model_identity(bert)
    assert model_identity(bert.train()) == before


def test_another_copy_of_a_transformer_is_the_same_model(bert, small_bert, tmp_path):
    assert model_identity(small_bert(tmp_path / "elsewhere")) == model_identity(bert)


def change_pooling(model):
    model[1].pooling_mode = "cls"


def change_length(model):
    model.max_seq_length = 7


def change_tokenizer(model):
    model.tokenizer.add_tokens(["Amazon"])


def change_configuration(model):
    model[0].model.config.hidden_act = "relu"


def change_precision(model):
    model.half()


@pytest.mark.parametrize(
    "change", [change_pooling, change_length, change_tokenizer, change_configuration, change_precision]
)
def test_what_decides_over_vectors_counts(bert, change):
    before = model_identity(bert)
    change(bert)
    assert model_identity(bert) != before
