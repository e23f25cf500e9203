"""Running recipes end to end: on the sample, killed and resumed, and through Haystack."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from hardneg_plugin.errors import DatasetError, RecipeError, TrainingError, WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.training.base_model import base_model_identity

pytestmark = pytest.mark.integration

RECIPE = """
name: small
seed: 5
data: {dataset: "sample?passages=1000", shard_size: 60}
systems:
  in-batch: []
  random: [{random: {top_k: 5}}, {known_positives: {}}, {sample: {num_negatives: 2, strategy: random}}]
  bm25: [{bm25: {top_k: 10}}, {known_positives: {}}, {sample: {num_negatives: 2}}]
train: {base_model: static, batch_size: 64, static_dims: 32, vocabulary: 2000}
evaluate: {splits: [test]}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def quiet():
    return Progress(Console(file=open(os.devnull, "w"), stderr=False))  # noqa: PTH123


def digests(folder: Path, pattern: str = "systems/*/*/triplets/*") -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
    }


def command(recipe: str, runs: Path) -> list[str]:
    return [sys.executable, "-m", "hardneg_plugin", "run", recipe, "--runs", str(runs), "--set", "train=null"]


def test_one_table_with_every_line_and_equal_steps(recipe, tmp_path, quiet):
    report = run_recipe(load_recipe(recipe), tmp_path / "runs", progress=quiet)
    assert [result.system for result in report.splits[0].results] == [
        "BM25 retrieval",
        "untrained",
        "in-batch",
        "random",
        "bm25",
    ]
    steps = {run.steps for system in report.systems for run in system.training}
    examples = {run.examples for system in report.systems for run in system.training}
    assert len(steps) == 1
    assert len(examples) == 1
    folder = tmp_path / "runs" / "small"
    assert {path.name for path in folder.iterdir()} == {
        ".hardneg-run", ".lock", "recipe.yaml", "manifest.json", "stages", "systems", "lines", "results.json",
        "per_query.parquet", "report.md", "leakage.json",
    }  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sessions"][0]["peak_memory_bytes"] > 0
    assert manifest["versions"]["torch"]
    funnel = {stage.stage: stage for stage in next(s for s in report.systems if s.name == "bm25").stages}
    assert funnel["known_positives"].dropped["positive: id"] > 0
    assert funnel["sample"].kept <= 2 * next(iter(examples))


def test_a_finished_run_does_no_work_again(recipe, tmp_path, quiet):
    first = run_recipe(load_recipe(recipe), tmp_path / "runs", progress=quiet)
    folder = tmp_path / "runs" / "small"
    kept = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    before = {path: path.stat().st_mtime_ns for path in kept}
    again = run_recipe(load_recipe(recipe), tmp_path / "runs", progress=quiet)
    assert again.splits == first.splits
    changed = {path.name for path in kept if path.stat().st_mtime_ns != before[path]}
    assert changed <= {"fingerprint"}


def test_shard_size_never_changes_the_triplets(recipe, tmp_path, quiet):
    found = []
    for size in (1, 17, 10_000):
        runs = tmp_path / f"runs-{size}"
        run_recipe(
            load_recipe(recipe, ["train=null", "evaluate=null", f"data.shard_size={size}"]), runs, progress=quiet
        )
        rows = digests(runs / "small", "systems/*/*/triplets/data-*.arrow")
        assert len(rows) == 3
        found.append(rows)
    assert found[0] == found[1] == found[2]


def test_another_training_in_the_same_folder_is_refused_and_a_new_system_is_added(recipe, tmp_path, quiet):
    runs = tmp_path / "runs"
    run_recipe(load_recipe(recipe, ["evaluate=null"]), runs, progress=quiet)
    with pytest.raises(WorkspaceError, match="holds a training from another recipe or other data"):
        run_recipe(load_recipe(recipe, ["evaluate=null", "train.batch_size=32"]), runs, progress=quiet)
    more = Path(recipe).read_text().replace("train: {", "  more: [{random: {top_k: 3}}]\ntrain: {")
    Path(recipe).write_text(more)
    report = run_recipe(load_recipe(recipe, ["evaluate=null"]), runs, progress=quiet)
    assert [system.name for system in report.systems] == ["in-batch", "random", "bm25", "more"]


