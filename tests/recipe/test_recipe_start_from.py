"""Systems that go on from an earlier one's model, and measuring on more than one dataset."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

from hardneg_plugin import load_dataset
from hardneg_plugin.errors import RecipeError, WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.report import render_markdown
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.run.splits import check_splits
from hardneg_plugin.training.base_model import base_model_identity

RECIPE = """
name: small
seed: [5, 6]
data: {dataset: "sample?passages=1000", limit: 60}
systems:
  in-batch: []
  bm25: [{bm25: {top_k: 10}}, {known_positives: {}}, {sample: {num_negatives: 1}}]
  bm25-then-in-batch: []
  bm25-then-bm25-then-in-batch: []
start_from: {bm25-then-in-batch: bm25, bm25-then-bm25-then-in-batch: bm25-then-in-batch}
train: {base_model: static, batch_size: 30, static_dims: 16, vocabulary: 1000}
evaluate: {splits: [test]}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def quiet():
    return Progress(Console(file=open(os.devnull, "w"), stderr=False))  # noqa: PTH123


@pytest.mark.integration
def test_a_system_goes_on_from_the_model_of_its_seed_and_its_steps_add_up(recipe, tmp_path, quiet):
    report = run_recipe(load_recipe(recipe), tmp_path / "runs", progress=quiet)
    steps = {system.name: {run.total_steps for run in system.training} for system in report.systems if system.training}
    (once,) = steps["in-batch"]
    assert steps == {
        "in-batch": {once},
        "bm25": {once},
        "bm25-then-in-batch": {2 * once},
        "bm25-then-bm25-then-in-batch": {3 * once},
    }
    weights = [run.model_fingerprint for system in report.systems for run in system.training]
    assert len(set(weights)) == 8
    text = render_markdown(report)
    assert f"{once} + {once}" in text
    assert "differ in their steps" in text

    again = run_recipe(load_recipe(recipe), tmp_path / "runs", progress=quiet)
    assert [run.model_fingerprint for system in again.systems for run in system.training] == weights


@pytest.mark.integration
def test_a_start_that_was_trained_anew_is_another_training(recipe, tmp_path, quiet):
    first = run_recipe(load_recipe(recipe, ["seed=5"]), tmp_path / "runs", progress=quiet)
    other = ["seed=5", "systems.bm25.sample.num_negatives=2", "name=other"]
    second = run_recipe(load_recipe(recipe, other), tmp_path / "runs", progress=quiet)
    for name, same in {"in-batch": True, "bm25": False, "bm25-then-in-batch": False}.items():
        one, two = (
            next(system for system in report.systems if system.name == name).training[0].model
            for report in (first, second)
        )
        assert (base_model_identity(one) == base_model_identity(two)) is same


@pytest.mark.integration
def test_a_training_goes_on_from_a_model_of_another_run(recipe, tmp_path, quiet):
    runs = tmp_path / "runs"
    later = ["name=later", "start_from={in-batch: 'run:small/bm25'}"]
    with pytest.raises(WorkspaceError, match=r"start_from.in-batch: .*small/systems/bm25/seed-5/model is not there"):
        run_recipe(load_recipe(recipe, later), runs, progress=quiet)
    first = run_recipe(load_recipe(recipe), runs, progress=quiet)
    second = run_recipe(load_recipe(recipe, later), runs, progress=quiet)
    started, own = (next(s for s in second.systems if s.name == name) for name in ("in-batch", "bm25"))
    (once,) = {run.total_steps for run in own.training}
    assert {run.total_steps for run in started.training} == {2 * once}
    same = next(system for system in first.systems if system.name == "bm25-then-in-batch")
    assert [run.model_fingerprint for run in started.training] == [run.model_fingerprint for run in same.training]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("start_from={bm26: bm25}", "start_from.bm26: unknown key (did you mean 'bm25'?"),
        ("start_from={in-batch: bm25}", "start_from.in-batch: 'bm25' is none of the systems before it: none"),
        ("start_from={bm25: bm25}", "start_from.bm25: 'bm25' is none of the systems before it: in-batch"),
        ("train=null", "start_from: nothing is trained; give `train`"),
        ("start_from={bm25: 'run:other'}", "start_from.bm25: expected run:NAME/SYSTEM"),
        ("start_from={bm25: 'run:a/b/c'}", "start_from.bm25: system: expected letters, digits"),
        ("start_from=[bm25]", "start_from: expected a mapping, got ['bm25']"),
        ("evaluate.datasets={ko: {split: test}}", "evaluate.datasets.ko.split: unknown key (did you mean 'splits'?"),
        ("evaluate.datasets={ko: {splits: [test]}}", "evaluate.datasets.ko.dataset: missing; a text is needed"),
        ("evaluate.datasets={ko: beir:x}", "evaluate.datasets.ko: expected a mapping with `dataset`, got 'beir:x'"),
        ("evaluate.datasets={test: {dataset: sample}}", "evaluate.datasets.test: a split of the dataset has that name"),
        ("evaluate.datasets={ko: {dataset: sample, relevance: 0}}", "ko.relevance: expected a grade of at least 1"),
    ],
)
def test_mistakes_are_found_at_load(recipe, override, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [override])
    assert message in str(caught.value)


