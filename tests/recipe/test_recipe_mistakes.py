"""Mistakes that are found while a recipe is loaded: values that cannot work, overrides of any shape, odd files."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.recipe.schema import Stage
from hardneg_plugin.recipe.stages import stage_fingerprint

RECIPE = """
name: one
data: {dataset: sample}
systems:
  in-batch: []
  bm25: [{bm25: {top_k: 20}}, {sample: {num_negatives: 2}}]
train: {base_model: static}
"""
MINE = "name: one\ndata: {dataset: sample}\nmine: [{bm25: {top_k: 20}}, {random: {top_k: 3}}]\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "one.yaml") -> str:
        path = tmp_path / "recipes" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.limit=0", "data.limit: expected at least 1, got 0"),
        ("data.relevance=0", "data.relevance: expected at least 1, got 0"),
        ("data.shard_size=10001", "data.shard_size: expected 1 to 10,000, got 10001"),
        ("data.dataset=sample?on_bad_row=error&on_bad_row=skip", "data.dataset: .*given twice"),
        ("seed=-1", r"seed: expected whole numbers from 0 to 2\*\*32 - 1, got -1"),
        ("seed=[3, 3]", "seed: 3 is given twice"),
        ("seed=[]", "seed: expected at least one"),
        ("evaluate={splits: [test], top_k: 10}", "evaluate.top_k: R@100 looks at more passages .* got 10"),
        ("evaluate={splits: [test], relevance: {test: 0}}", "evaluate.relevance.test: expected a grade of at least 1"),
        ("evaluate={splits: []}", "evaluate: nothing to measure on"),
        ("systems.bm25.bm25.top_k=0", r"systems.bm25\[0\].bm25: BM25NegativeMiner: top_k must be"),
        ("systems.bm25.sample.num_negatives=0", r"systems.bm25\[1\].sample: NegativeSampler: num_negatives must be"),
        ("train.loss=nonsense", "train: .*loss must be one of"),
        ("train.epochs=-1", "train: .*epochs"),
        ("train.learning_rate=-1.0", "train: learning_rate must be auto or a number above 0"),
        ("train.warmup=7", "train: warmup is a share"),
        ("train.arguments.gradient_accumulation_steps=x", "gradient_accumulation_steps: expected a whole number"),
        ("train.arguments.gradient_accumulation_steps=0", "train: gradient_accumulation must be above 0"),
        ("train.seed=3", "train.seed: the engine sets it: use `seed:`"),
        ("train.output_dir=x", "train.output_dir: the engine sets it"),
        ("train.corpus=sample", "train.corpus: the engine sets it"),
        ("data=3", "data: expected a mapping, got 3"),
        ("data=null", "data: expected a mapping, got None"),
        ("systems=5", "systems: expected a mapping of names"),
        ("systems.bm25=null", "systems.bm25: expected a list of stages, got None"),
        ("systems.bm25=[5]", r"systems.bm25\[0\]: expected one stage"),
        ("systems.bm25=[{foo: {}}]", r"systems.bm25\[0\].foo: unknown key"),
        ("train=5", "train: expected a mapping, got 5"),
        ("name=123", "name: expected letters.* got 123; a number or a date needs quotes"),
        ("name=2024-01-01", "name: expected letters.*; a number or a date needs quotes"),
        (f"name={'x' * 101}", "name: expected at most 100 characters, got 101"),
        ("mine.bm25.top_k=3", "mine: unknown key"),
    ],
)
def test_a_value_that_cannot_work_is_found_at_load(write, override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(RECIPE), [override])


def test_mistakes_of_several_sections_are_reported_together(write):
    overrides = ["seed=-1", "systems.bm25.bm25.top_k=0", "train.epochs=-1", "data.limit=0"]
    with pytest.raises(RecipeError, match="4 mistakes"):
        load_recipe(write(RECIPE), overrides)


@pytest.mark.parametrize("name", ["untrained", "Untrained", "bm25-retrieval"])
def test_the_lines_of_every_table_keep_their_names(write, name):
    with pytest.raises(RecipeError, match=f"systems.{name}: the name is taken by the line"):
        load_recipe(write(RECIPE.replace("in-batch", name)))


def test_an_override_after_one_of_another_shape(write):
    with pytest.raises(RecipeError, match="names no stage; stages of systems.bm25: 0 \\(5\\), 1 \\(\\)"):
        load_recipe(write(RECIPE), ["systems.bm25=[5, {}]", "systems.bm25.bm25.top_k=3"])


def test_a_section_that_an_override_brings_gets_its_defaults(write):
    loaded = load_recipe(write(RECIPE), ["train={base_model: static}", "evaluate={splits: [train]}"])
    assert loaded.train["batch_size"] == 32
    assert loaded.evaluate.top_k == 100
    assert loaded.evaluate.splits == ["train"]


def test_mine_may_be_called_so_in_overrides(write):
    loaded = load_recipe(write(MINE), ["mine.bm25.top_k=3", "mine.1.random.top_k=4"])
    assert [stage.params["top_k"] for stage in loaded.systems["one"]] == [3, 4]


def test_what_the_engine_fills_in_may_be_set(write):
    loaded = load_recipe(write(MINE), ["mine.random.seed=9", "mine.bm25.corpus=sample"])
    assert loaded.systems["one"][1].params["seed"] == 9
    assert loaded.systems["one"][0].params["corpus"] == "sample"


@pytest.mark.parametrize("content", [RECIPE.encode("utf-16"), b"name: \xff"])
def test_a_file_in_another_encoding_is_named(tmp_path, content):
    path = tmp_path / "utf16.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="utf16.yaml: cannot be read as UTF-8"):
        load_recipe(str(path))


def test_static_is_never_a_folder_and_paths_count_from_one_place_only(write, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    for folder in ("static", "model"):
        (elsewhere / folder).mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert load_recipe(write(RECIPE), ["train.base_model=static"]).train["base_model"] == "static"
    untouched = load_recipe(write(RECIPE.replace("static", "model")), ["seed=3"])
    assert untouched.train["base_model"] == "model"
    recipe = write(MINE.replace("{random: {top_k: 3}}", "{dense: {model: ./m, corpus: 'beir:c'}}"))
    dense = load_recipe(recipe).systems["one"][1].params
    assert dense["model"] == str(tmp_path / "recipes" / "m")
    assert dense["corpus"] == f"beir:{tmp_path / 'recipes' / 'c'}"
    overridden = load_recipe(recipe, ["mine.dense.model=model", "mine.dense.corpus=beir:c"]).systems["one"][1].params
    assert overridden["model"] == str(elsewhere / "model")
    assert overridden["corpus"] == f"beir:{elsewhere / 'c'}"


def test_a_seed_that_is_not_used_is_not_in_the_fingerprint():
    def key(strategy: str, seed: int) -> str:
        stage = Stage("sample", {"strategy": strategy, "seed": seed})
        return stage_fingerprint(stage, stage.params, "sample", "before")

    assert key("top", 1) == key("top", 2)
    assert key("random", 1) != key("random", 2)


def test_validate_checks_splits_where_the_data_is_there(write, tiny_beir):
    recipe = write(RECIPE)
    missing = CliRunner().invoke(main, ["validate", recipe, "--set", f"data.dataset=beir:{tiny_beir}/no"])
    assert missing.exit_code == 0
    assert "note: splits were not checked" in missing.output
    wrong = ["--set", f"data.dataset=beir:{tiny_beir}", "--set", "data.train=dev"]
    result = CliRunner().invoke(main, ["validate", recipe, *wrong])
    assert result.exit_code == 1
    assert "data.train: " in result.output
    assert "no split 'dev'" in result.output
