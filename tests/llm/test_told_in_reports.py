"""What a run tells of its questions: in the report, in the manifest, on the console, and before it begins."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from haystack import Document
from ollama_server import OllamaServer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
from hand_made import corpus_of, found

from hardneg_plugin import LLMNegativeClassifier, MiningExample, StrictOllamaChatGenerator, StrictOpenAIChatGenerator
from hardneg_plugin.cli import main
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.messages import shown_by
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.report import render_markdown, render_terminal
from hardneg_plugin.run.judge_check import check_judge
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration
RECIPE = """
name: judged
seed: 5
data: {dataset: "sample?passages=1000", limit: 6}
systems:
  judged: [{bm25: {top_k: 6}}, {known_positives: {}}, {classify: {max_candidates: 4}}]
  sampled: [{bm25: {top_k: 6}}, {known_positives: {}}, {classify: {max_candidates: 4}}, {sample: {num_negatives: 2}}]
llm: {model: "llama3.1:8b"}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "judged.yaml"
    path.write_text(RECIPE)
    return str(path)


def run(recipe, folder, server, *overrides):
    console = io.StringIO()
    progress = Progress(Console(file=console, stderr=False, width=200))
    loaded = load_recipe(recipe, [f"llm.url={server.url}", *overrides])
    return run_recipe(loaded, folder, progress=progress), console.getvalue()


def test_reasons_of_undecided_verdicts_reach_report_results_and_manifest(recipe, tmp_path):
    with OllamaServer(fault=lambda number, body: "wrong ids") as server:
        report, console = run(recipe, tmp_path / "runs", server)
    (told, shared) = (
        stage.llm for system in report.systems for stage in system.stages if stage.stage.startswith("classify")
    )
    assert told == shared
    assert told["undecided: wrong ids"] > 0.5 * told["verdicts"]
    page = render_markdown(report)
    first = page.splitlines()[:6]
    assert any("verdicts undecided" in line and "wrong ids" in line for line in first)
    # The stage that both systems share has one row in each table.
    assert page.count("| judged, sampled | classify") == 2
    folder = tmp_path / "runs" / "judged"
    assert "undecided: wrong ids" in (folder / "results.json").read_text("utf-8")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["sessions"][0]["llm"]["classify"]["undecided: wrong ids"] == told["undecided: wrong ids"]
    assert console.count("candidates undecided") == 1
    shown = io.StringIO()
    render_terminal(report, Console(file=shown, width=200, force_terminal=True, color_system="standard"))
    last = shown.getvalue().rstrip().splitlines()[-1]
    assert "WARNING: judged, sampled: classify" in last
    assert "\x1b[1;31m" in last


def test_a_line_is_said_in_the_run_or_else_in_the_log(caplog):
    examples = [MiningExample("q", "which kettle", (Document(id="known", content="That one."),))]
    mined = found(examples, corpus_of({"p": "copper kettle"}), [["p"]])
    with OllamaServer(fault=lambda number, body: "empty") as server:
        judge = LLMNegativeClassifier(chat_generator=StrictOllamaChatGenerator(url=server.url))
        said = []
        with caplog.at_level(logging.WARNING), shown_by(said.append):
            judge.run(examples=mined)
        assert [line for line in said if "undecided" in line] == [
            "LLMNegativeClassifier: 1 of 1 candidates undecided (100.0%): 1 empty"
        ]
        assert "undecided" not in caplog.text
        judge.run(examples=mined)
        assert "1 of 1 candidates undecided" in caplog.text


def test_the_model_is_looked_for_before_any_work(recipe, tmp_path):
    with OllamaServer(models={"qwen3:8b": "1"}) as server, pytest.raises(LLMError, match="`ollama pull llama3.1:8b`"):
        run(recipe, tmp_path / "runs", server)
    assert not list((tmp_path / "runs").glob("*/stages/*/part-*"))


def test_a_finished_run_needs_no_server(recipe, tmp_path):
    with OllamaServer() as server:
        run(recipe, tmp_path / "runs", server)
    report, _ = run(recipe, tmp_path / "runs", server)
    assert report.systems


def test_a_dry_run_says_what_it_would_take_and_touches_nothing(recipe, tmp_path):
    runs = tmp_path / "runs"
    done = CliRunner().invoke(main, ["run", recipe, "--runs", str(runs), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "judged: bm25 > known_positives > classify" in done.output
    assert "LLM calls: 6" in done.output
    assert "disk: about" in done.output
    assert not runs.exists()


def test_seconds_of_a_verdict_are_those_of_the_model_without_its_queue():
    """A call takes 0.2 s, of which the model works 0.1 s, as llama.cpp and Ollama say each in its own words."""
    with OllamaServer(latency=0.2, slots=1) as server, session(retries=RetryPolicy(tries=1)):
        judge = LLMNegativeClassifier(chat_generator=StrictOllamaChatGenerator(url=server.url), max_workers=8)
        report = check_judge(judge, ["en"])
        other = StrictOpenAIChatGenerator("served", f"{server.url}/v1")
        again = check_judge(LLMNegativeClassifier(chat_generator=other, max_workers=8), ["en"])
    # Nine calls wait for one another; their waiting is not counted.
    assert report.asked.seconds == pytest.approx(9 * 0.1, abs=0.01)
    assert again.asked.seconds == pytest.approx(9 * 0.1, abs=0.01)
