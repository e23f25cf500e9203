"""``hardneg doctor`` names what is missing, with its remedy, whatever else is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from ollama_server import OllamaServer

RECIPE = """
name: r
data: {dataset: DATASET}
mine: [{bm25: {top_k: 5}}, {known_positives: {}}]
train: null
evaluate: {splits: [test]}
"""


def checks(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status, and the checks by name."""
    result = CliRunner().invoke(main, ["doctor", *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)}


@pytest.fixture
def recipe(tmp_path):
    def write(text: str = RECIPE, dataset: str = "sample?passages=1000") -> str:
        path = tmp_path / "r.yaml"
        path.write_text(text.replace("DATASET", f'"{dataset}"'), "utf-8")
        return str(path)

    return write


def test_the_machine_of_these_tests_lacks_nothing():
    code, found = checks()
    assert code == 0
    assert {check["state"] for check in found.values()} <= {"ok", "note"}
    assert {"Python", "torch", "haystack-ai", "faiss", "cache", "hub", "processor"} <= set(found)
    assert "float32" in found["processor"]["detail"]


def test_a_recipe_that_can_run_ends_well(recipe):
    code, found = checks(recipe())
    assert (code, found[next(name for name in found if name.startswith("recipe"))]["state"]) == (0, "ok")


def test_what_a_recipe_lacks_is_named_with_its_remedy(recipe, tmp_path):
    text = RECIPE.replace("{bm25: {top_k: 5}}", f"{{dense: {{model: {tmp_path}/no-model}}}}")
    code, found = checks(recipe(text, f"beir:{tmp_path}/no-data"))
    check = found[next(name for name in found if name.startswith("recipe"))]
    assert (code, check["state"]) == (1, "missing")
    assert f"{tmp_path}/no-model" in check["detail"]
    assert f"{tmp_path}/no-data" in check["detail"]
    assert check["remedy"]


def test_a_dataset_of_the_hub_is_to_be_downloaded(recipe):
    code, found = checks(recipe(dataset="msmarco"))
    assert (code, found["dataset msmarco"]["state"]) == (1, "missing")
    assert found["dataset msmarco"]["remedy"] == "hardneg download msmarco"


LLM = RECIPE + "llm: {url: URL}\n"
JUDGED = LLM.replace("{known_positives: {}}]", "{known_positives: {}}, {classify: {}}]")


def test_the_server_and_its_model_are_asked_one_question(recipe):
    with OllamaServer() as server:
        code, found = checks(recipe(JUDGED.replace("URL", server.url)))
    assert code == 0
    assert "llama3.1:8b" in found["language model"]["detail"]
    assert " s for 3 passages" in found["language model"]["detail"]


def test_a_server_that_is_not_there_or_lacks_the_model_is_told(recipe):
    code, found = checks(recipe(JUDGED.replace("URL", "http://127.0.0.1:9")))
    assert (code, found["language model"]["state"]) == (1, "missing")
    assert "ollama serve" in found["language model"]["detail"]
    with OllamaServer(models={"qwen3:8b": "1"}) as server:
        code, found = checks(recipe(JUDGED.replace("URL", server.url)))
    assert (code, found["language model"]["state"]) == (1, "missing")
    assert "ollama pull llama3.1:8b" in found["language model"]["detail"]


def test_it_works_where_torch_cannot_be_imported(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch_cpu.so is broken')\n", "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])}
    command = [sys.executable, "-m", "hardneg_plugin", "doctor"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "libtorch_cpu.so is broken" in result.stdout
    assert "hub: " in result.stdout
