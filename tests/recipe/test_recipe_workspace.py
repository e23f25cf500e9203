"""The run folder."""

from __future__ import annotations

import pytest

from hardneg_plugin.errors import ParameterError, WorkspaceError
from hardneg_plugin.recipe.workspace import Workspace, read_json, write_json


@pytest.fixture
def finished(tmp_path):
    workspace = Workspace.open(tmp_path / "run", "error")
    workspace.recipe_file.write_text("name: run\n")
    return workspace


def test_reuse_keeps_overwrite_removes_error_refuses(finished):
    assert Workspace.open(finished.folder, "reuse").recipe_file.is_file()
    with pytest.raises(WorkspaceError, match="reuse goes on with it, overwrite starts anew"):
        Workspace.open(finished.folder, "error")
    assert not Workspace.open(finished.folder, "overwrite").recipe_file.exists()


def test_a_folder_that_is_no_run_is_never_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    for choice in ("reuse", "overwrite", "error"):
        with pytest.raises(WorkspaceError, match="is no run folder"):
            Workspace.open(tmp_path, choice)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


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
