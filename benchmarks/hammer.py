"""Kill a whole run with a judge again and again at random moments: what it leaves in the end is that of a run in peace.

``python benchmarks/hammer.py --kills 60`` ends with 0 if every byte of the results is the same. The judge is a
recording that comes from an honest judge, made on the spot; no server is asked. A run that ended before its kill starts
anew in an empty folder, so that every kill meets one that is at work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RECIPE = """
name: hammered
seed: 5
data: {{dataset: "sample?passages=1000", limit: 120, shard_size: 10}}
systems:
  random: [{{random: {{top_k: 5}}}}, {{known_positives: {{}}}}, {{sample: {{num_negatives: 2}}}}]
  judged:
    - quality: {{}}
    - bm25: {{top_k: 10}}
    - known_positives:
    - classify: {{max_candidates: 8, actions: {{undecided: keep}}}}
    - sample: {{num_negatives: 2}}
  dense: [{{dense: {{model: "system:random", top_k: 8}}}}, {{sample: {{num_negatives: 2}}}}]
train: {{base_model: static, batch_size: 16, static_dims: 32, vocabulary: 500, max_steps: 12, save_steps: 3}}
evaluate: {{splits: [test]}}
llm: {{model: judge, recorded: "{verdicts}", on_unknown: undecided}}
"""
# What is compared byte by byte; times of day and of work are in none of them.
RESULTS = (
    "stages/*/part-*.parquet",
    "stages/*/rejected-*.parquet",
    "systems/*/*/triplets/*",
    "systems/*/*/model/**/*.safetensors",
    "systems/*/*/model/**/*.json",
    "per_query.parquet",
    "recipe.yaml",
)
_TIMES = ("seconds", "llm")
_OTHER = ("checksum", "date")


def write_verdicts(path: Path, pairs: int, seed: int) -> None:
    """Record a judge of the sample: verdicts on pairs of a query and a passage, drawn once."""
    from hardneg_plugin.datasets import load_dataset

    draw = random.Random(seed)  # noqa: S311 - draws no secret
    dataset = load_dataset("sample?passages=1000")
    queries = [query.id for query in dataset.queries("train")]
    passages = dataset.corpus.ids(range(len(dataset.corpus)))
    labels = [("hard_negative", 80), ("easy_negative", 10), ("false_negative", 95)]
    with path.open("w", encoding="utf-8") as file:
        for query in queries:
            for passage in draw.sample(passages, min(pairs, len(passages))):
                label, hardness = draw.choice(labels)
                line = {"query": query, "passage": passage, "label": label, "hardness": hardness}
                file.write(json.dumps(line) + "\n")


def results(run: Path) -> dict[str, str]:
    """Return path → digest of the results of a run."""
    found = sorted({path for pattern in RESULTS for path in run.glob(pattern) if path.is_file()})
    digests = {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
    # The report names the folders of models: each run has its own.
    report = _without_times(json.loads((run / "results.json").read_text("utf-8").replace(str(run), "RUN")))
    digests["results.json"] = hashlib.sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()
    return digests


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _without_times(entry)
            for key, entry in value.items()
            if key not in _OTHER and not any(time in key for time in _TIMES)
        }
    return [_without_times(entry) for entry in value] if isinstance(value, list) else value


class Hammer:
    """A recipe that is run in processes of its own.

    :param folder: Where runs and caches go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe, verdicts = folder / "hammered.yaml", folder / "verdicts.jsonl"
        write_verdicts(verdicts, 200, 3)
        self.recipe.write_text(RECIPE.format(verdicts=verdicts), "utf-8")

    def run(self, name: str) -> Path:
        """Run to the end, in peace."""
        with self._started(name) as process:
            output = process.communicate()[1]
        _check_ended(name, process.returncode, output)
        return self.folder / name / "hammered"

    def killed(self, name: str, seconds: float) -> bool:
        """Kill a run after some seconds; return whether it was still at work."""
        with self._started(name) as process:
            try:
                output = process.communicate(timeout=seconds)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                return True
        _check_ended(name, process.returncode, output)
        return False

    def forget(self, name: str) -> None:
        """Remove a run and its cache."""
        for folder in (self.folder / name, self.folder / f"{name}-cache"):
            shutil.rmtree(folder, ignore_errors=True)

    def _started(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hardneg_plugin", "run", str(self.recipe), "--runs", str(self.folder / name)]
        environment = {**os.environ, "HARDNEG_CACHE": str(self.folder / f"{name}-cache")}
        # The interpreter that runs this, and arguments of its own.
        return subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )


def _check_ended(name: str, code: int, output: bytes) -> None:
    if code:
        msg = f"the run {name} ended with {code}:\n{output.decode()[-3000:]}"
        raise SystemExit(msg)


def kills(hammer: Hammer, number: int, peace: float, draw: random.Random, until: float) -> Iterator[str]:
    """Kill runs in the folder ``killed``; yield a line per kill, and a last line where the time is over."""
    started = time.monotonic()
    done = 0
    while done < number:
        if time.monotonic() > until:
            yield f"the time is over after {done} kills of {number}"
            return
        # Most kills come early: a run that goes on gets further each time.
        seconds = draw.uniform(0.1, 0.7) * peace
        if hammer.killed("killed", seconds):
            done += 1
            yield f"kill {done} after {seconds:.1f} s ({time.monotonic() - started:.0f} s in all)"
        else:
            compare(hammer, f"after {done} kills")
            hammer.forget("killed")


def compare(hammer: Hammer, when: str) -> None:
    """End with an error where the killed run's results are not those of the run in peace."""
    whole, killed = results(hammer.folder / "peace" / "hammered"), results(hammer.folder / "killed" / "hammered")
    if other := sorted(name for name in whole.keys() | killed.keys() if whole.get(name) != killed.get(name)):
        msg = f"{when}, these differ: {', '.join(other)}"
        raise SystemExit(msg)


def main(arguments: list[str] | None = None) -> None:
    """Hammer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30, help="no further kill after so many")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARDNEG_CACHE"] = f"{folder}/first-cache"
        hammer, until = Hammer(Path(folder)), time.monotonic() + 60 * options.minutes
        started = time.monotonic()
        run = hammer.run("peace")
        peace = time.monotonic() - started
        print(f"in peace: {peace:.1f} s, {len(results(run))} results", flush=True)
        draw = random.Random(options.seed)  # noqa: S311 - draws no secret
        for line in kills(hammer, options.kills, peace, draw, until):
            print(line, flush=True)
        hammer.run("killed")
        compare(hammer, "in the end")
        print("every byte is the same", flush=True)


if __name__ == "__main__":
    main()
