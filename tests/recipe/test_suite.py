"""Benchmark suites: what is written, what a second run does, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.errors import RecipeError, WorkspaceError
from hardneg_plugin.recipe.find import builtin_suites
from hardneg_plugin.run.benchmark import run_suite
from hardneg_plugin.run.suite import load_suite

SUITE = """
name: tiny
about: Two cells on the sample.
published: Lines named "they" are what they say.
seed: [1, 2]
systems:
  in-batch: []
  bm25: [{bm25: {top_k: 10}}, {known_positives: }, {sample: {num_negatives: 1}}]
train: {base_model: static, static_dims: 16, vocabulary: 500, max_steps: 3, batch_size: 16}
evaluate: {metrics: [RR@10, nDCG@10]}
cells:
  all:
    about: The whole sample.
    data: {dataset: "sample?passages=1000", limit: 60}
    evaluate: {splits: [test], baseline: in-batch}
    published: {test: {they: {RR@10: 0.5, nDCG@10: 0.25}}}
  others:
    data: {dataset: "sample?passages=1000", limit: 60}
    evaluate:
      datasets:
        here/en: {dataset: "sample?passages=1000", group: seen}
        there/x: {dataset: "{data}/x", group: unseen}
smoke: {seed: 1, train.max_steps: 1}
"""


@pytest.fixture
def suite_file(tmp_path, make_beir):
    make_beir(name="x")
    (tmp_path / "suite.yaml").write_text(SUITE.replace("{data}/x", "beir:{data}/x"))
    return tmp_path / "suite.yaml"


class Said:
    """Collects what progress says."""

    def __init__(self):
        from io import StringIO

        from rich.console import Console

        from hardneg_plugin.run.progress import Progress

        self.text = StringIO()
        self.progress = Progress(Console(file=self.text, width=200))


def result_texts(folder: Path) -> dict[str, str]:
    """Return the result files without their timing."""
    texts = {}
    for path in sorted(folder.rglob("*.json")):
        result = json.loads(path.read_text())
        assert set(result.pop("timing")) == {"date", "training_seconds"}
        texts[str(path.relative_to(folder))] = json.dumps(result, sort_keys=True)
    return texts


@pytest.mark.integration
def test_a_suite_writes_tables_and_self_describing_files_and_does_nothing_twice(suite_file, tmp_path):
    suite = load_suite(suite_file, tmp_path)
    said = Said()
    run_suite(suite, tmp_path / "runs", tmp_path / "results", progress=said.progress)
    page = (tmp_path / "results/tiny.md").read_text()
    assert page.startswith("# tiny\n\nTwo cells on the sample.\n\nLines named")
    assert "| they | 0.500 |" in page
    assert "RR@10, mean over datasets" in page
    assert "RR@10 above in-batch" in page
    for line in ("BM25 retrieval", "untrained", "in-batch", "bm25"):
        assert f"| {line} |" in page
    files = result_texts(tmp_path / "results")
    assert set(files) == {
        f"tiny/{system}/{target}.json"
        for system in ("BM25-retrieval", "untrained", "in-batch", "bm25")
        for target in ("all-test", "others-here-en", "others-there-x")
    }
    result = json.loads(files["tiny/bm25/others-here-en.json"])
    assert result["measured_on"]["group"] == "seen"
    assert [run["steps"] for run in result["training"]] == [3, 3]
    assert [seed["seed"] for seed in result["seeds"]] == [1, 2]
    assert {path.name for path in (tmp_path / "results/tiny").glob("*.svg")} == {
        "all-scores.svg",
        "all-gain.svg",
        "others-scores.svg",
        "others-gain.svg",
    }
    assert (tmp_path / "results/tiny.tex").read_text().count(r"\begin{table}") == 10
    rows = list(csv.DictReader((tmp_path / "results/tiny.csv").open()))
    assert {(row["cell"], row["measured_on"]) for row in rows} == {
        ("all", "test"),
        ("others", "here/en"),
        ("others", "there/x"),
    }
    assert {row["steps"] for row in rows if row["system"] == "bm25"} == {"3"}

    again = Said()
    run_suite(suite, tmp_path / "runs", tmp_path / "results", progress=again.progress)
    assert again.progress.tasks == 0
    assert "all: finished before; nothing was to do" in again.text.getvalue()
    assert "others: finished before; nothing was to do" in again.text.getvalue()
    assert result_texts(tmp_path / "results") == files

    elsewhere = Said()
    run_suite(suite, tmp_path / "other-runs", tmp_path / "other-results", progress=elsewhere.progress)
    assert elsewhere.progress.tasks > 0
    assert result_texts(tmp_path / "other-results") == files

    with pytest.raises(WorkspaceError, match=r"tiny.md exists; --if-exists reuse goes on with it"):
        run_suite(suite, tmp_path / "runs", tmp_path / "results", if_exists="error")


@pytest.mark.integration
def test_the_command_runs_one_cell_in_its_small_size(suite_file, tmp_path):
    arguments = ["benchmark", str(suite_file), "--data", str(tmp_path), "--smoke", "--only", "all"]
    arguments += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (row,) = [r for r in csv.DictReader((tmp_path / "results/tiny-smoke-all.csv").open()) if r["system"] == "bm25"][:1]
    assert row["steps"] == "1"
    assert "## others" not in result.stdout


@pytest.mark.integration
def test_models_are_measured_beside_the_lines_and_without_training(suite_file, tmp_path, tiny_model_folder):
    arguments = [
        "benchmark",
        str(suite_file),
        "--data",
        str(tmp_path),
        "--no-train",
        "--model",
        f"mine={tiny_model_folder}",
    ]
    arguments += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    files = result_texts(tmp_path / "results")
    assert {name.split("/")[1] for name in files} == {"BM25-retrieval", "mine"}
    assert json.loads(files["tiny-measured/mine/all-test.json"])["base_model"]["name"] == str(tiny_model_folder)
    assert not (tmp_path / "runs/tiny-measured-all/systems").exists()


@pytest.fixture
def tiny_model_folder(tmp_path):
    from hardneg_plugin.training.static_model import build_static_model

    build_static_model(["red wine and blue sky"], dims=8, vocabulary=200).save(str(tmp_path / "model"))
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("{bm25: a/b}", "evaluate.models.bm25: a system has that name"),
        ("{untrained: a/b}", "evaluate.models.untrained: the name is taken by the line"),
        ("[a/b]", "evaluate.models: expected a mapping"),
    ],
)
def test_a_model_needs_a_name_of_its_own(suite_file, tmp_path, models, message):
    suite_file.write_text(suite_file.read_text().replace("baseline: in-batch", f"models: {models}"))
    with pytest.raises(RecipeError, match=message):
        load_suite(suite_file, tmp_path)


def test_cells_take_what_the_suite_says_and_add_their_own(suite_file, tmp_path):
    suite = load_suite(suite_file, tmp_path)
    first, second = suite.cells
    assert first.recipe.name == "tiny-all"
    assert first.recipe.evaluate.metrics == ["RR@10", "nDCG@10"]
    assert first.recipe.evaluate.baseline == "in-batch"
    assert second.recipe.evaluate.baseline is None
    assert second.recipe.evaluate.datasets["there/x"]["dataset"] == f"beir:{tmp_path / 'x'}"
    assert load_suite(suite_file, tmp_path, smoke=True).cells[0].recipe.seeds == (1,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("cells:", "cels:"), r"suite.yaml: cels: unknown key.*cells"),
        (
            ('    data: {dataset: "sample?passages=1000", limit: 60}\n    evaluate: {s', "    evaluate: {s"),
            "data: missing",
        ),
        (("{test: {they", "{tst: {they"), r"cell all: published.tst: unknown key.*test"),
        (("RR@10: 0.5", "RR@5: 0.5"), r"published.test.they: expected a number under one of RR@10, nDCG@10; got RR@5"),
        (("{they: {RR@10: 0.5, nDCG@10: 0.25}}", "7"), r"published.test: expected a mapping, got 7"),
        (("bm25: {top_k: 10}", "bm25: {topk: 10}"), r"cell all: 1 mistake.*\n.*topk"),
    ],
)
def test_a_wrong_suite_is_refused_with_its_place(suite_file, tmp_path, change, message):
    text = suite_file.read_text()
    assert change[0] in text
    suite_file.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        load_suite(suite_file, tmp_path)


def test_an_unknown_cell_or_suite_is_named(suite_file, tmp_path):
    with pytest.raises(RecipeError, match="cells.al: unknown key.*all"):
        load_suite(suite_file, tmp_path, only=["al"])
    result = CliRunner().invoke(main, ["benchmark", "nothing"])
    assert result.exit_code == 1
    assert "no suite 'nothing': neither a file nor one of" in result.output


def test_a_suite_under_the_name_of_a_recipe_says_what_it_is():
    run = CliRunner().invoke
    refused = run(main, ["run", "all_phases", "--set", "seed=1"])
    assert refused.exit_code == 2
    assert "all_phases is a suite of recipes, which takes no --set, --budget or --record" in refused.output
    shown = run(main, ["validate", "all_phases"])
    assert shown.exit_code == 1
    assert "`hardneg benchmark all_phases`, with --dry-run to see what it needs" in shown.output


@pytest.mark.parametrize("name", builtin_suites())
def test_every_suite_that_comes_with_the_package_is_whole(name, tmp_path):
    for smoke in (False, True):
        suite = load_suite(builtin_suites()[name], tmp_path, smoke=smoke)
        assert suite.name == name
        assert suite.about
        assert all(cell.recipe.evaluate is not None for cell in suite.cells)
