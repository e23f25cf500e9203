from __future__ import annotations

from dataclasses import fields

import datasets
import pytest

from hardneg_plugin.errors import ModelError, ParameterError, TrainingError
from hardneg_plugin.identity import ADDED_LATER
from hardneg_plugin.training.arguments import build_arguments, precision_of
from hardneg_plugin.training.losses import build_loss
from hardneg_plugin.training.settings import TrainingSettings, plan_training

PAIRS = datasets.Dataset.from_dict({"anchor": list("abcdef"), "positive": list("ghijkl")})
RAGGED = datasets.Dataset.from_dict({"anchor": ["a", "b"], "positive": ["c", "d"], "negatives": [["e", "f"], ["g"]]})
HARD = {"hardness_mode": "hard_negatives", "hardness_strength": 5.0}
TRIPLETS = datasets.Dataset.from_dict({"anchor": ["a", "b"], "positive": ["c", "d"], "negative": ["e", "f"]})


def plan(dataset=PAIRS, **settings):
    return plan_training(dataset, TrainingSettings(**({"base_model": "a/model"} | settings)))


def test_the_plan_knows_the_schedule():
    planned = plan(batch_size=4, epochs=10, arguments={"gradient_accumulation_steps": 2})
    assert (planned.steps, planned.warmup_steps, planned.joined) == (10, 1, False)
    assert plan(max_steps=100, warmup=0.25).warmup_steps == 25
    assert plan(RAGGED).joined


def test_warmup_steps_in_the_arguments_replace_the_share():
    assert plan(max_steps=100, arguments={"warmup_steps": 7}).warmup_steps == 7
    with pytest.raises(TrainingError, match="takes 5000 steps, but the training has 625"):
        plan(max_steps=625, arguments={"warmup_steps": 5000})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be auto or a number above 0, got 0"),
        ({"learning_rate": "fast"}, "got 'fast'"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"save_steps": -1}, "save_steps must be 0"),
        ({"base_model": "static"}, "corpus_texts, which was not given"),
        ({"base_model": "static", "corpus_texts": (text for text in "ab")}, "not generator"),
        (
            {"arguments": {"learning_rate": 1e-3}},
            "learning_rate cannot be passed through: use the parameter learning_rate",
        ),
        ({"arguments": {"output_dir": "x"}}, "use the parameter output_dir"),
        ({"arguments": {"weight_decai": 0.1}}, "no training argument 'weight_decai'; did you mean weight_decay"),
        ({"arguments": {"prompts": {"query": "q: "}}}, "prompts cannot be passed through: use the parameter prompts"),
        ({"arguments": {"router_mapping": {}}}, "use the parameter encoders"),
        ({"prompts": {"anchor": "q: "}}, "prompts must map query, passage or both to texts, got {'anchor': 'q: '}"),
        ({"prompts": "q: "}, "prompts must map"),
        ({"encoders": "two"}, "encoders must be one of tied, separate, got 'two'"),
        ({"loss_args": {"scal": 5}}, r"multiple_negatives_ranking has no parameter 'scal' \(did you mean scale"),
        (
            {"loss_args": {"hardness_mode": "hard_negatives"}},
            "no effect without each other, got 'hard_negatives' and 0",
        ),
        ({"loss_args": {"hardness_strength": 2.0}}, "no effect without each other, got None and 2.0"),
        ({"loss": "gist"}, "loss_args: guide must be the folder or hub id of a trained .* got None"),
        ({"loss": "cached_gist", "loss_args": {"guide": "static"}}, "got 'static'"),
        ({"loss": "multiple_negative_ranking"}, "did you mean multiple_negatives_ranking"),
        ({"batch_size": 0}, "batch_size must be above 0"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ParameterError, match=message):
        plan(**settings)


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        (PAIRS, {"loss": "triplet"}, "exactly one negative in every row, but row 0 has 0"),
        (RAGGED, {"loss": "triplet"}, "row 0 has 2"),
        (RAGGED, {"loss_args": HARD}, "hardness_mode .* rows have 1 to 2 negatives"),
        (PAIRS, {"loss_args": HARD}, "weighs hard negatives, and the table has none"),
        (PAIRS, {"loss": "margin_mse"}, "at least one negative in every row, but row 0 has 0"),
        (PAIRS, {"loss": "gist", "loss_args": {"guide": "./no"}}, r"loss_args: guide: there is no folder \./no"),
        (RAGGED, {"loss_args": {"directions": ["query_to_doc", "doc_to_doc"]}}, "direction doc_to_doc"),
        (PAIRS, {"batch_size": 1}, "row 0 has no negative and is alone in its batch"),
        (PAIRS, {"base_model": "/no/such/folder"}, "there is no folder /no/such/folder"),
    ],
)
def test_losses_and_tables_that_do_not_fit(dataset, settings, message):
    with pytest.raises((TrainingError, ModelError), match=message):
        plan(dataset, **settings)


def test_equal_numbers_allow_every_mode():
    assert not plan(TRIPLETS, loss="triplet").joined
    assert not plan(TRIPLETS, batch_size=1, loss_args=HARD).joined
    assert plan(TRIPLETS, loss="gist", loss_args={"guide": "a/guide"}).joined


