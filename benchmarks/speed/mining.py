"""The mining step alone: hardneg's ``mine`` and sentence-transformers' ``mine_hard_negatives``, vectors given.

Usage: ``python benchmarks/speed/mining.py [--pairs 100000]``. A stub encoder looks vectors up, so that nothing but
mining is measured. Each system runs in a process of its own, alternating; seconds and peak memory are medians. hardneg
writes the vectors into a cache of its own and reads them back; that is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from limits import GIGA, product_rates
from pages import write_section

RESULTS = Path(__file__).resolve().parents[1] / "results" / "speed_mining.md"
SYSTEMS = ("hardneg", "hardneg, float32", "mine_hard_negatives with FAISS", "mine_hard_negatives")
DIMS, WINDOW, NEGATIVES = 384, 100, 5


def stub_model(pairs: int) -> Any:
    """Return a model whose vector of a text is given by the number at its end; a query lies near its positive."""
    import torch
    from sentence_transformers import SentenceTransformer

    from hardneg_plugin.training.static_model import build_static_model

    rng = np.random.default_rng(0)
    passages = _unit(rng.standard_normal((pairs, DIMS), dtype=np.float32))
    queries = _unit(passages + _unit(rng.standard_normal((pairs, DIMS), dtype=np.float32)) / 2)

    class Stub(SentenceTransformer):
        def encode(self, inputs: Any, **options: Any) -> Any:
            table = queries if inputs[0].startswith("which") else passages
            found = table[np.array([int(text.rsplit(" ", 1)[-1]) for text in inputs])]
            return torch.from_numpy(found) if options.get("convert_to_tensor") else found

        encode_query = encode_document = encode

        def get_embedding_dimension(self) -> int:
            return DIMS

        get_sentence_embedding_dimension = get_embedding_dimension

    base = build_static_model(["red wine"], dims=8, vocabulary=200, seed=0)
    return Stub(modules=list(base), similarity_fn_name="cosine")


def texts(count: int) -> tuple[list[str], list[str]]:
    """Return queries and passages of random words, as long as MS MARCO's, each with its number at the end."""
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(20_000)])
    lengths = rng.integers(35, 75, count)
    drawn = iter(words[(rng.random(int(lengths.sum())) ** 3 * len(words)).astype(np.int64)].tolist())
    positives = [" ".join([*islice(drawn, length), str(number)]) for number, length in enumerate(lengths.tolist())]
    return [f"which passage has number {number}" for number in range(count)], positives


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def child(system: str, count: int) -> None:
    """Mine once and print what it took."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    from hardneg_plugin import components
    from hardneg_plugin.api import mine
    from hardneg_plugin.memory import peak_resident
    from hardneg_plugin.search.dense import blocked_exact as tiled
    from hardneg_plugin.search.dense import flat_index
    from hardneg_plugin.search.dense.gemm_autotune import gemm_backends

    _ = [getattr(components, name) for name in components.__all__]
    model = stub_model(count)
    queries, positives = texts(count)
    pairs = Dataset.from_dict({"query": queries, "positive": positives})
    by = gemm_backends()
    if system == "hardneg, float32":
        # What it takes on a processor that has nothing else.
        by = tuple(product for product in by if "float32" in product.name)
        flat_index.products = tiled.products = lambda: by
    before = peak_resident()
    started, worked = time.perf_counter(), time.process_time()
    if system.startswith("hardneg"):
        rows = mine(pairs, model, num_negatives=NEGATIVES, range_max=WINDOW, output_format="triplet").dataset
    else:
        use = system.endswith("FAISS")
        options = {"num_negatives": NEGATIVES, "range_max": WINDOW, "output_format": "triplet", "use_faiss": use}
        rows = mine_hard_negatives(pairs, model, verbose=False, **options)
    seconds = time.perf_counter() - started
    worked = time.process_time() - worked
    peak = peak_resident()
    result = {
        "processor": worked,
        "seconds": seconds,
        "peak": peak / 2**20,
        "before": before / 2**20,
        "rows": len(rows),
        "product": by[0].name,
    }
    print(json.dumps(result))


def run_child(system: str, count: int) -> dict[str, Any]:
    """Run one system in a process of its own, with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HARDNEG_CACHE": cache}
        command = [sys.executable, __file__, "--child", system, "--pairs", str(count)]
        answer = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Read the command line, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--child", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.pairs)
        return
    runs: dict[str, list[dict[str, Any]]] = {system: [] for system in options.systems}
    rates = []
    for _ in range(options.repeat):
        for system in options.systems:
            runs[system].append(run_child(system, options.pairs))
            print(system, runs[system][-1], flush=True)
        rates.append(product_rates(DIMS))
    own = median(run["seconds"] for run in runs[options.systems[0]])
    limits = {name: 2 * options.pairs**2 * DIMS / GIGA / max(rate[name] for rate in rates) for name in rates[0]}
    lines = []
    for system, found in runs.items():
        seconds, peak, before = (median(run[key] for run in found) for key in ("seconds", "peak", "before"))
        worked = median(run["processor"] for run in found)
        product = f" ({found[0]['product']})" if system.startswith("hardneg") else ""
        limit = limits[found[0]["product"].split()[-1] if product else "float32"]
        cells = f"{seconds:.1f} | {seconds / own:.2f} | {limit:.1f} | {limit / seconds:.0%} | {worked:.1f} | "
        cells += f"{peak:,.0f} | {peak - before:,.0f} | {found[0]['rows']:,}"
        lines.append(f"| {system}{product} | {cells} |")
    head = (
        f"# Mining {options.pairs:,} pairs, vectors given\n\nRandom vectors, each query's near its positive's; "
        f"texts of random words. {DIMS} dimensions, range_max {WINDOW}, {NEGATIVES} "
        "negatives, triplets. Medians of alternating runs. The limit is the time of the product of all queries with "
        "all passages alone, in the precision that the system multiplies in, at the best rate that was measured. Peak "
        "memory is that of the process; beside it, how much more that is than before mining. A section without a "
        "column is older than it."
    )
    columns = (
        "| system | seconds | times hardneg's | limit | of it | processor seconds | peak MB | of it for mining "
        "| rows |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    )
    write_section(options.output, head, columns + "\n".join(lines))
    print(columns + "\n".join(lines))


if __name__ == "__main__":
    main()
