from __future__ import annotations

import json
import random

import datasets
import pytest
import torch
from sentence_transformers import SentenceTransformer

from hardneg_plugin.errors import ModelError, RecordError, TrainingError
from hardneg_plugin.training import TrainingResult, train

COLOURS = ["red", "blue", "green", "white", "black", "brown"]
THINGS = ["apple", "sky", "grass", "wine", "sea", "tea", "stone"]
TEXTS = [f"the {colour} {thing}" for colour in COLOURS for thing in THINGS]


def table(rows: int = 24) -> datasets.Dataset:
    """Anchors whose positive shares their words, one to three negatives, and columns that are no texts."""
    rng = random.Random(0)
    chosen = rng.sample(TEXTS, rows)
    negatives = [[rng.choice(TEXTS) for _ in range(1 + row % 3)] for row in range(rows)]
    return datasets.Dataset.from_dict(
        {
            "anchor_id": list(range(rows)),
            "anchor": [f"{text} ?" for text in chosen],
            "positive": chosen,
            "negatives": negatives,
        }
    )


def run(folder, dataset=None, **settings) -> TrainingResult:
    defaults = {"base_model": "static", "corpus_texts": TEXTS, "static_dims": 8, "vocabulary": 300}
    defaults |= {"batch_size": 4, "epochs": 4, "progress": "none", "save_steps": 0}
    return train(table() if dataset is None else dataset, output_dir=folder, **(defaults | settings))


def weights(result: TrainingResult) -> dict[str, torch.Tensor]:
    return SentenceTransformer(str(result.model_path), device="cpu").state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class KilledError(Exception):
    pass


def kill_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise KilledError

    return progress


def test_training_leaves_a_model_a_record_and_a_card(tmp_path):
    steps = []
    result = run(tmp_path / "out", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(step, 24) for step in range(1, 25)]
    assert (result.steps, result.examples, result.negatives, result.epochs) == (24, 24, 48, 4.0)
    assert (result.warmup_steps, result.precision, result.model_path) == (2, "fp32", tmp_path / "out" / "model")
    assert [point.step for point in result.loss_history] == list(range(1, 25))
    assert result.train_loss == pytest.approx(sum(point.loss for point in result.loss_history) / 24)
    losses = [point.loss for point in result.loss_history]
    assert sum(losses[-6:]) < sum(losses[:6]) / 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model", "training.json"]
    card = (result.model_path / "README.md").read_text()
    assert "| hard negatives | 48 (2.00 per row) |" in card
    assert "| optimizer steps | 24 (4 epochs, batch size 4) |" in card
    assert not any(text in card for text in TEXTS)


