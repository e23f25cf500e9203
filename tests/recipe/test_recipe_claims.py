"""Whose training a folder holds."""

from __future__ import annotations

import pytest

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.run.training_lock import TrainingLock


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "triplets").mkdir()
    (tmp_path / "triplets" / "fingerprint").write_text("mined")
    return tmp_path


def test_a_training_that_never_began_does_not_bind(folder):
    claim = TrainingLock(folder)
    assert claim.check("mined", "a") is False
    claim.take("a")
    (folder / "training.json").write_text("{}")
    # A typo in the settings was fixed: the record of the training that failed goes.
    assert claim.check("mined", "b") is False
    claim.take("b")
    assert (folder / "fingerprint").read_text() == "b"
    assert not (folder / "training.json").exists()


def test_the_same_training_keeps_its_record(folder):
    TrainingLock(folder).take("a")
    (folder / "training.json").write_text("{}")
    TrainingLock(folder).take("a")
    assert (folder / "training.json").is_file()


@pytest.mark.parametrize("left", ["model", "checkpoints/checkpoint-5"])
def test_what_was_trained_binds(folder, left):
    TrainingLock(folder).take("a")
    (folder / left).mkdir(parents=True)
    assert TrainingLock(folder).check("mined", "a") is (left == "model")
    with pytest.raises(WorkspaceError, match="another recipe or other data"):
        TrainingLock(folder).check("mined", "b")


def test_without_training_the_triplets_under_a_model_stay(folder):
    TrainingLock(folder).take("a")
    (folder / "model").mkdir()
    assert TrainingLock(folder).check("mined", None) is False
    with pytest.raises(WorkspaceError, match="another recipe or other data"):
        TrainingLock(folder).check("other", None)
