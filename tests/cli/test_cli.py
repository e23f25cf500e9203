"""The command line: help without heavy imports, one line for mistakes, results on standard output."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import VERBS, main

KEY = "0123456789abcdef"


@pytest.fixture
def runner():
    return CliRunner()


def test_help_lists_every_verb(runner):
    result = runner.invoke(main, ["--help"])
    assert result.exit_code == 0
    for verb, help_line in VERBS.items():
        assert verb in result.output
        assert help_line in result.output


def test_without_a_verb_there_is_help(runner):
    assert "Commands:" in runner.invoke(main, []).output


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_its_own_name(runner, verb):
    result = runner.invoke(main, [verb, "--help"])
    assert result.exit_code == 0
    assert f"main {verb}" in result.output


def test_an_unknown_verb_is_refused(runner):
    assert runner.invoke(main, ["mien"]).exit_code == 2


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from hardneg_plugin.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'haystack', 'numpy', 'pyarrow', 'datasets', 'transformers', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_recipes_lists_name_and_purpose(runner):
    lines = runner.invoke(main, ["recipes"]).output.splitlines()
    assert any(line.startswith("quickstart ") and "built-in sample" in line for line in lines)


def test_show_prints_a_recipe_that_loads_to_itself(runner, tmp_path):
    shown = runner.invoke(main, ["show", "quickstart", "--set", "train.epochs=3"]).output
    assert "epochs: 3" in shown
    path = tmp_path / "mine.yaml"
    path.write_text(shown)
    assert runner.invoke(main, ["show", str(path)]).output == shown


def test_a_mistake_is_one_error_without_a_traceback(runner, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\ndata: {dataset: sample}\nmine: [{bm25: {topk: 1}}]\n")
    result = runner.invoke(main, ["validate", str(path)])
    assert result.exit_code == 1
    assert "topk: unknown key (did you mean 'top_k'?" in result.output
    assert "Traceback" not in result.output


def test_a_missing_dataset_names_what_is_missing(runner, tmp_path):
    result = runner.invoke(
        main, ["run", "phase1_bm25", "--runs", str(tmp_path), "--set", f"data.dataset=beir:{tmp_path}/no"]
    )
    assert result.exit_code == 1
    assert f"data.dataset: there is no folder or file {tmp_path}/no" in result.output
    assert not (tmp_path / "phase1_bm25").exists()


def test_validate_counts_what_it_checked(runner):
    assert "7 systems, 22 stages, 1 seeds" in runner.invoke(main, ["validate", "quickstart"]).output


def test_the_cache_is_shown_and_cleared(runner, cache_folder):
    (cache_folder / "bm25" / KEY).mkdir(parents=True)
    (cache_folder / "bm25" / KEY / "data.npy").write_bytes(b"x" * 2_000_000)
    shown = runner.invoke(main, ["cache"]).output
    assert f"2.0 MB  bm25/{KEY}" in shown
    assert str(cache_folder) in shown
    assert "no entries of kind 'dense'; kinds: bm25" in runner.invoke(main, ["cache", "clear", "dense"]).output
    assert runner.invoke(main, ["cache", "clear", "bm25"]).output == "freed 2.0 MB\n"
    assert not (cache_folder / "bm25" / KEY).exists()


@pytest.mark.integration
def test_run_ends_in_the_table_and_evaluate_finds_the_same_values(runner, tmp_path):
    settings = ["train.static_dims=32", "train.vocabulary=2000", "train.epochs=1", "data.dataset=sample?passages=1000"]
    options = [part for setting in settings for part in ("--set", setting)]
    result = runner.invoke(main, ["run", "quickstart", "--runs", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    table = result.stdout.split("Results on test")[1]
    line = next(line for line in table.splitlines() if line.startswith("in-batch"))
    model = str(tmp_path / "quickstart" / "systems" / "in-batch" / "seed-13" / "model")
    evaluated = runner.invoke(main, ["evaluate", model, "sample?passages=1000"])
    assert evaluated.exit_code == 0, evaluated.output
    again = next(line for line in evaluated.stdout.splitlines() if line.startswith("model "))
    values = [[value.rstrip("*▲▼") for value in text.split()[1:7]] for text in (again, line)]
    assert values[0] == values[1]


@pytest.mark.parametrize(("value", "expected"), [("0.9", 0), ("none", 2), ("0.999", 2)])
def test_mine_takes_the_similarity_of_a_near_copy(runner, tmp_path, value, expected):
    pairs, output = tmp_path / "pairs.jsonl", tmp_path / "rows.jsonl"
    texts = ["the bridge over the river is long and red", "the bridge over the river is long and reds"]
    rows = [
        {"query": query, "answer": text}
        for query, text in zip(["long bridge", "bridge that is red"], texts, strict=True)
    ]
    pairs.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    arguments = ["mine", str(pairs), "-o", str(output), "--near-duplicate", value, "--num-negatives", "1"]
    result = runner.invoke(main, arguments)
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert sum(row["negative"] is not None for row in found) == expected


@pytest.mark.parametrize("value", ["0", "1.5", "much"])
def test_mine_refuses_another_similarity(runner, tmp_path, value):
    result = runner.invoke(main, ["mine", "sample", "-o", str(tmp_path / "rows.jsonl"), "--near-duplicate", value])
    assert result.exit_code == 2
    assert "--near-duplicate" in result.output
    assert "above 0 and up to 1" in result.output
