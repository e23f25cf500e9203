"""A finished run and its cache, file by file damaged: what follows gives the same, or an error that names the file.

``HARDNEG_FUZZ=5000 pytest tests/faults/test_damaged_files.py`` damages so many files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
from damaging import damage

from hardneg_plugin import checksums
from hardneg_plugin.components import BM25NegativeMiner, ClusterNegativeMiner, DenseNegativeMiner
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.records import MiningExample, corpus, table_of
from hardneg_plugin.report import read_results
from hardneg_plugin.run.finished.refilter import refilter
from hardneg_plugin.run.finished.rows import read_rows
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration

CASES = int(os.environ.get("HARDNEG_FUZZ", "300"))
SMALL = """
name: small
seed: 5
data: {dataset: "sample?passages=1000", limit: 24, shard_size: 12}
systems:
  judged:
    - quality: {}
    - bm25: {top_k: 8}
    - classify: {max_candidates: 4, actions: {undecided: keep}}
    - sample: {num_negatives: 2}
llm: {model: judge, recorded: verdicts.jsonl, on_unknown: undecided}
"""
WHOLE = """
name: whole
seed: 5
data: {dataset: "sample?passages=1000", limit: 24, shard_size: 12}
systems:
  random: [{random: {top_k: 4}}, {sample: {num_negatives: 2}}]
  dense: [{dense: {model: "system:random", top_k: 5}}, {sample: {num_negatives: 1}}]
train: {base_model: static, batch_size: 8, static_dims: 16, vocabulary: 300, max_steps: 2}
evaluate: {splits: [test]}
"""


class Finished:
    """The runs and their cache in a folder, and a copy to start each case from."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.copy = folder / "now", folder / "sound"
        self.folder.mkdir()
        self.quiet = Progress(Console(file=open(os.devnull, "w")))  # noqa: PTH123, SIM115
        self.recipes = {}
        for name, text in (("small", SMALL), ("whole", WHOLE)):
            self.recipes[name] = folder / f"{name}.yaml"
            self.recipes[name].write_text(text)
        (folder / "verdicts.jsonl").write_text(
            '{"query": "none", "passage": "p", "label": "hard_negative", "hardness": 80}\n'
        )
        self.commands = {
            "run": lambda: self.run("small"),
            "refilter": self.refilter,
            "rows": self.rows,
            "report": lambda: read_results(self.runs / "small" / "results.json").splits,
            "bm25": lambda: self.mine(BM25NegativeMiner),
            "dense": lambda: self.mine(DenseNegativeMiner, model=self.model, batch_size=32),
            "clusters": lambda: self.mine(ClusterNegativeMiner, model=self.model, clusters=8, around="query"),
            "run, trained and measured": lambda: self.run("whole"),
        }

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def model(self) -> str:
        return str(self.folder / "model")

    def make(self) -> None:
        self.run("whole")
        shutil.copytree(self.runs / "whole/systems/random/seed-5/model", self.model)
        for command in self.commands.values():
            command()
        shutil.copytree(self.folder, self.copy)

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.copy, self.folder)
        checksums.forget()
        corpus._open.cache_clear()

    def files(self) -> list[Path]:
        given = self.folder / "model"
        found = (path for path in self.folder.rglob("*") if path.is_file() and given not in path.parents)
        return sorted(path for path in found if path.suffix not in (".lock", ".md"))

    def run(self, name: str) -> object:
        report = run_recipe(load_recipe(str(self.recipes[name])), self.runs, progress=self.quiet)
        stages = [
            (one.name, stage.stage, stage.kept, dict(stage.dropped)) for one in report.systems for stage in one.stages
        ]
        trained = [(one.name, run.seed, run.steps) for one in report.systems for run in one.training]
        patterns = ("stages/*/part-*", "systems/*/*/triplets/data-*", "systems/*/*/model/*.safetensors")
        written = [path for pattern in patterns for path in sorted((self.runs / name).glob(pattern))]
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in written]
        return report.splits, stages, trained, digests

    def refilter(self) -> object:
        found = refilter(self.runs / "small", ["systems.judged.classify.actions={undecided: drop}"], system="judged")
        return found.before, found.after

    def rows(self) -> object:
        return read_rows(str(self.runs / "small")).table.to_pylist()

    def mine(self, kind: type, **parameters: object) -> object:
        miner = kind(corpus="sample?passages=1000", top_k=5, **parameters)
        examples = miner.run(examples=[MiningExample("q", "a river that flows to the sea", ())])["examples"]
        # As text: a score that a source does not give is no number, and equal to none.
        scores = [str(column.tolist()) for column in table_of(examples).source_scores.values()]
        return [one.id for one in examples[0].candidates], scores


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = Finished(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDNEG_CACHE", str(made.folder / "cache"))
        made.make()
    return made


@pytest.fixture(autouse=True)
def cache_folder(finished, monkeypatch):
    """The cache of the finished runs in place of a cache for one test."""
    monkeypatch.setenv("HARDNEG_CACHE", str(finished.folder / "cache"))


# A whole run with its training and measurements takes ten times as long as the others.
WEIGHTS = {"run": 6, "refilter": 4, "rows": 4, "report": 1, "bm25": 4, "dense": 4, "clusters": 3,
           "run, trained and measured": 1}  # fmt: skip


def near(command: str, path: Path) -> bool:
    """Tell whether a command may read a file at all, so that no case is spent on what cannot matter."""
    if "cache" in path.parts:
        return command not in ("report", "rows")
    if command in ("bm25", "dense", "clusters"):
        return False
    return ("whole" in path.parts) == (command == "run, trained and measured")


def test_what_is_damaged_is_made_again_or_named(finished):
    sound = {name: command() for name, command in finished.commands.items()}
    outcomes: dict[str, int] = {}
    wrong = []
    for number in range(CASES):
        draw = Random(number)
        finished.restore()
        command = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        path = draw.choice([path for path in finished.files() if near(command, path)])
        kind = damage(path, draw)
        case = f"case {number}: {kind} of {path.relative_to(finished.folder)}, then {command}"
        try:
            same = finished.commands[command]() == sound[command]
            outcome = "the same" if same else "ANOTHER RESULT"
        except HardnegError as error:
            outcome = "named" if path.name in str(error) else f"NOT NAMED: {error}"
        except Exception as error:  # a traceback for whoever runs it
            outcome = f"TRACEBACK: {type(error).__name__}: {error}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if outcome not in ("the same", "named"):
            wrong.append(f"{case}: {outcome}")
    finished.restore()
    assert not wrong, "\n".join([f"{len(wrong)} of {CASES}", *wrong[:30]])
    assert outcomes["the same"] > outcomes["named"] > 0
