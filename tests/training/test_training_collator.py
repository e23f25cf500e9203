from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

from hardneg_plugin.training.collator import TextCollator
from hardneg_plugin.training.columns import TrainingColumns
from hardneg_plugin.training.scores import TeacherScores

ROWS = [
    {"anchor": "red apple", "positive": "an apple is red", "negative_1": "a blue sky", "negative_2": "grass", "id": 1},
    {"anchor": "blue sky", "positive": "the sky is blue", "negative_1": "red wine", "negative_2": "sea water", "id": 2},
    {"anchor": "green grass", "positive": "grass is green", "negative_1": "a red sky", "negative_2": "tea", "id": 3},
]
NUMBERED = TrainingColumns(("negative_1", "negative_2"))


def words(texts, prompt=None):
    return {"input_ids": [(prompt or "") + text for text in texts]}


def loss_of(loss, features):
    prefixes = dict.fromkeys(key.removesuffix("input_ids") for key in features if key.endswith("input_ids"))
    inputs = [
        {key.removeprefix(prefix): value for key, value in features.items() if key.startswith(prefix)}
        for prefix in prefixes
    ]
    return loss(inputs, torch.tensor([]))


def test_other_columns_are_never_tokenised():
    batch = TextCollator(words, NUMBERED, joined=False)(ROWS)
    assert list(batch) == ["anchor_input_ids", "positive_input_ids", "negative_1_input_ids", "negative_2_input_ids"]
    assert batch["negative_2_input_ids"] == ["grass", "sea water", "tea"]


def test_ragged_rows_become_one_feature_without_holes():
    rows = [ROWS[0], ROWS[1] | {"negative_1": None}, ROWS[2] | {"negative_1": None, "negative_2": None}]
    batch = TextCollator(words, NUMBERED, joined=True)(rows)
    assert batch["negative_input_ids"] == ["a blue sky", "grass", "sea water"]
    assert list(TextCollator(words, NUMBERED, joined=True)([rows[2]])) == ["anchor_input_ids", "positive_input_ids"]


def test_lists_of_negatives():
    rows = [
        {"anchor": "q", "positive": "p", "negatives": ["a", "b"]},
        {"anchor": "r", "positive": "o", "negatives": None},
    ]
    batch = TextCollator(words, TrainingColumns(("negatives",), listed=True), joined=True)(rows)
    assert batch["negative_input_ids"] == ["a", "b"]


def test_prompts_of_queries_and_passages():
    prompts = {"query": "query: ", "passage": "passage: "}
    both = TextCollator(words, NUMBERED, joined=False, prompts=prompts)(ROWS[:1])
    assert [values[0] for values in both.values()] == [
        "query: red apple",
        "passage: an apple is red",
        "passage: a blue sky",
        "passage: grass",
    ]
    one = TextCollator(words, NUMBERED, joined=True, prompts={"query": "", "passage": "x "})(ROWS[:1])
    assert [values[0] for values in one.values()] == ["red apple", "x an apple is red", "x a blue sky"]


def test_routes_of_queries_and_passages():
    def routed(texts, prompt, task):
        return {"input_ids": texts, "task": task}

    batch = TextCollator(routed, NUMBERED, joined=True, routed=True)(ROWS)
    tasks = {key: value for key, value in batch.items() if key.endswith("task")}
    assert tasks == {"anchor_task": "query", "positive_task": "document", "negative_task": "document"}


def test_margins_of_a_teacher_are_padded():
    rows = [ROWS[0] | {"scores": [3.0, 1.0, 0.5]}, ROWS[1] | {"negative_2": None, "scores": [2.0, 2.5]}]
    batch = TextCollator(words, NUMBERED, joined=True, scores=TeacherScores("scores", NUMBERED))(rows)
    assert batch["negative_input_ids"] == ["a blue sky", "grass", "red wine"]
    assert torch.equal(batch["label"].nan_to_num(99), torch.tensor([[2.0, 2.5], [-0.5, 99]]))


def test_ragged_feature_gives_the_stock_loss_and_gradients(tiny_static: SentenceTransformer):
    """With equal numbers of negatives both layouts are the same softmax."""
    loss = MultipleNegativesRankingLoss(tiny_static)
    weight = tiny_static[0].embedding.weight
    results = []
    for joined in (False, True):
        value = loss_of(loss, TextCollator(tiny_static.preprocess, NUMBERED, joined=joined)(ROWS))
        results.append((value.item(), torch.autograd.grad(value, weight)[0]))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-6)


def test_ragged_loss_is_the_softmax_over_what_is_there(tiny_static: SentenceTransformer):
    rows = [ROWS[0], ROWS[1] | {"negative_1": None, "negative_2": None}]
    value = loss_of(
        MultipleNegativesRankingLoss(tiny_static), TextCollator(tiny_static.preprocess, NUMBERED, joined=True)(rows)
    )
    texts = [rows[0]["positive"], rows[1]["positive"], rows[0]["negative_1"], rows[0]["negative_2"]]
    queries = tiny_static.encode([row["anchor"] for row in rows], convert_to_tensor=True)
    scores = 20 * queries @ tiny_static.encode(texts, convert_to_tensor=True).T
    assert value.item() == pytest.approx(
        torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1])).item(), abs=1e-5
    )


@pytest.mark.parametrize("mini_batch_size", [1, 2, 32])
def test_ragged_feature_in_the_cached_loss(tiny_bert: SentenceTransformer, mini_batch_size):
    """The cached loss embeds a batch in mini-batches: the same loss and the same gradients, whatever their size."""
    tiny_bert.eval()
    rows = [ROWS[0], ROWS[1] | {"negative_1": None}, ROWS[2] | {"negative_1": None, "negative_2": None}]
    collate = TextCollator(tiny_bert.preprocess, NUMBERED, joined=True)
    results = []
    for loss in (
        MultipleNegativesRankingLoss(tiny_bert),
        CachedMultipleNegativesRankingLoss(tiny_bert, mini_batch_size=mini_batch_size),
    ):
        tiny_bert.zero_grad()
        value = loss_of(loss, collate(rows))
        value.backward()
        results.append((value.item(), tiny_bert[0].model.encoder.layer[0].attention.self.query.weight.grad.clone()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-6)
