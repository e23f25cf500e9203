"""The recipes of phases 3 and 4, whole, on the sample and against a server of Ollama's kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

for folder in ("llm", "components"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
from component_case import tiny_model  # noqa: E402
from ollama_server import OllamaServer  # noqa: E402

from hardneg_plugin.recipe.load import load_recipe  # noqa: E402
from hardneg_plugin.run.progress import Progress  # noqa: E402
from hardneg_plugin.run.runner import run_recipe  # noqa: E402

pytestmark = pytest.mark.integration
SMALL = [
    "data.dataset=sample?passages=1000",
    "data.limit=24",
    "seed=5",
    "train.epochs=1",
    "train.max_length=64",
    "train.learning_rate=0.001",
    "evaluate.splits=[test]",
    "evaluate.relevance=null",
]


@pytest.fixture
def quiet():
    return Progress(Console(file=open(os.devnull, "w"), stderr=False))  # noqa: PTH123


@pytest.mark.parametrize("name", ["phase3_llm", "phase4_rag"])
def test_a_phase_runs_to_its_table_and_asks_nothing_twice(name, tmp_path, quiet):
    with OllamaServer() as server:
        settings = [*SMALL, f"train.base_model={tiny_model()}", f"llm.url={server.url}"]
        report = run_recipe(load_recipe(name, settings), tmp_path, progress=quiet)
        assert set(server.answered.values()) == {1}
        assert server.answered.total() >= 48
    trained = {system.name: system for system in report.systems if system.training}
    steps = {name: run.total_steps for name, system in trained.items() for run in system.training}
    once = min(steps.values())
    assert {name: count // once for name, count in steps.items()} == {
        name: 2 if "-then-" in name else 1 for name in trained
    }
    assert len({system.training[0].examples for system in trained.values()}) == 1
    asked = {name for name, system in trained.items() if any(stage.llm for stage in system.stages)}
    assert (
        asked
        == {
            "phase3_llm": {"judged", "generated", "judged-generated", "bm25-then-judged-generated"},
            "phase4_rag": {"judged", "no-context", "rag", "judged-then-judged", "judged-then-rag"},
        }[name]
    )
    generated = trained.get("generated")
    if generated:
        # The server's passages are of six words: too short to be kept.
        dropped = {reason for stage in generated.stages for reason in stage.dropped}
        assert "generated: too short" in dropped
        assert any("keep no negative" in warning for warning in generated.warnings)
