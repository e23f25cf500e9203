"""Mistakes that are found while a recipe is loaded: values that cannot work, overrides of any shape, odd files."""

from __future__ import annotations

import copy
from contextlib import suppress

import pytest
import yaml
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.load import load_recipe, resolved_recipe
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
        ("data.limit=0", "data.limit: expected a whole number of at least 1 or null, got 0"),
        ("data.relevance=0", "data.relevance: expected a grade of at least 1, got 0"),
        ("data.shard_size=10001", "data.shard_size: expected a whole number from 1 to 10,000, got 10001"),
        ("data.dataset=sample?on_bad_row=error&on_bad_row=skip", "data.dataset: .*given twice"),
        ("seed=-1", r"seed: expected whole numbers from 0 to 2\*\*32 - 1, got -1"),
        ("seed=[3, 3]", "seed: 3 is given twice"),
        ("seed=[]", "seed: expected at least one"),
        ("evaluate={splits: [test], top_k: 10}", "evaluate.top_k: R@100 looks at more passages .* got 10"),
        ("evaluate={splits: [test], relevance: {test: 0}}", "evaluate.relevance.test: expected a grade of at least 1"),
        ("evaluate={splits: []}", "evaluate: nothing to measure on"),
        ("systems.bm25.bm25.top_k=0", r"systems.bm25\[0\].bm25.top_k: expected a whole number of at least 1, got 0"),
        (
            "systems.bm25.sample.num_negatives=0",
            r"systems.bm25\[1\].sample.num_negatives: expected a whole number of",
        ),
        ("train.loss=nonsense", "train.loss: expected one of multiple_negatives_ranking, .* got 'nonsense'"),
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


EVERY_KIND = """
name: one
data: {dataset: "beir:./no-data", limit: ten}
systems:
  first:
    - bm25: {top_k: 0, k1: "1.2"}
    - bm26: {}
  second:
    - bm25: {top_k: 20}
    - dense: {model: some/model, top_k: 5}
    - sample: {source: dense, quotas: {bm25: 1, cluster: 2}}
    - positive_aware: {scorer: dense}
    - fuse: {sources: [bm25, random]}
    - bm25: {top_k: 5}
  third:
    - dense: {model: "system:fourth"}
    - cluster: {model: ./no-model}
    - budget: {labels: ./no-labels.csv, model: not an id}
  fourth: []
train: {base_model: ./no-base, epochz: 3}
evaluate: {splits: [test], models: {given: ./no-given}}
unknown: 1
"""
MISTAKES = (
    "unknown: unknown key (known: name, seed, memory",
    "systems.first[1].bm26: unknown key (did you mean 'bm25'? known: ",
    "data.limit: expected a whole number of at least 1 or null, got 'ten'",
    "systems.first[0].bm25.top_k: expected a whole number of at least 1, got 0",
    "systems.first[0].bm25.k1: expected a number of at least 0, got '1.2'",
    "systems.second[2].sample.source: no stage before it writes the source 'dense'; written are: bm25, "
    "dense:some/model; without `source`, a dense stage writes 'dense:some/model'",
    "systems.second[2].sample.quotas: it must name every source; dense:some/model is not there",
    "systems.second[2].sample.quotas.cluster: no stage before it writes the source 'cluster'",
    "systems.second[3].positive_aware.scorer: no stage before it writes the scorer 'dense'; written are: ",
    "systems.second[4].fuse.sources: no stage before it writes the source 'random'",
    "systems.second[5].bm25.source: a stage before it writes 'bm25' already",
    "systems.third[0].dense.model: 'system:fourth' is none of the trained systems before it: first, second",
    "systems.third[1].cluster.model: there is no folder ",
    "systems.third[2].budget.model: there is no folder not an id, and it is no id of the Hugging Face Hub",
    "systems.third[2].budget.labels: there is no file ",
    "train.epochz: unknown key (did you mean 'epochs'? known: ",
    "train.base_model: there is no folder ",
    "evaluate.models.given: there is no folder ",
)


@pytest.mark.parametrize("command", ["run", "validate"])
def test_mistakes_of_every_kind_come_in_one_round(write, command, tmp_path):
    arguments = ["--runs", str(tmp_path / "runs")] if command == "run" else []
    result = CliRunner().invoke(main, [command, write(EVERY_KIND), *arguments])
    assert result.exit_code == 1
    assert f"{len(MISTAKES)} mistakes:" in result.output
    said = " ".join(result.output.split())
    assert [mistake for mistake in MISTAKES if mistake not in said] == []
    assert not (tmp_path / "runs").exists()


def test_a_dataset_that_is_not_there_is_named_with_the_other_mistakes(write, tmp_path):
    recipe = write(RECIPE.replace("dataset: sample", "dataset: 'beir:./no-data'"))
    overrides = ["train.base_model=./no-model"]
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides, inputs="all")
    assert "2 mistakes" in str(caught.value)
    assert f"data.dataset: there is no folder or file {tmp_path / 'recipes' / 'no-data'}" in str(caught.value)
    assert load_recipe(recipe).data.dataset == f"beir:{tmp_path / 'recipes' / 'no-data'}"


def test_what_only_a_run_can_name_is_no_mistake(write):
    judged = "{generate: {}}, {classify: {source: 'generated:x'}}, {sample: {quotas: {bm25: 1, 'generated:x': 1}}}"
    load_recipe(write(RECIPE.replace("{sample: {num_negatives: 2}}", judged) + "llm: {}\n"))
    trained = "{dense: {model: 'system:in-batch'}}, {sample: {source: 'dense:model'}}"
    load_recipe(write(RECIPE.replace("{sample: {num_negatives: 2}}", trained)))


FULL = """
name: one
seed: [1]
memory: 8GB
engine: local
data: {dataset: sample, limit: 5}
systems:
  in-batch: []
  mined:
    - bm25: {corpus: sample, top_k: 20}
    - dense: {model: some/model}
    - sample: {quotas: {bm25: 1, "dense:some/model": 1}}
    - classify: {actions: {undecided: keep}}
start_from: {mined: in-batch}
train_by_system: {mined: {batch_clusters: 4}}
llm: {recorded: answers.jsonl}
train: {base_model: static, loss_args: {scale: 20.0}, arguments: {weight_decay: 0.1}}
evaluate: {splits: [test], datasets: {other: {dataset: sample, splits: [test]}}, models: {given: a/model}}
"""


def positions(value, names=()):
    yield names
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from positions(item, (*names, key))


@pytest.mark.parametrize("junk", [None, 7, [None], {"a": {}}], ids=repr)
def test_no_value_in_any_place_is_more_than_a_mistake(tmp_path, junk):
    whole = yaml.safe_load(FULL)
    for names in list(positions(whole))[1:]:
        broken = copy.deepcopy(whole)
        position = broken
        for name in names[:-1]:
            position = position[name]
        position[names[-1]] = junk
        # Anything else that is raised is a fault of the check.
        with suppress(RecipeError):
            resolved_recipe(broken, [], location="it", folder=tmp_path, source=None, inputs="all")
