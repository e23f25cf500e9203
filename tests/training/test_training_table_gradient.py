"""A static model's gradient, row by row: that of the table as a whole, but for rounding."""

from __future__ import annotations

import copy

import pytest
import torch

from hardneg_plugin.training.table_gradient import RowwiseEmbeddingBag, sum_gradients_by_row
from hardneg_plugin.training.tokenization_cache import TokenizationCache

BATCHES = [["red wine", "the sky is blue", ""], ["red red red apple", "a", "zzz"]]


@pytest.fixture
def models(tiny_static):
    """The same model as it is, and with gradients row by row."""
    changed = copy.deepcopy(tiny_static)
    sum_gradients_by_row(changed)
    return tiny_static, changed


def loss_of(model, texts):
    features = TokenizationCache(model[0].tokenizer)(texts)
    return (model(features)["sentence_embedding"] * torch.arange(8)).square().sum()


def steps(model, number, *, accumulate=1):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    gradients = []
    for step in range(number):
        for texts in BATCHES[: 1 + step % 2] * accumulate:
            loss_of(model, texts).backward()
        gradients.append(model[0].embedding.weight.grad.clone())
        optimizer.step()
        optimizer.zero_grad()
    return gradients


def test_weights_and_names_stay_as_they_are(models):
    plain, changed = models
    assert isinstance(changed[0].embedding, RowwiseEmbeddingBag)
    assert list(changed.state_dict()) == list(plain.state_dict())
    assert torch.equal(changed[0].embedding.weight, plain[0].embedding.weight)
    assert (changed.encode(BATCHES[0]) == plain.encode(BATCHES[0])).all()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_gradients_of_every_step_are_those_of_the_whole_table(models, accumulate):
    # Rows of an earlier step must be 0 again where a later one does not touch them.
    for expected, found in zip(*(steps(model, 5, accumulate=accumulate) for model in models), strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_same_training_twice_gives_the_same_bits(models):
    _, changed = models
    first, second = copy.deepcopy(changed), copy.deepcopy(changed)
    steps(first, 4)
    steps(second, 4)
    assert torch.equal(first[0].embedding.weight, second[0].embedding.weight)


def test_nothing_is_added_up_while_nothing_is_trained(models):
    _, changed = models
    with torch.no_grad():
        loss_of(changed, BATCHES[0])
    assert changed[0].embedding.weight.grad is None


def test_other_models_stay_as_they_are(tiny_bert_folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_bert_folder))
    before = type(model[0])
    sum_gradients_by_row(model)
    assert type(model[0]) is before


def test_a_trained_model_is_saved_as_any_other(models, tmp_path):
    from sentence_transformers import SentenceTransformer

    _, changed = models
    steps(changed, 1)
    changed.save_pretrained(str(tmp_path / "model"))
    loaded = SentenceTransformer(str(tmp_path / "model"))
    assert (loaded.encode(BATCHES[0]) == changed.encode(BATCHES[0])).all()
