"""Estimates: counted by hand where they count, and nothing is touched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.datasets import dataset_sizes
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.cost import duration, size
from hardneg_plugin.run.estimate import estimate

RECIPE = """
name: asked
seed: [1, 2]
data: {dataset: "sample?passages=4000", limit: 100}
systems:
  in-batch: []
  judged:
    - bm25: {top_k: 50}
    - classify: {max_candidates: 25}
    - sample: {num_negatives: 3}
  judged-generated:
    - bm25: {top_k: 50}
    - classify: {max_candidates: 25}
    - generate: {num_passages: 3, source: generated}
    - classify: {source: generated}
    - sample: {num_negatives: 1}
llm: {model: "llama3.1:8b"}
train: {base_model: static, batch_size: 16, epochs: 2}
evaluate: {splits: [test]}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "asked.yaml").write_text(RECIPE)
    return str(tmp_path / "asked.yaml")


def test_calls_steps_and_trainings_are_counted(recipe):
    cost = estimate(load_recipe(recipe), gpu=False)
    # 25 candidates are three questions of ten, asked once for both systems; then one to write and one to judge three.
    assert cost.llm_calls == 100 * (3 + 1 + 1)
    assert (cost.queries, cost.trainings) == (100, 6)
    # Two passes over seven batches.
    assert cost.steps == 14
    assert cost.accelerator_memory == 0
    assert cost.seconds["language model"] == pytest.approx(500 * 1.2)


def test_what_is_mined_with_a_model_of_each_seed_is_asked_for_each(recipe):
    with_dense = load_recipe(
        recipe,
        ["systems={in-batch: [], judged: [{dense: {model: 'system:in-batch', top_k: 10}}, {classify: {}}]}"],
    )
    assert estimate(with_dense, gpu=False).llm_calls == 2 * 100


def test_a_transformer_costs_more_on_processor_cores(recipe):
    loaded = load_recipe(recipe, ["train.base_model=google-bert/bert-base-multilingual-cased", "train.max_length=256"])
    slow, fast = estimate(loaded, gpu=False), estimate(loaded, gpu=True)
    assert slow.seconds["training"] > 100 * fast.seconds["training"]
    # mBERT's weights, gradients and moments alone: 177 million times 16 bytes.
    assert slow.accelerator_memory > 177e6 * 16


def test_sizes_of_local_data_are_counted(make_beir, tmp_path):
    folder = make_beir(
        [{"_id": str(n), "text": "word"} for n in range(7)],
        [{"_id": "a", "text": "one"}, {"_id": "b", "text": "two"}],
        {"train": [("a", "1", 1), ("a", "2", 1)], "test": [("b", "3", 1)]},
    )
    sizes = dataset_sizes(f"beir:{folder}")
    assert (sizes.passages, sizes.queries) == (7, {"train": 1, "test": 1})
    both = dataset_sizes(f"beir:{folder} + beir:{folder}?gold=test&queries=5")
    assert (both.passages, both.queries) == (8, {"train": 1, "test": 2})
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"anchor": "a", "positive": "b"}\n' * 3)
    assert dataset_sizes(f"jsonl:{pairs}").queries == {"train": 3}


@pytest.mark.parametrize(("count", "text"), [(5e5, "0.5 MB"), (1.234e9, "1.2 GB"), (2.5e8, "0.2 GB")])
def test_bytes_for_people(count, text):
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_seconds_for_people(seconds, text):
    assert duration(seconds) == text


def test_a_dry_run_says_what_it_would_cost_and_touches_nothing(make_beir, tmp_path, cache_folder):
    make_beir(name="x")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: tiny\nsystems: {in-batch: []}\ntrain: {base_model: static, max_steps: 7}\n"
        'cells: {one: {data: {dataset: "beir:{data}/x"}, evaluate: {splits: [test]}}}\n'
    )
    before = sorted(tmp_path.rglob("*"))
    arguments = ["benchmark", str(suite), "--data", str(tmp_path), "--dry-run"]
    arguments += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    for line in (
        "tiny, one:",
        "downloads: none",
        "disk: about",
        "LLM calls: none",
        "1 trainings of 7 steps",
        "time on",
    ):
        assert line in result.output
    assert sorted(tmp_path.rglob("*")) == before
    assert not cache_folder.exists()


@pytest.mark.integration
def test_a_dry_run_over_the_hub_leaves_a_new_machine_as_it_was(tmp_path):
    """A process of its own, in a home folder where nothing is yet; no library may leave a file there either."""
    (tmp_path / "work").mkdir()
    names = ("HF_", "HARDNEG_", "HAYSTACK_", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    done = subprocess.run(
        [sys.executable, "-m", "hardneg_plugin", "benchmark", "msmarco", "--dry-run"],
        env={**environment, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    for line in (
        "msmarco, msmarco:",
        "502,939 queries, 8,841,823 passages",
        "msmarco: 1.7 GB, 5 files [MS MARCO terms, non-commercial research]",
        "time on one GPU of 12 GB: about",
        "time on two processor cores: about",
    ):
        assert line in done.stdout
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]
