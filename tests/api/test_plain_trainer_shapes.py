"""What ``mine`` writes trains in sentence-transformers' own trainers, in every shape, whatever a margin drops."""

from __future__ import annotations

import math

import pytest
from datasets import Dataset

from hardneg_plugin import mine
from hardneg_plugin.api.statistics import LeftOut
from hardneg_plugin.errors import ParameterError

# Degrees of each text. "west" is beside its positive and near nothing else; the nearest of "east" is its positive, and
# three further passages are near it.
ANGLES = {
    "east": 0,
    "east yes": 5,
    "e20": 20,
    "e40": 40,
    "e60": 60,
    "west": 180,
    "west yes": 182,
    "north": 90,
    "north yes": 92,
}
PAIRS = [{"anchor": name, "positive": f"{name} yes"} for name in ("east", "west", "north")]
CORPUS = ["e20", "e40", "e60"]
SHAPES = ("triplet", "n-tuple", "labeled-pair", "labeled-list")
# cos 5° - 0.3 = 0.696: of the passages only e60 and whatever is farther from a query are its negatives.
HARSH = {"absolute_margin": 0.3}


@pytest.fixture
def model(toy_model):
    return toy_model(
        {text: [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))] for text, degrees in ANGLES.items()}
    )


def mined(model, **options):
    options.setdefault("num_negatives", 2)
    options.setdefault("near_duplicate", None)
    return mine(Dataset.from_list(PAIRS), model, corpus=CORPUS, range_max=4, **{**HARSH, **options})


def train_plainly(model, rows, shape, folder):
    """Train one step or more with the trainer of the library, and return its steps."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses

    arguments = SentenceTransformerTrainingArguments(
        str(folder), per_device_train_batch_size=2, num_train_epochs=1, report_to=[], save_strategy="no", use_cpu=True
    )
    loss = (losses.ContrastiveLoss if shape == "labeled-pair" else losses.MultipleNegativesRankingLoss)(model)
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=rows, loss=loss)
    return trainer.train().global_step


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("on_few_negatives", ["drop", "fill"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_is_whole(model, shape, on_few_negatives, scores):
    rows = mined(
        model, output_format=shape, on_few_negatives=on_few_negatives, output_scores=scores, range_min=1
    ).dataset
    assert len(rows)
    assert all(value not in (None, "") for row in rows for value in row.values())
    if shape == "labeled-list":
        assert all(len(row["passages"]) > 1 for row in rows)


@pytest.mark.parametrize("on_few_negatives", ["drop", "fill"])
@pytest.mark.parametrize("shape", ["triplet", "n-tuple", "labeled-pair"])
def test_the_plain_trainer_trains_on_each_shape(model, shape, on_few_negatives, tmp_path):
    rows = mined(model, output_format=shape, on_few_negatives=on_few_negatives).dataset
    assert train_plainly(model, rows, shape, tmp_path) == math.ceil(len(rows) / 2)


def test_the_trainer_of_cross_encoders_trains_on_lists(model, toy_judge, tmp_path):
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments, losses

    rows = mined(model, output_format="labeled-list").dataset
    judge = CrossEncoder(toy_judge, device="cpu")
    arguments = CrossEncoderTrainingArguments(
        str(tmp_path), per_device_train_batch_size=2, num_train_epochs=1, report_to=[], save_strategy="no", use_cpu=True
    )
    trainer = CrossEncoderTrainer(judge, arguments, train_dataset=rows, loss=losses.LambdaLoss(judge))
    assert trainer.train().global_step == math.ceil(len(rows) / 2)


@pytest.mark.parametrize("shape", ["triplet", "n-tuple", "labeled-list"])
def test_a_margin_that_leaves_nothing_leaves_a_table_with_its_columns(model, shape):
    whole = mined(model, output_format=shape, absolute_margin=None).dataset
    rows, statistics = mined(model, output_format=shape, absolute_margin=2.5)
    assert (len(rows), rows.column_names) == (0, whole.column_names)
    assert statistics.left_out == {"margin: absolute": 3}
    assert statistics.rows == statistics.negatives == 0


def test_what_is_left_out_is_counted_listed_and_explained(model):
    # Of the four candidates of each query one is its positive. cos 40° and cos 20° are above cos 5° - 0.3, cos 60° is
    # not: "east" keeps one of two negatives. "north" is 50, 70 and 85 degrees from its nearest: two of three stay.
    rows, statistics = mined(model, output_format="n-tuple")
    assert set(rows["anchor"]) == {"west", "north"}
    assert statistics.left_out_queries == (LeftOut(statistics.left_out_queries[0].id, "east", "margin: absolute"),)
    assert statistics.left_out == {"margin: absolute": 1}
    dropped = statistics.dropped["margin: absolute"]
    share = round(100 * dropped / statistics.candidates)
    assert statistics.hints[0] == "1 of 3 queries have too few negatives and are left out"
    assert statistics.hints[1].startswith(f"absolute_margin 0.3 dropped {share}% of the candidates")
    assert statistics.to_dict()["left_out_queries"][0]["query"] == "east"


def test_a_query_that_finds_nothing_has_no_row():
    pairs = Dataset.from_list([{"query": "red fish", "positive": "red fish swims"}, {"query": "qqq", "positive": "zz"}])
    rows, statistics = mine(pairs, corpus=["red stone", "fish market"], num_negatives=1)
    assert set(rows["anchor"]) == {"red fish"}
    assert [(query.query, query.reason) for query in statistics.left_out_queries] == [("qqq", "nothing found")]
    pairs_only = mine(pairs, corpus=["red stone"], num_negatives=1, output_format="labeled-pair")
    assert {"anchor": "qqq", "passage": "zz", "label": 1} in pairs_only.dataset.to_list()
    assert pairs_only.statistics.left_out == {}


def test_fill_takes_further_candidates_first_and_then_random_ones():
    pairs = Dataset.from_list([{"query": "red fish", "positive": "red fish swims"}])
    further = ["red stone", "red wall here", "no word of it", "neither has this"]
    options = {"corpus": further, "num_negatives": 3, "output_format": "n-tuple", "range_max": 2}
    assert len(mine(pairs, **options).dataset) == 0
    row = mine(pairs, **options, on_few_negatives="fill").dataset[0]
    assert [row["negative_1"], row["negative_2"]] == ["red stone", "red wall here"]
    assert row["negative_3"] in further[2:]
    again = mine(pairs, **options, on_few_negatives="fill").dataset[0]
    assert again == row


def test_random_passages_pass_the_margin_as_well(model):
    filled = mined(model, output_format="triplet", on_few_negatives="fill", output_scores=True)
    assert len(filled.dataset)
    for row in filled.dataset:
        positive, negative = row["scores"]
        assert negative <= positive - HARSH["absolute_margin"] + 1e-6


def test_keeping_such_rows_is_a_choice(model):
    rows = mined(model, output_format="n-tuple", on_few_negatives="keep").dataset
    assert set(rows["anchor"]) == {"east", "west", "north"}
    assert None in rows["negative_2"]
    with pytest.raises(ParameterError, match="on_few_negatives"):
        mined(model, on_few_negatives="pad")
