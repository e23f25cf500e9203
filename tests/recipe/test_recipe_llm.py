"""Recipes whose stages ask a language model: run, killed, replayed, limited."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from ollama_server import OllamaServer

from hardneg_plugin.errors import BudgetError, LLMError, RecipeError
from hardneg_plugin.recipe.export import export_pipeline
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.report import render_markdown
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

RECIPE = """
name: judged
seed: 5
data: {dataset: "sample?passages=1000", limit: 40, shard_size: 20}
systems:
  bm25: [{bm25: {top_k: 12}}, {known_positives: {}}, {sample: {num_negatives: 2}}]
  judged:
    - bm25: {top_k: 12}
    - known_positives:
    - classify: {max_candidates: 10, actions: {easy_negative: keep}}
    - sample: {num_negatives: 2}
llm: {model: "llama3.1:8b"}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "judged.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def quiet():
    return Progress(Console(file=open(os.devnull, "w"), stderr=False))  # noqa: PTH123


def run(recipe, runs, progress, overrides=(), **options):
    return run_recipe(load_recipe(recipe, overrides), runs, progress=progress, **options)


def digests(runs: Path) -> dict[str, str]:
    return {
        str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ("*/stages/*/part-*", "*/systems/*/*/triplets/data-*")
        for path in sorted(runs.glob(pattern))
    }


def stages(report, system="judged"):
    return {stage.stage: stage for one in report.systems if one.name == system for stage in one.stages}


@pytest.mark.integration
def test_a_judged_run_says_what_it_asked_and_what_was_dropped(recipe, tmp_path, quiet):
    with OllamaServer() as server:
        report = run(recipe, tmp_path / "runs", quiet, [f"llm.url={server.url}"])
        calls = server.answered.total()
    judged = stages(report)["classify"]
    assert judged.llm["calls"] == calls == 40
    assert judged.llm["prompt_tokens"] > 40 * 50
    assert any(reason.startswith("verdict: ") for reason in judged.dropped)
    assert not stages(report, "bm25")["sample"].llm
    assert "Language model" in render_markdown(report)
    manifest = json.loads((tmp_path / "runs/judged/manifest.json").read_text())
    assert manifest["sessions"][0]["llm"]["classify"]["calls"] == 40
    folder = tmp_path / "runs" / "judged"
    assert all(server.url not in file.read_text("utf-8") for file in [folder / "manifest.json", folder / "report.md"])


@pytest.mark.integration
def test_the_same_answers_from_a_recording_give_the_same_bytes(recipe, tmp_path, quiet):
    recording = tmp_path / "answers.jsonl"
    with OllamaServer() as server:
        run(recipe, tmp_path / "live", quiet, [f"llm.url={server.url}"], record=recording)
    assert len(recording.read_text("utf-8").splitlines()) == 40
    replayed = run(recipe, tmp_path / "replayed", quiet, [f"llm.recorded={recording}"])
    names = [
        {path.split("/")[-1]: value for path, value in digests(tmp_path / which).items()}
        for which in ("live", "replayed")
    ]
    assert stages(replayed)["classify"].llm["calls"] == 40
    assert names[0]["data-00000-of-00001.arrow"] == names[1]["data-00000-of-00001.arrow"]


@pytest.mark.integration
def test_a_question_that_the_recording_does_not_know(recipe, tmp_path, quiet):
    recording = tmp_path / "answers.jsonl"
    recording.write_text('{"query": "none", "passage": "p", "label": "hard_negative"}\n')
    with pytest.raises(LLMError, match="no recorded answer about query"):
        run(recipe, tmp_path / "strict", quiet, [f"llm.recorded={recording}"])
    lenient = run(recipe, tmp_path / "lenient", quiet, [f"llm.recorded={recording}", "llm.on_unknown=undecided"])
    assert stages(lenient)["classify"].dropped["verdict: undecided"] > 100


@pytest.mark.integration
def test_a_spent_budget_keeps_what_was_paid_for(recipe, tmp_path, quiet):
    with OllamaServer() as server:
        url = f"llm.url={server.url}"
        with pytest.raises(BudgetError, match="15 calls of 15"):
            run(recipe, tmp_path / "runs", quiet, [url], budget="15 calls")
        run(recipe, tmp_path / "runs", quiet, [url])
        assert server.answered.total() == 40
        assert set(server.answered.values()) == {1}


