"""A whole mining recipe at scale: within a promised memory, killed once, resumed; and how its cost grows.

Usage: ``HARDNEG_SHARED=… python benchmarks/scale.py --pairs 1000000 --memory 8GB``. The passages are drawn from the
unigram model of real MS MARCO passages with their lengths (``speed/synthetic.py``); each query is six words of its own
passage. The recipe (BM25, known positives, positive-aware margin by a static model, sampler) runs as a command in a
process of its own, is killed by SIGKILL when half of the BM25 parts are there, and started again. Memory is looked at
from outside, five times a second, the killed process included.

``--pairs`` may be given several times: the table then says with which exponent time and memory grow.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from speed.pages import write_section
from speed.synthetic import QUERY_WORDS, Synthetic

from hardneg_plugin.memory import own_bytes

RECIPE = """
name: scale
data: {{dataset: "beir:{data}"}}
memory: {memory}
engine: {engine}
mine:
  - bm25: {{top_k: {top_k}}}
  - known_positives: {{near_duplicate: null}}
  - positive_aware: {{model: "{model}", relative_margin: 0.05}}
  - sample: {{num_negatives: 5}}
"""
HEAD = """# A whole mining recipe, killed once and resumed

`python benchmarks/scale.py`, on passages put together of the words of real ones: BM25, known positives, positive-aware
margin by a static model, sampler. Seconds of the killed and the resumed process together, import and indexing included;
the largest memory of both: held (what `memory` promises) and resident (with the pages of mapped files).
"""


@dataclass
class Run:
    """What one process cost."""

    seconds: float
    held: int = 0
    resident: int = 0


def write_data(folder: Path, pairs: int, shared: Path) -> None:
    """Write as many passages as pairs, and a query for each, as a BEIR folder."""
    staged = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "qrels").mkdir(parents=True)
    rng = np.random.default_rng(pairs)
    number = 0
    with (
        (staged / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
        (staged / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (staged / "qrels" / "train.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for texts in Synthetic(shared, stop_words=True).texts(pairs):
            for text in texts:
                words = text.split()
                positions = rng.choice(len(words), size=min(QUERY_WORDS, len(words)), replace=False)
                query = " ".join(words[position] for position in positions)
                corpus.write(json.dumps({"_id": f"p{number}", "text": text}) + "\n")
                queries.write(json.dumps({"_id": f"q{number}", "text": query}) + "\n")
                qrels.write(f"q{number}\tp{number}\t1\n")
                number += 1
    staged.rename(folder)


def watch(command: list[str], log: Path, kill_when: tuple[Path, int] | None) -> Run:
    """Run a command and look at its memory; kill it when a folder holds so many BM25 parts."""
    started = time.monotonic()
    run = Run(0.0)
    with log.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603 - our own command
    seen = psutil.Process(process.pid)
    while process.poll() is None:
        every = [seen, *seen.children(recursive=True)]
        run.held = max(run.held, sum(own_bytes(one) for one in every))
        run.resident = max(run.resident, sum(map(resident, every)))
        if kill_when and len(list(kill_when[0].glob("stages/bm25-*/part-*.parquet"))) >= kill_when[1]:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            break
        time.sleep(0.2)
    run.seconds = time.monotonic() - started
    if kill_when and process.returncode != -signal.SIGKILL:
        sys.exit(f"{' '.join(command)} ended before it could be killed; see {log}")
    if kill_when is None and process.returncode:
        sys.exit(f"{' '.join(command)} failed; see {log}")
    return run


def resident(process: psutil.Process) -> int:
    """Return the resident bytes of a process; one that has ended has none."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def measure(pairs: int, options: argparse.Namespace) -> tuple[Run, Run]:
    """Return what the killed and the resumed process cost."""
    data = options.folder / f"data-{pairs}"
    if not data.is_dir():
        write_data(data, pairs, options.shared)
    work = options.folder / f"run-{pairs}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    recipe = work / "scale.yaml"
    model = options.shared / "models" / "potion-base-4m"
    facts = {"memory": options.memory, "engine": options.engine, "top_k": options.top_k}
    recipe.write_text(RECIPE.format(data=data, model=model, **facts))
    os.environ["HARDNEG_CACHE"] = str(work / "cache")
    command = [sys.executable, "-m", "hardneg_plugin", "run", str(recipe), "--runs", str(work)]
    shards = math.ceil(pairs / 10_000)
    killed = watch(command, work / "log", (work / "scale", max(1, shards // 2)))
    resumed = watch(command, work / "log", None)
    print(f"{pairs:,} pairs: killed after {killed.seconds:,.0f} s, resumed for {resumed.seconds:,.0f} s", flush=True)
    return killed, resumed


def main() -> None:
    """Measure the sizes that are asked for; write this machine's section of ``results/scale.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, action="append", help="default 10,000 and 100,000")
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--engine", default="local")
    parser.add_argument("--top-k", type=int, default=20, help="BM25 candidates of a query")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "hardneg-scale")
    parser.add_argument("--shared", type=Path, default=os.environ.get("HARDNEG_SHARED"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "scale.md")
    options = parser.parse_args()
    if options.shared is None:
        parser.error("give --shared or HARDNEG_SHARED: the folder with data/msmarco and models/potion-base-4m")
    options.folder.mkdir(parents=True, exist_ok=True)
    sizes = sorted(options.pairs or [10_000, 100_000])
    costs = {pairs: measure(pairs, options) for pairs in sizes}
    measured = table(costs, options)
    print(measured)
    write_section(options.out, HEAD, measured)


def table(costs: dict[int, tuple[Run, Run]], options: argparse.Namespace) -> str:
    """Return the costs as Markdown, each with the exponent by which it grew from the size before."""
    lines = [
        f"`memory: {options.memory}`, engine {options.engine}, BM25 top {options.top_k}.",
        "",
        "| pairs and passages | seconds | grows as | held GB | grows as | resident GB |",
        "|---|---|---|---|---|---|",
    ]
    before: tuple[int, float, int] | None = None
    for pairs, (killed, resumed) in costs.items():
        seconds, held = killed.seconds + resumed.seconds, max(killed.held, resumed.held)
        resident = max(killed.resident, resumed.resident)
        powers = ["–", "–"]
        if before is not None:
            steps = math.log(pairs / before[0])
            powers = [
                f"n^{math.log(now / then) / steps:.2f}" for now, then in ((seconds, before[1]), (held, before[2]))
            ]
        lines.append(
            f"| {pairs:,} | {seconds:,.0f} | {powers[0]} | {held / 1e9:.2f} | {powers[1]} | {resident / 1e9:.2f} |"
        )
        before = (pairs, seconds, held)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
