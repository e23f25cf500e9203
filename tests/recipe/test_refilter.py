"""Other settings for a finished run, without a model: the same rows as mining with them."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from dense_models import saved_cross_encoder, saved_model
from ollama_server import OllamaServer

from hardneg_plugin.cli import main
from hardneg_plugin.errors import RecipeError, RecordError, WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.finished.refilter import refilter
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.run.triplets import write_triplets

pytestmark = pytest.mark.integration

MARGINS = """
name: margins
seed: 5
data: {dataset: "sample?passages=1000", limit: 60, shard_size: 25}
systems:
  in-batch: []
  plain: [{bm25: {top_k: 12}}, {sample: {num_negatives: 2}}]
  aware:
    - bm25: {top_k: 12}
    - known_positives: {}
    - positive_aware: {model: MODEL, relative_margin: 0.05}
    - sample: {num_negatives: 2}
"""
JUDGED = """
name: judged
seed: 5
data: {dataset: "sample?passages=1000", limit: 30, shard_size: 20}
mine:
  - bm25: {top_k: 12}
  - known_positives:
  - classify: {max_candidates: 10}
  - sample: {num_negatives: 2}
llm: {model: "llama3.1:8b"}
"""
RANKED = """
name: ranked
seed: 5
data: {dataset: "sample?passages=1000", limit: 30, shard_size: 20}
mine:
  - bm25: {top_k: 12}
  - known_positives:
  - cross_encoder: {model: CROSS, absolute_margin: 3.0}
  - rag: {model: MODEL, keep: 0.5, GENERATOR}
llm: {model: "llama3.1:8b"}
"""


@pytest.fixture
def mine(tmp_path):
    """Run a recipe; returns its run folder."""
    progress = Progress(Console(file=io.StringIO()))

    def run(text: str, where: str, *overrides: str) -> Path:
        file = tmp_path / f"{where}.yaml"
        file.write_text(text)
        recipe = load_recipe(str(file), overrides)
        run_recipe(recipe, tmp_path / where, progress=progress)
        return tmp_path / where / recipe.name

    return run


def rows_of(folder: Path) -> str:
    return hashlib.sha256((folder / "data-00000-of-00001.arrow").read_bytes()).hexdigest()


def refiltered_rows(run: Path, out: Path, *overrides: str, system: str | None = None) -> str:
    out.mkdir()
    write_triplets(refilter(run, overrides, system=system).shards, out)
    return rows_of(out)


CHANGES = {
    "margin": ["systems.aware.positive_aware.relative_margin=0.3"],
    "rule": ["systems.aware.positive_aware.absolute_margin=0.1", "systems.aware.positive_aware.max_score=0.5"],
    "sample": ["systems.aware.sample.num_negatives=4", "systems.aware.sample.strategy=random"],
    "window": ["systems.aware.sample.rank_from=3"],
    "stricter before": ["systems.aware.known_positives.near_duplicate=0.2"],
    "nothing": [],
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_rows_are_those_of_mining_with_the_settings(mine, tmp_path, change):
    model = saved_model(tmp_path / "model")
    text = MARGINS.replace("MODEL", model)
    mined = mine(text, "mined", *CHANGES[change])
    run = mine(text, "run")
    shutil.rmtree(model)
    assert refiltered_rows(run, tmp_path / "out", *CHANGES[change], system="aware") == rows_of(
        mined / "systems/aware/seed-5/triplets"
    )
    changed = rows_of(run / "systems/aware/seed-5/triplets") != rows_of(tmp_path / "out")
    assert changed == (change != "nothing")


@pytest.mark.parametrize(
    "change",
    ["mine.classify.actions={easy_negative: keep}", "mine.classify.max_candidates=5", "mine.sample.num_negatives=1"],
)
def test_labels_are_used_again_and_nobody_is_asked(mine, tmp_path, change):
    with OllamaServer() as server:
        mined = mine(JUDGED, "mined", f"llm.url={server.url}", "mine.classify.candidates_per_call=1", change)
        run = mine(JUDGED, "run", f"llm.url={server.url}", "mine.classify.candidates_per_call=1")
    assert refiltered_rows(run, tmp_path / "out", change) == rows_of(mined / "systems/judged/seed-5/triplets")


@pytest.mark.parametrize("generator", ["chat_generator: null", "candidates_per_call: 10"])
def test_ranks_and_cross_encoder_scores_are_used_again(mine, tmp_path, generator):
    model, cross = saved_model(tmp_path / "model"), saved_cross_encoder(tmp_path / "cross")
    text = RANKED.replace("MODEL", model).replace("CROSS", str(cross)).replace("GENERATOR", generator)
    if "null" in generator:
        text = text.replace('llm: {model: "llama3.1:8b"}\n', "")
    with OllamaServer() as server:
        url = [] if "null" in generator else [f"llm.url={server.url}"]
        keep = mine(text, "keep", "mine.rag.keep=0.2", *url)
        run = mine(text, "run", *url)
    assert refiltered_rows(run, tmp_path / "out", "mine.rag.keep=0.2") == rows_of(
        keep / "systems/ranked/seed-5/triplets"
    )
    stricter = refilter(run, ["mine.cross_encoder.max_score=-100"])
    assert stricter.after["score: above max"] > 0
    assert stricter.again == ("cross_encoder", "rag")


def test_what_a_model_never_saw_is_not_made_up(mine, tmp_path):
    text = MARGINS.replace("MODEL", saved_model(tmp_path / "model"))
    run = mine(text, "run")
    with pytest.raises(RecordError, match=r"PositiveAwareFilter: .* were not scored by .*; mine again"):
        refilter(run, ["systems.aware.known_positives.near_duplicate=null"], system="aware")


def test_what_only_mining_can_change_is_refused(mine, tmp_path):
    text = MARGINS.replace("MODEL", saved_model(tmp_path / "model"))
    run = mine(text, "run")
    with pytest.raises(RecipeError, match=r"systems\.aware\[0\]\.bm25: it finds or writes candidates"):
        refilter(run, ["systems.aware.bm25.top_k=5"], system="aware")
    with pytest.raises(RecipeError, match=r"positive_aware\.batch_size: decides over what was scored"):
        refilter(run, ["systems.aware.positive_aware.batch_size=1"], system="aware")
    with pytest.raises(RecipeError, match="refilter changes stages alone, not data"):
        refilter(run, ["data.limit=5"], system="aware")
    with pytest.raises(WorkspaceError, match=r"name one of the systems that mine: plain, aware"):
        refilter(run)
    with pytest.raises(WorkspaceError, match="no seed 7; seeds of the run: 5"):
        refilter(run, system="aware", seed=7)
    with pytest.raises(WorkspaceError, match=r"no run folder: it has no recipe\.yaml"):
        refilter(tmp_path)


def test_the_command_says_what_changed_and_writes_the_shape(mine, tmp_path):
    run = mine(MARGINS.replace("MODEL", saved_model(tmp_path / "model")), "run")
    out = tmp_path / "rows.jsonl"
    options = [
        "--system",
        "plain",
        "--set",
        "systems.plain.sample.num_negatives=1",
        "--shape",
        "triplet",
        "-o",
        str(out),
    ]
    result = CliRunner().invoke(main, ["refilter", str(run), *options])
    assert result.exit_code == 0, result.output
    assert "plain: stages run again: sample" in result.output
    assert "kept: 120 -> 60" in result.output
    assert len(out.read_text("utf-8").splitlines()) == 60


TWICE = """
name: twice
seed: 5
data: {dataset: "sample?passages=1000", limit: 60, shard_size: 25}
mine:
  - bm25: {top_k: 12}
  - known_positives: {}
  - positive_aware: {model: FIRST, relative_margin: 0.02}
  - positive_aware: {model: SECOND, relative_margin: 0.02}
