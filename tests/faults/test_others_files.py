"""Nothing that hardneg did not write is ever removed, whatever command writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin import cache
from hardneg_plugin.cli import main
from hardneg_plugin.errors import StorageError, TrainingError, WorkspaceError
from hardneg_plugin.outputs import MARK, mark_written, remove_written, write_marked
from hardneg_plugin.run.workspace import Workspace
from hardneg_plugin.training.folder import TrainingFolder

ROWS = '{"anchor": "q1", "positive": "p1", "negative": "n1"}\n{"anchor": "q2", "positive": "p2", "negative": "n2"}\n'


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return f"{result.exit_code} {result.output}"


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "rows.jsonl").write_text(ROWS)
    return tmp_path / "rows.jsonl"


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("known", ["state.json", "train.parquet", "dataset_info.json", "notes.txt"])
@pytest.mark.parametrize("target", ["triplet", "tevatron-ids", "pylate"])
@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--card"], ["--card", "--overwrite"]])
def test_convert_keeps_a_folder_of_others(tmp_path, rows, known, target, option):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / known).write_text("{}")
    (theirs / "thesis.tex").write_text("years of work")
    before = files(theirs)
    said = run("convert", rows, theirs, "--to", target, *option)
    assert said.startswith("1 ")
    assert "holds what hardneg did not write" in said
    assert files(theirs) == before


def test_convert_never_replaces_its_source(tmp_path, rows):
    assert run("convert", rows, tmp_path / "stored", "--to", "triplet").startswith("0 ")
    for source, output in ((rows, rows), (tmp_path / "stored", tmp_path / "stored")):
        before = files(tmp_path)
        assert "is what is read" in run("convert", source, output, "--to", "triplet", "--overwrite")
        assert files(tmp_path) == before


def test_convert_replaces_its_own_output_when_asked(tmp_path, rows):
    stored = tmp_path / "stored"
    assert run("convert", rows, stored, "--to", "triplet").startswith("0 ")
    assert "is there already" in run("convert", rows, stored, "--to", "triplet")
    assert run("convert", rows, stored, "--to", "triplet", "--overwrite").startswith("0 ")
    (stored / "notes.txt").write_text("mine")
    said = run("convert", rows, stored, "--to", "triplet", "--overwrite")
    assert "notes.txt" in said
    assert (stored / "notes.txt").read_text() == "mine"
    assert (stored / "state.json").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "{rows}", "{out}.jsonl", "--to", "triplet"],
        ["mine", "{rows}", "-o", "{out}.jsonl"],
        ["audit", "{rows}", "-o", "{out}.json"],
        ["audit", "{rows}", "-o", "{out}.md"],
        ["audit", "{rows}", "--batch-plan", "{out}.jsonl"],
    ],
)
def test_a_file_is_replaced_when_asked_and_else_not(tmp_path, rows, command):
    filled = [part.format(rows=rows, out=tmp_path / "out") for part in command]
    output = next(Path(part) for part in filled if part.startswith(str(tmp_path / "out")))
    output.write_text("theirs")
    assert "is there already" in run(*filled)
    assert output.read_text() == "theirs"
    assert run(*filled, "--overwrite").startswith("0 ")
    assert output.read_text() != "theirs"


def test_mine_never_replaces_its_source(rows):
    assert "is what is read" in run("mine", rows, "-o", rows, "--overwrite")
    assert rows.read_text() == ROWS


THEIRS = [
    "notes.txt",
    "stages/notes.md",
    "stages/bm25-0011223344556677/notes.md",
    "systems/a/seed-1/notes.md",
    "systems/a/seed-1/model/notes.md",
    "systems/a/seed-1/triplets/notes.md",
    "plots/mine.pdf",
]
OURS = [
    "recipe.yaml",
    "manifest.json",
    "results.json",
    "report.md",
    "stages/bm25-0011223344556677/part-00000.parquet",
    "stages/bm25-0011223344556677/DONE",
    "systems/a/seed-1/stages.json",
    "systems/a/seed-1/checkpoints/checkpoint-4/model.safetensors",
    "systems/a/seed-1/triplets/state.json",
    ".manifest.json.0a1b2c3d.partial",
]


def test_a_run_that_starts_anew_removes_its_own_files_by_name(tmp_path):
    folder = tmp_path / "run"
    with Workspace.open(folder, "error"):
        pass
    model = folder / "systems" / "a" / "seed-1" / "model"
    model.mkdir(parents=True)
    (model / "weights.bin").write_text("ours")
    mark_written(model)
    for name in (*THEIRS, *OURS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    with Workspace.open(folder, "overwrite"):
        assert set(files(folder)) == {*THEIRS, ".hardneg-run", ".lock"}


def test_a_folder_of_a_run_with_files_of_others_is_not_replaced(tmp_path):
    with Workspace.open(tmp_path / "run", "error") as workspace:
        rows = workspace.system("a", 1) / "triplets"
        workspace.replace_folder(rows, "one", lambda path: (path / "rows").write_text("1"))
        (rows / "notes.md").write_text("mine")
        with pytest.raises(WorkspaceError, match=r"holds what hardneg did not write \(notes\.md\)"):
            workspace.replace_folder(rows, "two", lambda path: (path / "rows").write_text("2"))
        assert (rows / "notes.md").read_text() == "mine"


def test_a_model_beside_files_of_others_is_not_replaced(tmp_path):
    folder = TrainingFolder(tmp_path)
    folder.begin({"seed": 1})
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.md").write_text("mine")
    with pytest.raises(TrainingError, match="holds what hardneg did not write"):
        folder.open({"seed": 1}, resume=False)
    assert (tmp_path / "model" / "notes.md").read_text() == "mine"


def test_clearing_the_cache_keeps_files_of_others(tmp_path, cache_folder):
    entry = cache.build_entry("corpus", "a" * 16, lambda folder: (folder / "rows").write_text("12345") and None)
    kept = [entry / "notes.txt", cache_folder / "corpus" / "notes.txt", cache_folder / "notes.txt"]
    for path in kept:
        path.write_text("mine")
    elsewhere = tmp_path / "elsewhere" / ("b" * 16)
    elsewhere.mkdir(parents=True)
    (elsewhere / "data.npy").write_text("mine")
    (cache_folder / "bm25").symlink_to(elsewhere.parent)
    (cache_folder / "corpus" / ("c" * 16)).symlink_to(elsewhere)
    assert cache.clear() == 5
    assert not (entry / "rows").exists()
    assert all(path.read_text() == "mine" for path in (*kept, elsewhere / "data.npy"))


def test_results_of_a_benchmark_stand_beside_files_of_others(tmp_path):
    (tmp_path / "suite.md").write_text("mine")
    with pytest.raises(StorageError, match=r"suite\.md is there already, and hardneg did not write it"):
        write_marked(tmp_path, "suite.md", "ours")
    assert (tmp_path / "suite.md").read_text() == "mine"
    for text in ("one", "two"):
        write_marked(tmp_path, "suite/a.json", text)
    assert (tmp_path / "suite" / "a.json").read_text() == "two"


def test_a_mark_from_elsewhere_names_nothing_outside_its_folder(tmp_path):
    (tmp_path / "victim").write_text("mine")
    folder, linked = tmp_path / "folder", tmp_path / "linked"
    folder.mkdir()
    linked.mkdir()
    (linked / "file").write_text("mine")
    (folder / "link").symlink_to(linked)
    names = ["../victim", str(tmp_path / "victim"), "link/file"]
    (folder / MARK).write_text(json.dumps({"files": names}))
    remove_written(folder)
    assert (tmp_path / "victim").read_text() == (linked / "file").read_text() == "mine"
