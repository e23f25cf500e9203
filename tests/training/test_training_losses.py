"""Values of the losses, by hand or against the losses of sentence-transformers."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers.sentence_transformer import losses as stock

from hardneg_plugin.errors import ModelError, ParameterError, TrainingError
from hardneg_plugin.training import load_base_model
from hardneg_plugin.training.collator import TextCollator
from hardneg_plugin.training.columns import TrainingColumns
from hardneg_plugin.training.losses import build_loss, trained_similarity
from hardneg_plugin.training.scores import TeacherScores

ROWS = [
    {"anchor": "red apple", "positive": "an apple is red", "negative_1": "a blue sky", "negative_2": "red grass"},
    {"anchor": "blue sky", "positive": "the sky is blue", "negative_1": "red wine", "negative_2": "sea water"},
    {"anchor": "green grass", "positive": "grass is green", "negative_1": "a red sky", "negative_2": "the tea"},
]
SCORED = [
    ROWS[0] | {"scores": [3.0, 1.0, 0.5]},
    ROWS[1] | {"scores": [2.0, 2.5, 0.0]},
    ROWS[2] | {"scores": [1.0, 0.0, 0.0]},
]
COLUMNS = TrainingColumns(("negative_1", "negative_2"))


@pytest.fixture
def bert(tiny_bert):
    return tiny_bert.eval()


@pytest.fixture
def guide_folder(tiny_bert_folder, tmp_path):
    """A guide with other weights than the model's."""
    guide = load_base_model(str(tiny_bert_folder), pooling="cls")
    with torch.no_grad():
        guide[0].model.embeddings.word_embeddings.weight.mul_(3)
    guide.save_pretrained(str(tmp_path / "guide"), create_model_card=False)
    return str(tmp_path / "guide")


def features(model, rows, *, joined, scores=None):
    batch = TextCollator(model.preprocess, COLUMNS, joined=joined, scores=scores)(rows)
    labels = batch.pop("label", None)
    names = [key.removesuffix("input_ids") for key in batch if key.endswith("input_ids")]
    return [
        {key.removeprefix(name): value for key, value in batch.items() if key.startswith(name)} for name in names
    ], labels


def vectors(model, rows, name):
    return model.encode([row[name] for row in rows], convert_to_tensor=True)


# Hardness


@pytest.mark.parametrize("loss", ["multiple_negatives_ranking", "cached_multiple_negatives_ranking"])
def test_hardness_weighs_the_own_hard_negatives(bert, loss):
    """Lan et al. (2025): strength x similarity is added to the logits of a row's own hard negatives."""
    built = build_loss(loss, {"hardness_mode": "hard_negatives", "hardness_strength": 7.0}, bert)
    inputs, labels = features(bert, ROWS, joined=False)
    documents = torch.cat([vectors(bert, ROWS, name) for name in ("positive", "negative_1", "negative_2")])
    cosines = torch.nn.functional.cosine_similarity(vectors(bert, ROWS, "anchor")[:, None], documents[None], dim=2)
    own = torch.eye(3).repeat(1, 3)
    own[:, :3] = 0
    expected = torch.nn.functional.cross_entropy(20 * cosines + 7 * own * cosines, torch.arange(3))
    assert built(inputs, labels).item() == pytest.approx(expected.item(), abs=1e-4)


# GIST


@pytest.mark.parametrize("loss", ["gist", "cached_gist"])
def test_gist_takes_any_number_of_negatives_and_drops_what_its_guide_says(bert, guide_folder, loss):
    """A text that the guide finds closer to the anchor than its positive is no negative (Solatorio 2024)."""
    arguments = {"guide": guide_folder, "temperature": 0.05, "contrast_anchors": False, "contrast_positives": False}
    built = build_loss(loss, arguments, bert)
    false_negative = {"negative_1": "red apple"}
    rows = [
        ROWS[0] | false_negative,
        ROWS[1] | {"negative_2": None},
        ROWS[2] | {"negative_1": None, "negative_2": None},
    ]
    texts = [row["positive"] for row in rows] + ["red apple", "red grass", "red wine"]
    cosines = {}
    for name, model in (("model", bert), ("guide", built.guide)):
        documents = model.encode(texts, convert_to_tensor=True)
        cosines[name] = torch.nn.functional.cosine_similarity(
            vectors(model, rows, "anchor")[:, None], documents[None], dim=2
        )
    false = cosines["guide"] > cosines["guide"].diagonal()[:, None]
    assert false[0].tolist() == [False, False, False, True, False, False]
    logits = (cosines["model"] / 0.05).masked_fill(false, -torch.inf)
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(3))
    assert built(*features(bert, rows, joined=True)).item() == pytest.approx(expected.item(), abs=1e-4)