def test_a_finished_training_is_returned_and_not_repeated(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path, progress=kill_at(1))
    assert again == first


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first, again, other = (weights(run(tmp_path / name, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.integration
def test_the_same_seed_gives_the_same_transformer(tmp_path, tiny_bert_folder):
    settings = {"base_model": str(tiny_bert_folder), "corpus_texts": None, "max_steps": 3, "learning_rate": 1e-2}
    assert same(weights(run(tmp_path / "a", **settings)), weights(run(tmp_path / "b", **settings)))


@pytest.mark.integration
@pytest.mark.parametrize("killed_at", [9, 12, 13])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, killed_at):
    """Checkpoints at 4, 8, 12; six steps make an epoch, so that one lies inside and one at the end of an epoch."""
    whole = run(tmp_path / "whole", save_steps=4)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", save_steps=4, progress=kill_at(killed_at))
    seen = []
    resumed = run(tmp_path / "killed", save_steps=4, progress=lambda done, total: seen.append(done))
    assert seen[0] == (13 if killed_at == 13 else 9)
    assert same(weights(whole), weights(resumed))
    assert [point.step for point in resumed.loss_history] == list(range(1, 25))
    assert resumed.train_loss == pytest.approx(whole.train_loss)
    assert not (tmp_path / "killed" / "checkpoints").exists()


@pytest.mark.integration
def test_a_killed_transformer_goes_on_to_the_same_weights(tmp_path, tiny_bert_folder):
    """Dropout draws from the random state, which is part of the checkpoint."""
    settings = {"base_model": str(tiny_bert_folder), "corpus_texts": None, "learning_rate": 1e-2, "save_steps": 4}
    settings |= {"epochs": 2, "arguments": {"gradient_accumulation_steps": 1}}
    whole = run(tmp_path / "whole", **settings)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", **settings, progress=kill_at(6))
    assert same(weights(whole), weights(run(tmp_path / "killed", **settings)))


def test_a_checkpoint_that_was_being_written_is_passed_over(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, save_steps=4, progress=kill_at(9))
    checkpoints = tmp_path / "checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == ["checkpoint-8"]
    assert not list(checkpoints.rglob("training_args.bin"))
    half = checkpoints / "checkpoint-12"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    seen = []
    run(tmp_path, save_steps=4, progress=lambda done, total: seen.append(done))
    assert seen[0] == 9


def test_other_settings_in_the_same_folder(tmp_path):
    run(tmp_path, max_steps=2)
    with pytest.raises(TrainingError, match=r"holds another training \(batch_size: 4 there, 8 now\)"):
        run(tmp_path, max_steps=2, batch_size=8)
    with pytest.raises(TrainingError, match="table: "):
        run(tmp_path, table(20), max_steps=2)
    assert run(tmp_path, max_steps=3, resume=False).steps == 3


def test_the_same_steps_by_epochs_or_by_number_are_the_same_training(tmp_path):
    first = run(tmp_path, epochs=1)
    assert run(tmp_path, epochs=3, max_steps=6, progress=kill_at(1)) == first


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").write_text("x")
    for resume in (True, False):
        with pytest.raises(TrainingError, match=r"holds a model or checkpoints, but no training\.json"):
            run(tmp_path, resume=resume)
    assert (tmp_path / "model" / "precious").exists()


def test_a_refused_training_leaves_nothing_behind(tmp_path):
    with pytest.raises(RecordError):
        run(tmp_path / "out", datasets.Dataset.from_dict({"anchor": ["a"], "positive": [""]}))
    with pytest.raises(ModelError):
        run(tmp_path / "out", base_model=str(tmp_path / "missing"))
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number(tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is no number any more at step \d+ of 24; lower learning_rate"):
        run(tmp_path, learning_rate=1e38, loss_args={"similarity_fct": "dot_score"})


@pytest.mark.integration
def test_every_shape_and_loss_trains(tmp_path):
    dataset = table()
    pairs = dataset.select_columns(["anchor", "positive"])
    triplets = pairs.add_column("negative", [row[0] for row in dataset["negatives"]])
    numbered = triplets.rename_column("negative", "negative_1").add_column(
        "negative_2", [row[1] if len(row) > 1 else None for row in dataset["negatives"]]
    )
    for name, shape in {"pairs": pairs, "triplets": triplets, "numbered": numbered}.items():
        assert run(tmp_path / name, shape, max_steps=2).steps == 2
    assert run(tmp_path / "loss", triplets, max_steps=2, loss="triplet").negatives == 24


def test_accumulated_steps_are_the_planned_ones(tmp_path):
    result = run(tmp_path, arguments={"gradient_accumulation_steps": 4})
    assert (result.steps, result.epochs) == (8, 4.0)


def test_the_record_is_json_with_every_setting_and_the_model_keeps_its_prompts(tmp_path):
    prompts = {"query": "query: ", "passage": "passage: "}
    result = run(tmp_path, max_steps=2, arguments={"weight_decay": 0.01}, prompts=prompts)
    settings = json.loads((tmp_path / "training.json").read_text())["settings"]
    assert (settings["arguments"], settings["prompts"]) == ({"weight_decay": 0.01}, prompts)
    assert (settings["steps"], settings["learning_rate"], settings["static"]["dims"]) == (2, "auto", 8)
    assert SentenceTransformer(str(result.model_path)).prompts == {"query": "query: ", "document": "passage: "}
    assert json.dumps(prompts) in (result.model_path / "README.md").read_text()


def test_the_libraries_say_nothing(tmp_path, capfd):
    run(tmp_path, max_steps=2)
    assert capfd.readouterr() == ("", "")