def test_a_warm_up_that_never_ends_is_refused_before_training(recipe, tmp_path, quiet):
    settings = ["train.arguments.warmup_steps=5000"]
    with pytest.raises(TrainingError, match="5,?000"):
        run_recipe(load_recipe(recipe, settings), tmp_path / "runs", progress=quiet)


def test_bad_rows_are_an_error_or_counted_in_the_report(recipe, tmp_path, tiny_beir, quiet):
    with (tiny_beir / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "empty", "text": " "}\n')
    settings = [f"data.dataset=beir:{tiny_beir}", "train=null", "systems.bm25.bm25.top_k=3"]
    with pytest.raises(DatasetError, match=r"corpus\.jsonl:13: passage 'empty': the text is empty"):
        run_recipe(load_recipe(recipe, settings), tmp_path / "runs", progress=quiet)
    report = run_recipe(load_recipe(recipe, [*settings, "data.on_bad_row=skip"]), tmp_path / "runs", progress=quiet)
    assert report.skipped_rows == {"corpus: empty text": 1}


def test_a_missing_split_is_found_before_anything_is_done(recipe, tmp_path, quiet):
    with pytest.raises(RecipeError, match="evaluate, tset: .* has no split 'tset'; splits: "):
        run_recipe(load_recipe(recipe, ["evaluate.splits=[tset]"]), tmp_path / "runs", progress=quiet)
    assert not (tmp_path / "runs").exists()


def test_a_typo_in_the_settings_that_was_fixed_does_not_block(recipe, tmp_path, quiet):
    runs = tmp_path / "runs"
    with pytest.raises(TrainingError, match="5,?000"):
        run_recipe(load_recipe(recipe, ["train.arguments.warmup_steps=5000"]), runs, progress=quiet)
    run_recipe(load_recipe(recipe, ["train=null", "evaluate=null"]), runs, progress=quiet)
    report = run_recipe(load_recipe(recipe, ["evaluate=null"]), runs, progress=quiet)
    for system in report.systems:
        assert system.training[0].model_fingerprint == base_model_identity(system.training[0].model)


def test_what_is_measured_is_the_weights_that_are_there(recipe, tmp_path):
    def said() -> str:
        with (tmp_path / "said").open("w") as file:
            loaded = load_recipe(recipe, ["systems={in-batch: []}"])
            run_recipe(loaded, tmp_path / "runs", progress=Progress(Console(file=file, width=200)))
        return (tmp_path / "said").read_text()

    assert "0 of them ready" in said()
    again = said()
    assert "1 of them ready" in again
    assert "evaluate: " not in again
    (model,) = (tmp_path / "runs" / "small" / "systems").glob("in-batch/seed-5/model")
    (model / "other.txt").write_text("other weights")
    assert "evaluate: in-batch, seed 5 on test" in said()


def test_a_refused_run_changes_nothing_and_no_negative_is_said_loudly(recipe, tmp_path):
    runs, settings = tmp_path / "runs", ["evaluate=null", "seed=[5, 6]", "systems.bm25.sample.rank_from=90"]
    with (tmp_path / "said").open("w") as file:
        report = run_recipe(load_recipe(recipe, settings), runs, progress=Progress(Console(file=file, width=200)))
    assert "WARNING: bm25: seed 6: its stages keep no negative" in (tmp_path / "said").read_text()
    assert [count.stage for count in report.systems[2].stages][-1] == "sample (seed 5)"
    resolved = (runs / "small" / "recipe.yaml").read_text()
    with (tmp_path / "said").open("w") as file:
        progress = Progress(Console(file=file, width=200))
        with pytest.raises(WorkspaceError, match="another recipe or other data"):
            run_recipe(load_recipe(recipe, [*settings, "train.batch_size=32"]), runs, progress=progress)
    assert (runs / "small" / "recipe.yaml").read_text() == resolved