def test_the_guide_is_frozen(bert, guide_folder):
    guide = build_loss("gist", {"guide": guide_folder}, bert).guide
    assert not any(weights.requires_grad for weights in guide.parameters())
    assert not any(module.training for module in guide.modules())


def test_guides_that_cannot_guide(bert, tiny_static, guide_folder, tmp_path):
    tiny_static.save_pretrained(str(tmp_path / "static"), create_model_card=False)
    with pytest.raises(TrainingError, match="is a static embedding model; a guide needs a transformer"):
        build_loss("gist", {"guide": str(tmp_path / "static")}, bert)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"loss_args: guide: no sentence-transformers model .*empty'"):
        build_loss("gist", {"guide": str(tmp_path / "empty")}, bert)
    with pytest.raises(ParameterError, match="margin_strategy must be"):
        build_loss("gist", {"guide": guide_folder, "margin_strategy": "both"}, bert)


@pytest.mark.parametrize("loss", ["cached_multiple_negatives_ranking", "gist", "cached_gist"])
def test_losses_that_cannot_train_a_static_model_say_why(tiny_static, guide_folder, loss):
    arguments = {"guide": guide_folder} if "gist" in loss else {}
    with pytest.raises(TrainingError, match=f"the loss '{loss}' cannot train a static embedding model: it"):
        build_loss(loss, arguments, tiny_static)


# MarginMSE


@pytest.mark.parametrize("similarity", ["dot_score", "cos_sim"])
def test_margin_mse_is_the_stock_loss_on_equal_numbers(bert, similarity):
    import sentence_transformers.util as util

    ours = build_loss("margin_mse", {"similarity_fct": similarity}, bert)
    theirs = stock.MarginMSELoss(bert, getattr(util, f"pairwise_{similarity}"))
    inputs, labels = features(bert, SCORED, joined=True, scores=TeacherScores("scores", COLUMNS))
    apart, _ = features(bert, SCORED, joined=False)
    expected = theirs(apart, torch.tensor([row["scores"] for row in SCORED]))
    assert ours(inputs, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_margin_mse_of_ragged_rows_by_hand(bert):
    rows = [SCORED[0], SCORED[1] | {"negative_1": None}]
    loss = build_loss("margin_mse", {}, bert)
    value = loss(*features(bert, rows, joined=True, scores=TeacherScores("scores", COLUMNS)))
    anchors, positives = vectors(bert, rows, "anchor"), vectors(bert, rows, "positive")
    pairs = [(0, "a blue sky", 2.0), (0, "red grass", 2.5), (1, "sea water", 2.0)]
    errors = [
        (anchors[row] @ (positives[row] - bert.encode(negative, convert_to_tensor=True))).item() - margin
        for row, negative, margin in pairs
    ]
    assert value.item() == pytest.approx(sum(error**2 for error in errors) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "loss_args", "similarity"),
    [
        ("multiple_negatives_ranking", {}, "cosine"),
        ("multiple_negatives_ranking", {"similarity_fct": "dot_score"}, "dot"),
        ("gist", {"guide": "a/guide"}, "cosine"),
        ("margin_mse", {}, "dot"),
        ("margin_mse", {"similarity_fct": "cos_sim"}, "cosine"),
        ("triplet", {}, "euclidean"),
        ("triplet", {"distance_metric": "cosine"}, "cosine"),
    ],
)
def test_the_similarity_that_a_model_is_trained_for(loss, loss_args, similarity):
    assert trained_similarity(loss, loss_args) == similarity
