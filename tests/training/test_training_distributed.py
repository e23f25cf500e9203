"""Two processes that train one model on a CPU, as torchrun starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardneg_plugin.errors import TrainingError
from hardneg_plugin.training.distributed import ShardedBatchSampler, check_divided, world_size

# Each process writes what it trained on and a digest of its weights.
PROGRAM = """
import hashlib, json, os, sys
from pathlib import Path
from datasets import Dataset
from importlib import import_module

training = import_module("hardneg_plugin.training.train")
folder = Path(sys.argv[1])
rank = os.environ.get("RANK", "0")
rows = [{"anchor": f"what is w{n} of", "positive": f"w{n} is the word {n}", "negative": f"w{n + 50} no {n}"}
        for n in range(41)]
seen = []
run = training._run

def spied(trainer, *rest):
    collate = trainer.data_collator
    trainer.data_collator = lambda batch: (seen.append([row["anchor"] for row in batch]), collate(batch))[1]
    trainer.data_collator.valid_label_columns = []
    result = run(trainer, *rest)
    weights = trainer.model.state_dict()
    digest = hashlib.sha256(b"".join(weights[name].cpu().numpy().tobytes() for name in sorted(weights))).hexdigest()
    facts = {"weights": digest, "gather": trainer.loss.gather_across_devices, "seen": seen, "steps": result.steps}
    (folder / f"rank-{rank}.json").write_text(json.dumps(facts))
    return result

training._run = spied
texts = [text for row in rows for text in row.values()]
result = training.train(
    Dataset.from_list(rows), base_model="static", output_dir=folder / "out", corpus_texts=texts, static_dims=16,
    vocabulary=300, batch_size=4, epochs=2, progress="none", save_steps=3, arguments={"use_cpu": True},
)
assert result.model_path.is_dir()
"""


def train(folder: Path, processes: int) -> list[dict]:
    folder.mkdir()
    program = folder / "program.py"
    program.write_text(PROGRAM)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, *launcher, str(program), str(folder)],
        capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.integration
def test_two_processes_train_one_model_in_half_the_steps(tmp_path):
    (alone,) = train(tmp_path / "one", 1)
    first, second = train(tmp_path / "two", 2)
    assert alone["steps"] == 22  # 41 rows: 11 batches of 4, twice
    assert first["steps"] == second["steps"] == 12  # 6 batches of 8 for both together, twice
    assert not alone["gather"]
    assert first["gather"]
    assert second["gather"]
    assert first["weights"] == second["weights"]
    for epoch in (slice(0, 6), slice(6, 12)):
        pairs = list(zip(first["seen"][epoch], second["seen"][epoch], strict=True))
        assert all(len(mine) == len(other) for mine, other in pairs)
        rows = [anchor for mine, other in pairs for anchor in (*mine, *other)]
        # No row twice; batches of 7 leave one row out.
        assert len(set(rows)) == len(rows) == sum(2 * len(mine) for mine, _ in pairs) >= 34
    assert first["seen"][:6] != first["seen"][6:12]
    folder = tmp_path / "two" / "out"
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"]["processes"] == 2
    assert record["result"]["steps"] == 12
    assert {path.name for path in folder.iterdir()} == {"model", "training.json"}
    assert "processes" not in json.loads((tmp_path / "one" / "out" / "training.json").read_text())["settings"]


class Given:
    def __init__(self, batches: list[list[int]]) -> None:
        self.batches, self.epoch = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def test_batches_are_divided_evenly():
    given = Given([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11], [12, 13, 14]])
    divided = ShardedBatchSampler(given, 2)
    assert list(divided) == [[1, 2, 3], [4, 5, 6], [7, 8], [9, 10], [12], [13]]
    assert len(divided) == 6
    divided.set_epoch(3)
    assert given.epoch == 3


def test_what_cannot_be_divided_is_refused():
    check_divided(1, 1, joined=True)
    check_divided(2, 2, joined=False)
    with pytest.raises(TrainingError, match="1 rows cannot be divided among 2 processes"):
        check_divided(1, 2, joined=False)
    with pytest.raises(TrainingError, match="different numbers of negatives"):
        check_divided(10, 2, joined=True)


def test_how_many_train_together_is_what_the_launcher_says(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert world_size() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert world_size() == 4
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(TrainingError, match="WORLD_SIZE must be the number"):
        world_size()
