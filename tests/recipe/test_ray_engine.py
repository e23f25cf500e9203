"""Stages on a Ray cluster of two workers on this machine: the same bytes as in one process, whatever dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from hardneg_plugin.errors import BudgetError, DatasetError, ParameterError
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.session import session
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.local import LocalEngine, StageJob
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.run.workspace import StageFolder

pytestmark = pytest.mark.integration

RECIPE = """
name: small
seed: 5
data: {dataset: "sample?passages=1000", shard_size: 20}
systems:
  random: [{random: {top_k: 5}}, {known_positives: {}}, {sample: {num_negatives: 2, strategy: random}}]
  bm25: [{bm25: {top_k: 10}}, {known_positives: {}}, {quality: {}}, {sample: {num_negatives: 2}}]
"""


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, configure_logging=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return str(path)


def run(recipe: str, runs: Path, *overrides: str) -> Path:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        run_recipe(load_recipe(recipe, overrides), runs, progress=Progress(Console(file=nowhere)))
    return runs / "small"


def content(folder: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in ("stages", "systems")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    assert len(found) > 30
    return found


def test_parts_and_triplets_are_the_same_bytes(ray, recipe, tmp_path):
    local = content(run(recipe, tmp_path / "local"))
    assert content(run(recipe, tmp_path / "ray", "engine=ray")) == local
    assert content(run(recipe, tmp_path / "limited", "engine=ray", "memory=4GB")) == local


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(ray, recipe, tmp_path):
    killed: list[int] = []
    ended = threading.Event()

    def kill_one() -> None:
        while not killed and not ended.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    if "_compute_shard" in "".join(process.cmdline()) and process.is_running():
                        os.kill(process.pid, signal.SIGKILL)
                        killed.append(process.pid)
                        break
                except (psutil.Error, ProcessLookupError):
                    continue
            time.sleep(0.002)

    thread = threading.Thread(target=kill_one)
    thread.start()
    folder = run(recipe, tmp_path / "ray", "engine=ray")
    ended.set()
    thread.join()
    assert len(killed) == 1
    assert not psutil.pid_exists(killed[0])
    assert content(folder) == content(run(recipe, tmp_path / "local"))


def test_a_run_goes_on_with_another_engine(ray, recipe, tmp_path):
    whole = content(run(recipe, tmp_path / "runs"))
    folder = tmp_path / "runs" / "small"
    for number, path in enumerate(sorted(folder.glob("stages/*/part-*.parquet"))):
        if number % 2:
            path.unlink()
    assert content(run(recipe, tmp_path / "runs", "engine=ray")) == whole


def test_what_a_component_says_comes_back_as_it_is(ray, tmp_path, tiny_beir):
    from hardneg_plugin.datasets import ExampleShards, load_dataset
    from hardneg_plugin.run.ray_engine import RayEngine

    shards = ExampleShards(load_dataset(f"beir:{tiny_beir}"), "train")
    (tmp_path / "stage").mkdir()
    missing = StageJob("bm25", {"corpus": f"beir:{tmp_path}/none"}, shards, StageFolder(tmp_path / "stage"))
    with pytest.raises(DatasetError, match="no such folder"):
        list(RayEngine().run_shards(missing, [0]))
    sound = StageJob("bm25", {"corpus": f"beir:{tiny_beir}"}, shards, StageFolder(tmp_path / "stage"))
    assert list(LocalEngine().run_shards(sound, [0])) == [0]


def test_without_ray_the_extra_is_named(monkeypatch):
    from hardneg_plugin.run import ray_engine

    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ParameterError, match=r"pip install 'hardneg\[ray\]'"):
        ray_engine.RayEngine()


def test_what_workers_ask_counts_in_the_runs_budget():
    usage = {"judge": {"calls": 3, "cached": 1, "prompt_tokens": 40, "completion_tokens": 2, "reasons": {"timeout": 1}}}
    with session(budget=Budget(calls=5)) as opened:
        assert opened.remaining() == Budget(calls=5)
        opened.merge_usage(usage)
        assert opened.remaining() == Budget(calls=2)
        assert opened.usage.of("judge").prompt_tokens == 40
        assert opened.usage.to_dict()["judge"]["reasons"] == {"timeout": 1}
        opened.merge_usage({"judge": {"calls": 2}})
        with pytest.raises(BudgetError, match="5 calls of 5"):
            opened.remaining()