@pytest.mark.integration
def test_one_run_measures_on_several_datasets(recipe, tmp_path, quiet, tiny_beir: Path):
    datasets = f"evaluate.datasets={{tiny/all: {{dataset: 'beir:{tiny_beir}', relevance: 2, group: zero-shot}}}}"
    short = ["seed=5", "systems={in-batch: []}", "start_from={}", datasets]
    report = run_recipe(load_recipe(recipe, short), tmp_path / "runs", progress=quiet)
    own, tiny = report.splits
    assert (own.split, tiny.split, tiny.group, tiny.relevance) == ("test", "tiny/all", "zero-shot", 2)
    assert tiny.dataset == f"beir:{tiny_beir}"
    assert tiny.queries == 2
    assert [result.system for result in tiny.results] == ["BM25 retrieval", "untrained", "in-batch"]
    # By hand: "capital of Egypt" and "the Nile flows" share their words with the right passage alone.
    assert tiny.metrics[0] == "RR(rel=2)@10"
    assert tiny.results[0].means["RR(rel=2)@10"] == 1.0
    assert (tmp_path / "runs/small/systems/in-batch/seed-5/evaluation-tiny-all.json").is_file()


@pytest.mark.integration
def test_a_model_is_not_trained_on_its_test(recipe, tmp_path, quiet):
    with pytest.raises(RecipeError, match=r"data.train: 'train' of .* is measured on, too \(train\)"):
        run_recipe(load_recipe(recipe, ["evaluate.splits=[test, train]"]), tmp_path / "runs", progress=quiet)


def test_a_test_that_is_trained_on_is_refused_under_any_name(tmp_path, quiet, tiny_beir: Path):
    recipe = tmp_path / "seen.yaml"
    recipe.write_text(
        f"name: seen\ndata: {{dataset: 'beir:{tiny_beir} + sample?passages=1000', train: test}}\n"
        "systems: {in-batch: []}\ntrain: {base_model: static, max_steps: 1}\n"
        f"evaluate: {{datasets: {{tiny: {{dataset: 'beir:{tiny_beir}?gold=test'}}}}}}\n"
    )
    with pytest.raises(RecipeError, match=r"data.train: 'test' of .* is measured on, too \(tiny\)"):
        run_recipe(load_recipe(str(recipe)), tmp_path / "runs", progress=quiet)


@pytest.mark.integration
@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_published_test_is_not_trained_on_even_if_another_is_measured(tmp_path, split):
    """The reference fine-tuned on Mr. TyDi's test queries; a run that starts from such a model would not know."""
    data = f"{{dataset: 'mr-tydi:sw + mr-tydi:bn', train: {split}}}"
    text = f"name: x\ndata: {data}\nmine: []\ntrain: {{base_model: static}}\n"
    (tmp_path / "x.yaml").write_text(text)
    recipe = load_recipe(str(tmp_path / "x.yaml"))
    dataset = load_dataset("mr-tydi:sw + mr-tydi:bn")
    if split == "dev":
        check_splits(recipe, dataset, [])
    else:
        message = "data.train: 'test' of mr-tydi:sw, mr-tydi:bn is a test that models are compared on"
        with pytest.raises(RecipeError, match=message):
            check_splits(recipe, dataset, [])


def test_queries_that_were_trained_on_are_counted_and_said(tmp_path, make_beir):
    passages = [
        {"_id": str(n), "text": text} for n, text in enumerate(("The Nile flows north.", "Tea is hot.", "Bees."))
    ]
    queries = [
        ("a", "where does the Nile flow"),
        ("b", "is tea hot"),
        ("c", "Where does the Nile flow?"),
        ("d", "bees"),
    ]
    folder = make_beir(
        passages,
        [{"_id": name, "text": text} for name, text in queries],
        {"train": [("a", "0", 1), ("b", "1", 1)], "test": [("c", "0", 1), ("d", "2", 1)]},
    )
    recipe = tmp_path / "leaky.yaml"
    recipe.write_text(
        f"name: leaky\ndata: {{dataset: 'beir:{folder}'}}\nsystems: {{in-batch: []}}\n"
        "train: {base_model: static, static_dims: 4, vocabulary: 100, max_steps: 1}\nevaluate: {splits: [test]}\n"
    )
    with (tmp_path / "said").open("w") as file:
        report = run_recipe(
            load_recipe(str(recipe)), tmp_path / "runs", progress=Progress(Console(file=file, width=200))
        )
    assert report.splits[0].leaked == {
        "queries": 2,
        "exact queries": 1,
        "near queries": 0,
        "relevant passages": 2,
        "exact relevant passages": 1,
        "near relevant passages": 0,
    }
    assert "WARNING: test: 1 of 2 queries were trained on, or nearly" in (tmp_path / "said").read_text()
    assert "Leakage: of the 2 queries of test the training holds 1, and near-copies of 0 more." in render_markdown(
        report
    )


@pytest.mark.integration
def test_a_recipe_balances_and_parts_languages(tmp_path, quiet):
    recipe = tmp_path / "spoken.yaml"
    recipe.write_text(
        "name: spoken\ndata: {dataset: 'sample?passages=1000', limit: 80}\nsystems: {in-batch: []}\n"
        "train: {base_model: static, static_dims: 8, vocabulary: 500, max_steps: 4, batch_size: 8,\n"
        "  language_exponent: 0.3, batch_languages: same}\n"
    )
    report = run_recipe(load_recipe(str(recipe)), tmp_path / "runs", progress=quiet)
    (system,) = report.systems
    assert system.training[0].total_steps == 4
    from datasets import load_from_disk

    (folder,) = (tmp_path / "runs/spoken/systems/in-batch").glob("seed-*/triplets")
    triplets = load_from_disk(folder)
    assert triplets.column_names == ["anchor", "positive", "language"]
    assert len(set(triplets["language"])) > 4
