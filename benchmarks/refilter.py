"""Changing a finished run's settings from what it stored, beside mining with these settings.

    python benchmarks/refilter.py [SHARED]

Reads the pool of MS MARCO and the static model in SHARED; writes benchmarks/results/refilter.md.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.finished.refilter import refilter
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe
from hardneg_plugin.run.triplets import write_triplets

RECIPE = """
name: margins
data: {{dataset: "beir:{shared}/data/msmarco"}}
mine:
  - bm25: {{top_k: 100}}
  - dense: {{model: "{shared}/models/potion-base-4m", top_k: 100}}
  - known_positives:
  - positive_aware: {{model: "{shared}/models/potion-base-4m", relative_margin: 0.05}}
  - sample: {{num_negatives: 3}}
"""
CHANGES = {
    "margin 10 %": ["mine.positive_aware.relative_margin=0.1"],
    "margin 10 %, ranks from 11, seven negatives": [
        "mine.positive_aware.relative_margin=0.1",
        "mine.sample.rank_from=11",
        "mine.sample.num_negatives=7",
    ],
    "another draw": ["mine.sample.strategy=random"],
}
RESULT = Path(__file__).parent / "results" / "refilter.md"


def main() -> None:
    """Mine, change, compare."""
    shared = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared").resolve()
    lines = [
        "# Changing a finished run's settings",
        "",
        "6,479 queries of the MS MARCO pool, 100 candidates by BM25 and 100 by a static model",
        "(`python benchmarks/refilter.py`).",
        "Mining reads an index and vectors that are in the cache already; a transformer would take hours for them.",
        "",
        "| change | mining, s | refilter, s | share | the same rows |",
        "|---|--:|--:|--:|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = folder / "margins.yaml"
        recipe.write_text(RECIPE.format(shared=shared))
        mined(recipe, folder / "run")
        for number, (what, overrides) in enumerate(CHANGES.items()):
            seconds = mined(recipe, folder / f"mined{number}", *overrides)
            started = time.perf_counter()
            shards = refilter(folder / "run" / "margins", overrides).shards
            again = time.perf_counter() - started
            out = folder / f"out{number}"
            out.mkdir()
            write_triplets(shards, out)
            same = digest(out) == digest(next((folder / f"mined{number}").glob("*/systems/*/*/triplets")))
            lines.append(
                f"| {what} | {seconds:.1f} | {again:.2f} | {again / seconds:.1%} | {'yes' if same else 'NO'} |"
            )
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    print(RESULT.read_text("utf-8"))


def mined(recipe: Path, runs: Path, *overrides: str) -> float:
    """Mine in a run folder of its own; return the seconds."""
    started = time.perf_counter()
    run_recipe(load_recipe(str(recipe), overrides), runs, progress=Progress(Console(file=io.StringIO())))
    return time.perf_counter() - started


def digest(folder: Path) -> str:
    """Return a hash of the rows in a dataset's folder."""
    return hashlib.sha256((folder / "data-00000-of-00001.arrow").read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
