"""Loading: defaults, overrides, paths, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.find import builtin_recipes
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.recipe.yaml_text import to_yaml

RECIPE = """
name: mine-one
data: {dataset: "beir:data"}
mine:
  - bm25: {top_k: 20}
  - known_positives:
  - sample: {num_negatives: 2}
train: {base_model: static}
evaluate: {splits: [test]}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipes" / "one.yaml"
    path.parent.mkdir()
    path.write_text(RECIPE)
    return path


def test_defaults_are_filled_in_and_mine_is_one_system(recipe):
    loaded = load_recipe(str(recipe))
    (system,) = loaded.systems
    assert system == "mine-one"
    bm25, positives, sample = loaded.systems[system]
    assert bm25.name == "bm25"
    corpus_defaults = {"filters": None, "meta_fields": None, "index": None}
    assert bm25.params == {"top_k": 20, "k1": 1.2, "b": 0.75, "source": "bm25", **corpus_defaults}
    assert positives.params == {"near_duplicate": 0.9}
    assert sample.params["strategy"] == "top"
    assert loaded.seeds == (0,)
    assert loaded.train["warmup"] == 0.1
    assert loaded.evaluate.top_k == 100


def test_a_resolved_recipe_loads_to_itself(recipe, tmp_path):
    loaded = load_recipe(str(recipe), ["seed=[1, 2]", "train.arguments.weight_decay=0.1"])
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(loaded.to_dict()))
    assert load_recipe(str(again)) == loaded


def test_a_relative_path_counts_from_the_recipe_and_in_set_from_the_working_directory(recipe, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "model").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert load_recipe(str(recipe)).data.dataset == f"beir:{recipe.parent / 'data'}"
    loaded = load_recipe(str(recipe), ["data.dataset=beir:other", "train.base_model=model"])
    assert loaded.data.dataset == f"beir:{elsewhere / 'other'}"
    assert loaded.train["base_model"] == str(elsewhere / "model")


def test_a_hub_id_is_left_alone(recipe):
    model = "google-bert/bert-base-multilingual-cased"
    assert load_recipe(str(recipe), [f"train.base_model={model}"]).train["base_model"] == model


def test_all_mistakes_are_reported_at_once(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: a b\nseed: x\ndata: {dataset: 'brei:x', limt: 3}\n"
        "mine: [{bm25: {topk: 1}}, {sample: {strategy: best}}]\n"
        "train: {base_model: static, epochs: many}\nevaluate: {splits: test, metrics: ['RR@10', 'nope@3']}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    message = str(caught.value)
    for expected in (
        f"{path}: ",
        "name: expected letters, digits, . _ or -, got 'a b'",
        "seed: expected a list of a whole number",
        "data.limt: unknown key (did you mean 'limit'?",
        "[0].bm25.topk: unknown key (did you mean 'top_k'?",
        "[1].sample.strategy: expected one of top, random, simans, got 'best'",
        "train.epochs: expected a number, got 'many'",
        "evaluate.splits: expected a list of a text, got 'test'",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected a mapping with name"),
        ("name: x\ndata: {dataset: sample}\n", "give one of them"),
        ("name: x\ndata: {dataset: sample}\nmine: []\nsystems: {}\n", "give one of them"),
        ("name: x\ndata: sample\nmine: []\n", "data: expected a mapping, got 'sample'"),
        (
            "name: x\ndata: {dataset: sample}\nmine: [bm25]\n",
            r"expected one stage as `name: \{parameters\}`, got 'bm25'",
        ),
        ("name: x\ndata: {dataset: sample}\nmine: [{bn25: {}}]\n", "bn25: unknown key \\(did you mean 'bm25'"),
        ("name: x\ndata: {dataset: sample}\nmine: [{bm25: 3}]\n", "expected a mapping of parameters, got 3"),
        ("name: x\ndata: {}\nmine: []\n", "data.dataset: missing"),
        ("name: x\ndata: {dataset: 'brei:x'}\nmine: []\n", "expected sample, beir:FOLDER"),
        ("name: x\ndata: {dataset: sample}\nmine: []\nevaluate: {splits: [a], metrics: ['x@1']}\n", "evaluate.metrics"),
        ("name: x\ndata: {dataset: sample}\nmine: []\ntrian: {}\n", "trian: unknown key \\(did you mean 'train'"),
    ],
)
def test_shapes_that_cannot_be_filled_up(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(RecipeError, match="neither a file nor one of .*quickstart"):
        load_recipe("quickstar")


@pytest.mark.parametrize("name", builtin_recipes())
def test_every_recipe_that_is_shipped_is_valid_and_says_how_to_run_it(name):
    assert load_recipe(name).name == name
    header = builtin_recipes()[name].read_text("utf-8").split("\n\n")[0]
    assert f"hardneg run {name}" in header
    assert "# Needs" in header
    assert "--set" in header


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "train.epoch: unknown key \\(did you mean 'epochs'"),
        ("nothing", "expected dotted.key=value"),
        ("data.dataset.x=1", "data.dataset is .* it has no keys"),
        ("systems.mine-one.rndom.top_k=3", "'rndom' names no stage; stages of systems.mine-one: 0 \\(bm25\\), 1"),
        ("systems.mine-one.bm25=3", r"as in systems.mine-one.bm25.PARAMETER=VALUE"),
        ("systems.other.bm25.top_k=3", "systems.other: unknown key"),
        ("train.epochs=[", "--set train.epochs=\\["),
    ],
)
def test_overrides_change_keys_that_exist_only(recipe, override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(recipe), [override])


def test_overrides_reach_stages_by_name_and_by_number(recipe):
    loaded = load_recipe(str(recipe), ["systems.mine-one.bm25.top_k=7", "systems.mine-one.2.sample.rank_from=3"])
    assert loaded.systems["mine-one"][0].params["top_k"] == 7
    assert loaded.systems["mine-one"][2].params["rank_from"] == 3


def test_the_user_s_own_mappings_take_new_keys(recipe):
    loaded = load_recipe(str(recipe), ["evaluate.relevance.dl19=2", "train.loss_args.scale=10.0"])
    assert loaded.evaluate.relevance == {"dl19": 2}
    assert loaded.train["loss_args"] == {"scale": 10.0}


def test_builtin_recipes_are_files():
    assert all(Path(path).is_file() for path in builtin_recipes().values())
