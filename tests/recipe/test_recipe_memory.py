"""``memory:`` in a recipe: blocks that fit, the same results, a peak in the manifest, refusals before any work."""

from __future__ import annotations

import json
import os

import pytest
from rich.console import Console

from hardneg_plugin.datasets import ExampleShards, load_dataset
from hardneg_plugin.errors import RecipeError, WorkspaceError
from hardneg_plugin.memory import available_memory, memory_budget, private_memory
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.recipe.stages import build_stage
from hardneg_plugin.records import read_parquet, write_parquet
from hardneg_plugin.run.chunking import block_size, bytes_per_example, check_fits, run_in_blocks
from hardneg_plugin.run.memory_watch import MemoryWatch, watched_memory
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

RECIPE = """
name: small
data: {dataset: "sample?passages=1000", shard_size: 40}
mine: [{bm25: {top_k: 10}}, {known_positives: {}}, {quality: {}}, {sample: {num_negatives: 2}}]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def shards():
    return ExampleShards(load_dataset("sample?passages=1000"), "train", shard_size=40)


def quiet() -> Progress:
    return Progress(Console(file=open(os.devnull, "w")))  # noqa: PTH123


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("8", 'memory: expected a size such as "8GB", "500 MB" or "2GiB", got \'8\''),
        ("200MB", "memory: expected at least 1GB, got '200MB'"),
    ],
)
def test_a_wrong_size_is_a_mistake_of_the_recipe(recipe, memory, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [f"memory='{memory}'"])
    assert message in str(caught.value)


def test_an_unknown_engine_is_a_mistake_of_the_recipe(recipe):
    with pytest.raises(RecipeError, match="engine: expected one of local, ray, got 'spark'"):
        load_recipe(recipe, ["engine=spark"])


def test_the_peak_stands_beside_the_promise_and_the_promise_changes_no_result(recipe, tmp_path):
    parts = {}
    for runs, overrides in (("without", []), ("with", ["memory=4GB"])):
        run_recipe(load_recipe(recipe, overrides), tmp_path / runs, progress=quiet())
        folder = tmp_path / runs / "small"
        parts[runs] = {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.suffix in (".arrow", ".parquet")
        }
        facts = json.loads((folder / "manifest.json").read_text())["sessions"][0]["memory"]
        assert facts["promised_bytes"] == (4_000_000_000 if overrides else None)
        assert facts["kept"] is (True if overrides else None)
        assert 50_000_000 < facts["peak_held_bytes"] < 4_000_000_000
    assert len(parts["with"]) > 3
    assert parts["with"] == parts["without"]


@pytest.mark.parametrize("stage", [("bm25", {"top_k": 10}), ("random", {"top_k": 3, "seed": 1})])
def test_blocks_give_the_same_bytes_as_a_whole_shard(shards, tmp_path, monkeypatch, stage):
    name, params = stage
    component = build_stage(name, {"corpus": "sample?passages=1000", **params})
    write_parquet(tmp_path / "whole", component.run(examples=shards[0])["examples"])
    sizes = []

    def run(examples):
        sizes.append(len(examples))
        return type(component).run(component, examples=examples)

    monkeypatch.setattr("hardneg_plugin.run.chunking.available_memory", lambda share: 70_000)
    monkeypatch.setattr(component, "run", run)
    write_parquet(tmp_path / "blocks", run_in_blocks(component, shards[0])["examples"])
    assert len(sizes) > 3
    assert sum(sizes) == len(shards[0])
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()
    assert read_parquet(tmp_path / "blocks") == read_parquet(tmp_path / "whole")


def test_a_block_holds_what_there_is_room_for(shards, monkeypatch):
    component = build_stage("bm25", {"corpus": "sample?passages=1000", "top_k": 100})
    assert block_size(component, shards[0]) == 40
    each = bytes_per_example(shards[0], 100)
    assert each > 6_000 + 100 * 400
    with memory_budget(private_memory() + 100_000_000_000):
        assert block_size(component, shards[0]) == 40
    monkeypatch.setattr("hardneg_plugin.run.chunking.available_memory", lambda share: 7 * each + 1)
    assert block_size(component, shards[0]) == 7
    monkeypatch.setattr("hardneg_plugin.run.chunking.available_memory", lambda share: 1)
    assert block_size(component, shards[0]) == 1


def test_a_stage_that_needs_all_examples_says_before_it_starts_that_they_do_not_fit(shards):
    check_fits("answer_swap", shards)
    with memory_budget(private_memory() + 1_000_000_000):
        check_fits("answer_swap", shards)
        many = [shards[0]] * 10_000
        with pytest.raises(
            WorkspaceError, match=r"answer_swap needs all examples at once: 400,000 of about 6 kB"
        ) as told:
            check_fits("answer_swap", many)
    assert "data.limit" in str(told.value)


def test_what_was_taken_before_the_run_and_more_than_was_promised_are_said(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("hardneg_plugin.run.memory_watch.private_memory", lambda: 3_000_000_000)
        with pytest.raises(RecipeError, match=r"memory: 1GB is promised, but 3\.0 GB are taken"):
            watched_memory("1GB", quiet()).__enter__()
    said = []
    progress = quiet()
    monkeypatch.setattr(progress, "say", said.append)
    # What the test run itself holds is no part of this.
    monkeypatch.setattr("hardneg_plugin.run.memory_watch.private_memory", lambda: 500_000_000)
    with watched_memory("1GB", progress) as watch:
        assert available_memory() < 1_000_000_000
        monkeypatch.setattr("hardneg_plugin.run.memory_watch.private_memory", lambda: 1_234_000_000)
    assert said == ["WARNING: memory: 1GB was promised, and 1.23 GB were taken at the peak"]
    assert watch.facts() == {"promised_bytes": 1_000_000_000, "peak_held_bytes": 1_234_000_000, "kept": False}


def test_the_watch_sees_memory_that_is_given_back():
    import time

    import numpy as np

    with MemoryWatch(None) as watch:
        before = watch.peak_held
        held = np.ones(25_000_000)
        deadline = time.monotonic() + 60
        # Asking for the peak would look itself; it is the thread that must see it.
        while watch._peak - before <= 150_000_000:
            assert time.monotonic() < deadline, "nobody looked for a minute"
            time.sleep(0.01)
        del held
    assert watch.peak_held - before > 150_000_000