def test_the_record_has_every_setting_and_another_value_makes_another_record():
    others = {
        "base_model": "b/model",
        "loss": "cached_gist",
        "loss_args": {"scale": 5.0},
        "epochs": 7,
        "max_steps": 9,
        "batch_size": 2,
        "learning_rate": 1e-4,
        "warmup": 0.5,
        "max_length": 64,
        "pooling": "cls",
        "seed": 7,
        "arguments": {"weight_decay": 0.1},
        "encoders": "separate",
        "prompts": {"query": "q: "},
        "curriculum": {"stages": 2, "num_negatives": 1},
        "batch_clusters": 3,
    }
    # Those of a static model, of languages and of mining again have tests of their own; adapters need PEFT.
    elsewhere = {"corpus_texts", "static_dims", "vocabulary", "language_exponent", "batch_languages", "refresh", "lora"}
    assert {*others, *elsewhere, "save_steps"} == {item.name for item in fields(TrainingSettings)}
    context = {"epochs": 10}
    first = plan(**context).record
    for name, value in others.items():
        loss_args = {"loss_args": {"guide": "a/guide"}} if name == "loss" else {}
        assert plan(**{**context, name: value}, **loss_args).record != first, name
    assert plan(**context, save_steps=3).record == first
    assert first["version"] == 1
    assert plan(**context, encoders="tied", lora=None, prompts={}).record == first


def test_a_later_setting_keeps_earlier_records(monkeypatch):
    monkeypatch.setitem(ADDED_LATER, "TrainingSettings", {"batch_clusters": None})
    assert "batch_clusters" not in plan().record
    assert plan(batch_clusters=3).record["batch_clusters"] == 3


def test_the_record_tells_guides_and_scores_by_their_content(tmp_path):
    (tmp_path / "weights").write_bytes(b"one")
    guided = {"loss": "gist", "loss_args": {"guide": str(tmp_path), "margin": 0.1}}
    first = plan(**guided).record["loss_args"]
    (tmp_path / "weights").write_bytes(b"two")
    second = plan(**guided).record["loss_args"]
    assert (first["margin"], first["guide"] != second["guide"]) == (0.1, True)
    scored = [TRIPLETS.add_column("scores", [[1.0, 0.5], [2.0, score]]) for score in (1.0, 1.0, 1.5)]
    digests = [plan(table, loss="margin_mse").record["scores"] for table in scored]
    assert digests[0] == digests[1] != digests[2]
    assert plan(scored[0], loss="margin_mse").column_names == ["anchor", "positive", "negative", "scores"]


def test_loss_parameters_in_plain_values(tiny_static):
    loss = build_loss(
        "multiple_negatives_ranking", {"scale": 5.0, "directions": ["query_to_doc", "doc_to_query"]}, tiny_static
    )
    assert (loss.scale, loss.directions) == (5.0, ("query_to_doc", "doc_to_query"))
    triplet = build_loss("triplet", {"distance_metric": "cosine", "triplet_margin": 0.3}, tiny_static)
    assert triplet.get_config_dict() == {"distance_metric": "TripletDistanceMetric.COSINE", "triplet_margin": 0.3}


@pytest.mark.parametrize(
    ("loss_args", "message"),
    [
        ({"scal": 1.0}, r"no parameter 'scal' \(did you mean scale\?\)"),
        ({"model": None}, "no parameter 'model'"),
        ({"scale": 0}, "Scale must be a positive value"),
        ({"similarity_fct": "cosine"}, "similarity_fct must be one of cos_sim, dot_score, got 'cosine'"),
    ],
)
def test_loss_parameters_that_cannot_work(tiny_static, loss_args, message):
    with pytest.raises(ParameterError, match=message):
        build_loss("multiple_negatives_ranking", loss_args, tiny_static)


def built(tmp_path, **arguments):
    return build_arguments(
        checkpoints=tmp_path,
        steps=10,
        warmup_steps=1,
        batch_size=4,
        learning_rate=1e-3,
        save_steps=5,
        seed=1,
        arguments=arguments,
    )


def test_precision_comes_from_the_hardware_or_the_user(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert precision_of(built(tmp_path)) == "fp32"
    assert precision_of(built(tmp_path, bf16=True, use_cpu=True)) == "bf16"


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16")])
def test_precision_of_gpus(monkeypatch, capability, precision):
    import torch

    from hardneg_plugin.training.arguments import _hardware_precision

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert _hardware_precision(use_cpu=False) == {precision: True}
    assert _hardware_precision(use_cpu=True) == {}


def test_nothing_is_reported_anywhere(tmp_path):
    arguments = built(tmp_path)
    assert (arguments.report_to, arguments.push_to_hub, arguments.disable_tqdm) == ([], False, True)


def test_values_that_transformers_refuses(tmp_path):
    with pytest.raises(ParameterError, match=r"arguments: .*not_an_optimizer"):
        built(tmp_path, optim="not_an_optimizer")


@pytest.mark.parametrize(
    ("name", "value", "lowest"), [("max_length", 0, 1), ("static_dims", 1.5, 1), ("vocabulary", True, 2)]
)
def test_sizes_are_checked_before_anything_is_loaded(name, value, lowest):
    from hardneg_plugin.training.settings import TrainingSettings

    settings = TrainingSettings("a/model", **{name: value})
    with pytest.raises(ParameterError, match=f"{name} must be a whole number of at least {lowest}, got {value!r}"):
        settings.check()