def test_a_part_that_is_missing_is_mined_again(recipe, tmp_path, quiet):
    runs, settings = tmp_path / "runs", ["evaluate=null", "train=null"]
    run_recipe(load_recipe(recipe, settings), runs, progress=quiet)
    before = digests(runs / "small", "stages/*/part-*")
    (part,) = (runs / "small" / "stages").glob("bm25-*/part-00001.parquet")
    part.unlink()
    run_recipe(load_recipe(recipe, settings), runs, progress=quiet)
    assert digests(runs / "small", "stages/*/part-*") == before


def test_a_recipe_inside_its_own_run_folder_is_refused(tmp_path, quiet):
    folder = tmp_path / "runs" / "small"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(RECIPE)
    with pytest.raises(WorkspaceError, match="lies inside its own run folder"):
        run_recipe(load_recipe(str(folder / "mine.yaml")), tmp_path / "runs", if_exists="overwrite", progress=quiet)
    assert (folder / "mine.yaml").read_text() == RECIPE


def wait_for(process: subprocess.Popen[bytes], folder: Path, pattern: str) -> bool:
    """Wait until a file appears; return False if the process ended before."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(folder.glob(pattern)):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    raise TimeoutError(pattern)


def test_kill_9_in_the_middle_of_any_stage_changes_no_byte(recipe, tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    subprocess.run(command(recipe, undisturbed), check=True, capture_output=True)
    moments = [
        "stages/random-*/part-00001.parquet",
        "stages/known_positives-*/part-00000.parquet",
        "stages/sample-*/part-00002.parquet",
        "systems/random/seed-5/.triplets.partial",
        "stages/bm25-*/part-00002.parquet",
        "lines/bm25-retrieval",
    ]
    for moment in moments:
        process = subprocess.Popen(command(recipe, disturbed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if wait_for(process, disturbed / "small", moment):
            process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(recipe, disturbed), check=True, capture_output=True)
    expected = digests(undisturbed / "small")
    assert len(expected) == 3 * 6
    assert digests(disturbed / "small") == expected
    assert digests(disturbed / "small", "stages/*/part-*") == digests(undisturbed / "small", "stages/*/part-*")


def test_a_training_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(recipe, tmp_path):
    settings = ["--set", "train.save_steps=2", "--set", "train.epochs=4"]
    arguments = [sys.executable, "-m", "hardneg_plugin", "run", recipe, *settings, "--runs"]
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    subprocess.run([*arguments, str(undisturbed)], check=True, capture_output=True)
    process = subprocess.Popen([*arguments, str(disturbed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_for(process, disturbed / "small", "systems/bm25/*/checkpoints/checkpoint-4/trainer_state.json")
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*arguments, str(disturbed)], check=True, capture_output=True)
    weights = "systems/*/*/model/**/*.safetensors"
    assert len(digests(undisturbed / "small", weights)) == 3
    assert digests(disturbed / "small", weights) == digests(undisturbed / "small", weights)


def test_a_stage_s_own_corpus_counts_by_content(make_corpus):
    from hardneg_plugin.recipe.schema import Stage
    from hardneg_plugin.recipe.stages import stage_fingerprint

    def of(corpus):
        params = {"corpus": f"cache:{corpus.key}", "top_k": 1}
        return stage_fingerprint(Stage("random", params), params, "sample", "before")

    one, other = make_corpus(["a", "b"]), make_corpus(["a", "c"])
    assert of(one) == of(make_corpus(["a", "b"])) != of(other)


def test_a_stage_s_document_store_counts_by_content():
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from hardneg_plugin.recipe.schema import Stage
    from hardneg_plugin.recipe.stages import stage_fingerprint

    # Stores of one index share their documents within a process.
    store = InMemoryDocumentStore(index="counts by content")
    store.write_documents([Document(id="a", content="a", meta={"file": "x"})])

    def of(**params):
        params = {"corpus": store.to_dict(), **params}
        return stage_fingerprint(Stage("random", params), params, "sample", "before")

    before = of()
    assert before == of()
    assert len({before, of(meta_fields=["file"]), of(top_k=3)}) == 3
    store.write_documents([Document(id="b", content="b")])
    assert of() != before
