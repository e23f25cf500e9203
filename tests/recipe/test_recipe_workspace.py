"""The run folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hardneg_plugin.errors import ParameterError, WorkspaceError
from hardneg_plugin.records import write_parquet
from hardneg_plugin.run.workspace import Workspace, read_json, write_json


@pytest.fixture
def finished(tmp_path):
    with Workspace.open(tmp_path / "run", "error") as workspace:
        workspace.recipe_file.write_text("name: run\n")
    return workspace


def test_reuse_keeps_overwrite_removes_error_refuses(finished):
    with Workspace.open(finished.folder, "reuse") as workspace:
        assert workspace.recipe_file.is_file()
    with pytest.raises(WorkspaceError, match="reuse goes on with it, overwrite starts anew"):
        Workspace.open(finished.folder, "error")
    with Workspace.open(finished.folder, "overwrite") as workspace:
        assert not workspace.recipe_file.exists()
        assert {path.name for path in workspace.folder.iterdir()} == {".hardneg-run", ".lock"}


def test_a_folder_of_another_layout_is_refused_by_name_or_begun_anew(finished):
    marker = finished.folder / ".hardneg-run"
    for content, found in (("", "1"), ("9\n", "9")):
        marker.write_text(content)
        message = f"another version of hardneg made the folder .layout {found}, expected 2.; --if-exists overwrite"
        with pytest.raises(WorkspaceError, match=message):
            Workspace.open(finished.folder, "reuse")
        with pytest.raises(WorkspaceError, match=message):
            Workspace(finished.folder).stages("bm25", 0)
    assert finished.recipe_file.is_file()
    with Workspace.open(finished.folder, "overwrite") as workspace:
        assert not workspace.recipe_file.exists()
    with Workspace.open(finished.folder, "reuse"):
        assert marker.read_text() == "2\n"


@pytest.mark.parametrize("file", ["thesis.tex", "recipe.yaml", "manifest.json"])
def test_a_folder_without_our_marker_is_never_touched(tmp_path, file):
    (tmp_path / file).write_text("precious")
    for choice in ("reuse", "overwrite", "error"):
        with pytest.raises(WorkspaceError, match="is no run folder"):
            Workspace.open(tmp_path, choice)
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "precious"


@pytest.mark.parametrize("choice", ["reuse", "overwrite"])
def test_a_run_that_was_killed_while_it_marked_its_folder_goes_on(tmp_path, choice, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    # A kill runs no clean-up.
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        Workspace.open(tmp_path / "run", choice)
    monkeypatch.undo()
    assert len(list((tmp_path / "run").glob("*.partial"))) == 1
    with Workspace.open(tmp_path / "run", choice) as workspace:
        assert (workspace.folder / ".hardneg-run").read_text() == "2\n"


def test_of_two_runs_at_the_same_time_the_second_is_refused(finished):
    with Workspace.open(finished.folder, "reuse"):
        for choice in ("reuse", "overwrite"):
            with pytest.raises(WorkspaceError, match="another hardneg run is using .*run; wait"):
                Workspace.open(finished.folder, choice)
        assert finished.recipe_file.is_file()


@pytest.mark.integration
def test_the_lock_of_a_killed_run_does_not_block(finished):
    code = (
        "import os, pathlib, signal, sys\n"
        "from hardneg_plugin.run.workspace import Workspace\n"
        "Workspace.open(pathlib.Path(sys.argv[1]), 'reuse')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(finished.folder)], check=False, timeout=60)
    assert killed.returncode == -9
    with Workspace.open(finished.folder, "reuse") as workspace:
        assert workspace.recipe_file.is_file()


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="file is a file; choose another"):
        Workspace.open(tmp_path / "file", "reuse")
    with pytest.raises(WorkspaceError, match="cannot write the run folder"):
        Workspace.open(tmp_path / "file" / "run", "reuse")


def test_a_stage_is_done_only_with_all_its_parts(finished):
    stage = finished.stage("bm25", "f")
    for number in range(2):
        write_parquet(stage.part(number), [])
    assert not stage.done(2)
    stage.finish({"candidates": 0, "kept": 0, "dropped": {}, "positives": {}, "rejected": {}})
    assert stage.done(2)
    stage.part(1).unlink()
    assert not stage.done(2)


def test_an_unknown_choice_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="reuse, overwrite, error; got 'maybe'"):
        Workspace.open(tmp_path, "maybe")


def test_what_was_computed_from_the_same_things_is_not_computed_again(finished):
    calls = []

    def compute():
        calls.append(1)
        return {"value": len(calls)}

    path = finished.folder / "x.json"
    assert finished.remember(path, "a", compute)["value"] == 1
    assert finished.remember(path, "a", compute)["value"] == 1
    assert finished.remember(path, "b", compute)["value"] == 2


def test_a_folder_is_replaced_whole_or_not_at_all(finished):
    target = finished.folder / "triplets"
    finished.replace_folder(target, "a", lambda path: (path / "rows").write_text("1"))

    def fails(path):
        (path / "rows").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        finished.replace_folder(target, "b", fails)
    assert (target / "rows").read_text() == "1"
    finished.replace_folder(target, "b", lambda path: (path / "rows").write_text("2"))
    assert (target / "rows").read_text() == "2"


def test_a_damaged_file_says_what_to_do(tmp_path):
    path = tmp_path / "counts.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_text("{")
    with pytest.raises(WorkspaceError, match="remove it and start the run again"):
        read_json(path)


def test_a_run_folder_elsewhere_is_refused_in_words():
    with pytest.raises(WorkspaceError, match="needs a file system with locks and renames; mount it"):
        Workspace.open(Path("s3://bucket/runs") / "small", "reuse")