@pytest.mark.integration
def test_a_moved_server_is_no_other_stage(recipe, tmp_path, quiet):
    with OllamaServer() as server:
        run(recipe, tmp_path / "runs", quiet, [f"llm.url={server.url}"])
    with OllamaServer() as other:
        run(recipe, tmp_path / "runs", quiet, [f"llm.url={other.url}", "llm.timeout=7"])
        assert other.bodies == []


@pytest.mark.integration
def test_kill_9_at_any_moment_changes_no_byte_and_asks_nothing_twice(recipe, tmp_path, monkeypatch):
    """2,000 candidates in 200 questions; ten kills at random moments, then the end."""
    overrides = ["--set", "data.limit=200", "--set", "data.shard_size=50"]

    def command(runs, url):
        return [sys.executable, "-m", "hardneg_plugin", "run", recipe, "--runs", str(runs), *overrides, "--set", url]

    with OllamaServer(latency=0.01) as server:
        url = f"llm.url={server.url}"
        draw = random.Random(11)
        environment = {**os.environ, "HARDNEG_CACHE": str(tmp_path / "killed-cache")}
        for _ in range(10):
            enough = server.answered.total() + draw.randint(1, 18)
            process = subprocess.Popen(command(tmp_path / "killed", url), env=environment, stderr=subprocess.DEVNULL)
            wait_for(lambda enough=enough: server.answered.total() >= enough, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(command(tmp_path / "killed", url), env=environment, check=True, capture_output=True)
        counts = server.answered
        # A call that was under way when its process died has no answer here, whatever the server did with it.
        assert len(counts) == 200
        assert counts.total() - len(counts) <= 10 * 4
    with OllamaServer() as fresh:
        environment = {**os.environ, "HARDNEG_CACHE": str(tmp_path / "other-cache")}
        url = f"llm.url={fresh.url}"
        subprocess.run(command(tmp_path / "whole", url), env=environment, check=True, capture_output=True)
        assert fresh.answered.total() == 200
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


def wait_for(reached, process) -> None:
    for _ in range(3000):
        if reached() or process.poll() is not None:
            return
        time.sleep(0.01)
    raise AssertionError("the run asked nothing for 30 seconds")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("llm=null", "systems.judged[2].classify.chat_generator: missing; give it here, or give the recipe an `llm`"),
        ("llm.budget=soon", 'llm.budget: budget: expected "500 calls"'),
        ("llm.num_ctx=0", "llm.num_ctx: expected a whole number of at least 1, got 0"),
        ("llm.api=vllm", "llm.api: expected one of ollama, openai, got 'vllm'"),
        ("llm.require_accuracy=3", "llm.require_accuracy: expected a number above 0 and up to 1 or null, got 3"),
        ("llm={api: openai, url: 'gpu:8000/v1', model: m}", "llm.url: expected http://HOST:PORT/v1 or https://"),
        ("llm={api: openai, url: 'http://gpu:8000', model: m}", "in /v1: http://gpu:8000/v1? Got 'http://gpu:8000'"),
        (
            "llm.url=http://gpu:11434/v1",
            "llm.url: Ollama's own API has no /v1: give http://gpu:11434, or `api:",
        ),
        ("llm.think=maybe", "llm.think: expected true, false, low, medium, high, max or unset"),
        ("llm.max_tokens=0", "llm.max_tokens: expected a whole number of at least 1 or null, got 0"),
        ("llm.max_tokens=5000", "llm.max_tokens: 5000 leaves no room for a prompt in num_ctx=4096"),
        ("llm.modle=x", "llm.modle: unknown key (did you mean 'model'?"),
        ("llm.generator={model: x}", "llm.generator: expected {type, init_parameters}"),
        (
            "systems.judged.classify.actions={hard: drop}",
            "classify.actions: expected a mapping whose keys are one of",
        ),
    ],
)
def test_mistakes_are_found_at_load(recipe, override, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [override])
    assert message in str(caught.value)


def test_an_openai_server_is_one_line_away(recipe):
    loaded = load_recipe(recipe, ["llm={api: openai, url: 'http://gpu:8000/v1', model: Qwen/Qwen3-8B}"])
    text = export_pipeline(loaded, "judged")
    assert "strict_openai_chat_generator.StrictOpenAIChatGenerator" in text
    assert "api_base_url: http://gpu:8000/v1" in text
    assert "OPENAI_API_KEY" in text