"""
TRAINED = """
name: trained
seed: 5
data: {dataset: "sample?passages=1000", limit: 60, shard_size: 25}
systems:
  in-batch: []
  aware:
    - bm25: {top_k: 12}
    - known_positives: {}
    - positive_aware: {model: "system:in-batch", relative_margin: 0.05}
train: {base_model: static, batch_size: 32, static_dims: 16, vocabulary: 500}
"""
BUDGET = """
name: budget
seed: 5
data: {dataset: "sample?passages=1000", shard_size: 60}
mine:
  - bm25: {top_k: 12}
  - budget: {labels: "sample?passages=1000", rate: 0.02, unjudged: negative, texts: false, if_unsupported: drop}
"""


def test_two_stages_of_one_name_use_the_scores_of_each(mine, tmp_path):
    text = TWICE.replace("FIRST", saved_model(tmp_path / "a", seed=1)).replace("SECOND", saved_model(tmp_path / "b"))
    changes = ["mine.2.positive_aware.relative_margin=0.2", "mine.3.positive_aware.relative_margin=0.3"]
    mined, run = mine(text, "mined", *changes), mine(text, "run")
    assert refiltered_rows(run, tmp_path / "out", *changes) == rows_of(mined / "systems/twice/seed-5/triplets")


def test_scores_of_a_model_that_the_run_trained(mine, tmp_path):
    change = "systems.aware.positive_aware.relative_margin=0.3"
    run = mine(TRAINED, "run")
    again = refilter(run, [change], system="aware")
    assert again.after["margin: relative"] > again.before["margin: relative"]
    assert refilter(run, system="aware").after == again.before


def test_another_budget_needs_no_model(mine, tmp_path):
    change = "mine.budget.rate=0.2"
    mined, run = mine(BUDGET, "mined", change), mine(BUDGET, "run")
    assert refiltered_rows(run, tmp_path / "out", change) == rows_of(mined / "systems/budget/seed-5/triplets")
    assert rows_of(tmp_path / "out") != rows_of(run / "systems/budget/seed-5/triplets")
    with pytest.raises(RecipeError, match=r"budget\.model: what it says of candidates is not stored"):
        refilter(run, [f"mine.budget.model={saved_model(tmp_path / 'model')}"])


def test_what_is_in_the_output_stays(tmp_path, mine):
    run = mine(MARGINS.replace("MODEL", saved_model(tmp_path / "model")), "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for output, message in [
        ("full", "holds what hardneg did not write (thesis.txt)"),
        ("rows.csv", "expected a file that ends in .jsonl"),
    ]:
        result = CliRunner().invoke(main, ["refilter", str(run), "--system", "plain", "-o", str(tmp_path / output)])
        assert result.exit_code == 1
        assert message in result.output
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
