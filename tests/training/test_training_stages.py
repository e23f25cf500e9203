from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_trainings import TEXTS, train_tiny

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.phase_batches import StageBatches
from hardneg_plugin.training.refresh import Curriculum, Mined, Refresh, StagePlan, plan_stages


def keys(rows: int, negatives: int = 0) -> TextKeys:
    """Rows that share no text; the negatives of row r are 1000 + 10 r, 1001 + 10 r, ..."""
    own = np.arange(2 * rows, dtype=np.uint64).reshape(-1, 2)
    hard = np.array([1000 + 10 * row + position for row in range(rows) for position in range(negatives)], np.uint64)
    return TextKeys(own, hard, np.arange(rows + 1, dtype=np.int64) * negatives)


class WeightMiner:
    """Takes negatives that the weights decide over, and remembers what it was asked."""

    def __init__(self) -> None:
        self.identity = {"miner": "of a test"}
        self.begun, self.before = 0, []

    def begin(self, model) -> None:
        self.begun += 1

    def mine(self, model, before) -> Mined:
        self.before.append(before)
        assert not model.training
        vectors = model.encode(TEXTS)
        order = np.argsort(-vectors @ vectors.T, axis=1, kind="stable")
        return Mined(order[:, 3:5].copy(), order[:, :6].copy(), {"changed": 0.5})

    def texts(self, rows) -> list[str]:
        return [TEXTS[row] for row in rows]


class KilledError(Exception):
    pass


def kill_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise KilledError

    return progress


def weights(result) -> list[torch.Tensor]:
    return list(SentenceTransformer(str(result.model_path), device="cpu").state_dict().values())


def test_a_curriculum_moves_from_the_last_negatives_to_the_first():
    curriculum = Curriculum(stages=3, num_negatives=2)
    assert [curriculum.window(6, stage) for stage in range(4)] == [slice(4, 6), slice(2, 4), slice(0, 2), slice(0, 2)]
    assert curriculum.window(1, 0) == slice(0, 1)
    moved = curriculum.keys(keys(2, 6), 0)
    assert moved.negatives.tolist() == [1004, 1005, 1014, 1015]
    assert curriculum.keys(keys(2, 6), 2).negatives.tolist() == [1000, 1001, 1010, 1011]


@pytest.mark.parametrize("given", [{"stages": 1, "num_negatives": 2}, {"stages": 3}, {"stages": 3, "num_negatives": 0}])
def test_a_curriculum_that_cannot_work(given):
    with pytest.raises(ParameterError, match="curriculum"):
        Curriculum.of(given)


@pytest.mark.parametrize("stage", [2, 3, 5, 7])
def test_every_row_is_used_once_in_a_pass_however_long_a_stage_is(stage):
    batches = StageBatches(keys(23), 5, 0, StagePlan(stage, stage, 5))
    drawn = []
    for number in range(35 // stage + 1):
        batches.set_epoch(number)
        stages = list(batches)
        assert len(stages) == stage
        assert max(map(len, stages)) <= 5
        drawn += list(itertools.chain.from_iterable(stages))
    counts = np.bincount(drawn, minlength=23)
    assert counts.max() - counts.min() <= 1
    if 35 % stage == 0:
        batches.set_epoch(0)
        whole = [row for number in range(5) for row in _stage(batches, number)]
        assert np.bincount(whole, minlength=23).tolist() == [stage] * 23


def _stage(batches: StageBatches, number: int) -> list[int]:
    batches.set_epoch(number)
    return list(itertools.chain.from_iterable(batches))


def test_batches_hold_queries_of_one_cluster_or_two():
    clusters = np.arange(40) % 4
    batches = StageBatches(keys(40), 5, 0, StagePlan(8, 8, 8))
    batches.group(clusters)
    assert [len(set(clusters[batch].tolist())) for batch in batches] == [1] * 8


def test_a_false_negative_goes_to_another_batch_of_its_cluster():
    own = np.arange(16, dtype=np.uint64).reshape(-1, 2)
    # The negative of row 0 is the positive of row 1; both are of cluster 0.
    table = TextKeys(own, np.array([3], np.uint64), np.array([0, *[1] * 8], np.int64))
    batches = StageBatches(table, 2, 0, StagePlan(4, 4, 4))
    batches.group(np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    for number in range(20):
        batches.set_epoch(number)
        assert not any({0, 1} <= set(batch) for batch in batches)


def test_a_refresh_mines_with_the_weights_of_its_step(tmp_path):
    """Six steps, a look behind the second and the fourth; the second look is told what the first found."""
    miner = WeightMiner()
    result = train_tiny(tmp_path, "static", refresh=Refresh(miner, every_steps=2))
    assert result.steps == 6
    assert [one["step"] for one in result.refreshes] == [2, 4]
    assert miner.begun == 1
    assert miner.before[0] is None
    assert miner.before[1] is not None
    assert not (tmp_path / "stages").exists()
    assert "mined again" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    plain = train_tiny(tmp_path / "plain", "static")
    assert not all(map(torch.equal, weights(result), weights(plain)))


@pytest.mark.parametrize("killed_at", [3, 4, 5])
@pytest.mark.parametrize("base", ["static", "transformer"])
def test_a_killed_training_goes_on_with_the_same_negatives(tmp_path, tiny_bert_folder, base, killed_at):
    model = "static" if base == "static" else tiny_bert_folder
    refresh = Refresh(WeightMiner(), every_steps=2)
    whole = train_tiny(tmp_path / "whole", model, refresh=refresh, save_steps=1)
    with pytest.raises(KilledError):
        train_tiny(tmp_path / "cut", model, refresh=refresh, save_steps=1, progress=kill_at(killed_at))
    assert list((tmp_path / "cut" / "stages").glob("mined-*.npz"))
    resumed = train_tiny(tmp_path / "cut", model, refresh=refresh, save_steps=1)
    assert all(map(torch.equal, weights(whole), weights(resumed)))
    assert resumed.refreshes == whole.refreshes


@pytest.mark.parametrize("setting", [{"batch_clusters": 3}, {"curriculum": {"stages": 3, "num_negatives": 1}}])
def test_clusters_and_curriculum_go_on_to_the_same_weights(tmp_path, setting):
    whole = train_tiny(tmp_path / "whole", "static", save_steps=1, **setting)
    with pytest.raises(KilledError):
        train_tiny(tmp_path / "cut", "static", save_steps=1, progress=kill_at(4), **setting)
    assert all(
        map(torch.equal, weights(whole), weights(train_tiny(tmp_path / "cut", "static", save_steps=1, **setting)))
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"curriculum": {"stages": 2, "num_negatives": 1}}, "give one of them"),
        ({"loss": "margin_mse"}, "learns scores"),
        ({"loss": "triplet"}, "takes no such rows"),
        ({"batch_clusters": 1}, "batch_clusters must be"),
    ],
)
def test_what_does_not_go_together(tmp_path, settings, message):
    with pytest.raises(ParameterError, match=message):
        train_tiny(tmp_path, "static", refresh=Refresh(WeightMiner(), every_steps=2), **settings)


def test_stages_of_a_fraction_of_an_epoch():
    refresh = Refresh(WeightMiner(), every_epochs=0.5)
    plan = plan_stages(steps=30, epoch_batches=10, accumulation=1, refresh=refresh, curriculum=None, clusters=None)
    assert plan is not None
    assert (plan.steps, plan.batches) == (5, 5)
    with pytest.raises(ParameterError, match="give one of"):
        Refresh(WeightMiner())
