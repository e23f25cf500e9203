"""What a Ray cluster of one and of two workers on this machine gains over the local engine, on the same recipe.

Usage: ``python benchmarks/speed/ray_engine.py [--passages 20000]``. Mining of the sample corpus; every engine in turn
in a process of its own with warm caches, medians of the rounds; the triplets are compared byte by byte. On one machine
the local engine already uses all cores where a search does: what Ray adds there is the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pages import write_section

HEAD = """# Mining by Ray

`python benchmarks/speed/ray_engine.py`: medians of the rounds. Importing the data and writing the triplets are counted,
though no worker helps with them; starting Ray is not counted, what its workers import is. The limit is the local
engine: it works with all processors, and on one machine Ray has no others.
"""
RECIPE = """
name: ray
data: {{dataset: "sample?passages={passages}", shard_size: {shard}}}
mine: [{{bm25: {{top_k: 50}}}}, {{known_positives: {{}}}}, {{quality: {{}}}}, {{sample: {{num_negatives: 5}}}}]
"""
ENGINES = {"local": 0, "ray, 1 worker": 1, "ray, 2 workers": 2}


def mine(recipe: Path, runs: Path, workers: int) -> None:
    """Run the recipe in this process and print its seconds, from reading the data to the triplets."""
    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.run.runner import run_recipe

    if workers:
        import ray

        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False, configure_logging=False)
    loaded = load_recipe(str(recipe), [f"engine={'ray' if workers else 'local'}"])
    started = time.monotonic()
    run_recipe(loaded, runs)
    print(time.monotonic() - started)


def digest(folder: Path) -> str:
    """Return a hash of all parts and triplets."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".parquet", ".arrow") and path.parent != folder:
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Measure; write this machine's section of ``results/speed_ray.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results" / "speed_ray.md")
    parser.add_argument("--mine", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mine:
        mine(Path(options.mine[0]), Path(options.mine[1]), int(options.mine[2]))
        return
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    digests: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        recipe = Path(name) / "ray.yaml"
        recipe.write_text(RECIPE.format(passages=options.passages, shard=max(1, options.passages // 100)))
        environment = {**os.environ, "HARDNEG_CACHE": f"{name}/cache", "RAY_USAGE_STATS_ENABLED": "0"}
        # The first round fills the cache and is left out.
        for number in range(options.rounds + 1):
            for engine, workers in ENGINES.items():
                runs = Path(name) / f"{workers}-{number}"
                command = [sys.executable, __file__, "--mine", str(recipe), str(runs), str(workers)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
                seconds[engine].append(float(done.stdout.split()[-1]))
                digests.add(digest(runs / "ray"))
                print(f"round {number}: {engine} {seconds[engine][-1]:.1f} s", flush=True)
    middle = {engine: median(values[1:]) for engine, values in seconds.items()}
    lines = [
        f"`--passages {options.passages}`; {'the same bytes from all' if len(digests) == 1 else 'DIFFERENT BYTES'}.",
        "",
        "| engine | seconds | speed-up over one worker | of the limit |",
        "|---|---|---|---|",
        *(
            f"| {name} | {value:.1f} | {middle['ray, 1 worker'] / value:.2f} | {middle['local'] / value:.0%} |"
            for name, value in middle.items()
        ),
    ]
    measured = "\n".join(lines)
    print(measured)
    write_section(options.out, HEAD, measured)


if __name__ == "__main__":
    main()
