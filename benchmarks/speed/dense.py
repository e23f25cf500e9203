"""Exact dense search: FAISS, numpy, torch and hardneg, and how near each comes to the machine's matrix product.

Usage: ``python benchmarks/speed/dense.py [--passages 10000 100000 1000000]``. Random unit vectors. All systems run in
one process, alternating, with the same threads; seconds are medians. Peak memory is that of a process of its own for
each system, less what it had before the search; FAISS holds a copy of the vectors. Run it on a machine that is doing
nothing else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from limits import GIGA, product_rates
from pages import write_section

from hardneg_plugin.memory import peak_resident

RESULTS = Path(__file__).resolve().parents[1] / "results" / "speed_dense.md"
CHUNK = 16_384
QUERIES_AT_ONCE = 512


def unit_vectors(seed: int, count: int, dims: int) -> Any:
    """Return random vectors of length 1."""
    vectors = np.random.default_rng(seed).standard_normal((count, dims), dtype=np.float32)
    # No copy: it would count as peak memory.
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors


def faiss_search(passages: Any, k: int) -> Callable[[Any], Any]:
    """Search with IndexFlatIP; building it, a copy, is not counted."""
    import faiss

    index = faiss.IndexFlatIP(passages.shape[1])
    index.add(passages)
    return lambda queries: index.search(queries, k)[1]


def numpy_search(passages: Any, k: int) -> Callable[[Any], Any]:
    """Search with products of blocks and argpartition."""

    def block(queries: Any) -> Any:
        rows, scores = [], []
        for start in range(0, len(passages), CHUNK):
            products = queries @ passages[start : start + CHUNK].T
            best = np.argpartition(-products, min(k, products.shape[1]) - 1, axis=1)[:, :k]
            rows.append(best + start)
            scores.append(np.take_along_axis(products, best, axis=1))
        order = np.argsort(-np.concatenate(scores, axis=1), axis=1)[:, :k]
        return np.take_along_axis(np.concatenate(rows, axis=1), order, axis=1)

    return lambda queries: np.concatenate(
        [block(queries[start : start + QUERIES_AT_ONCE]) for start in range(0, len(queries), QUERIES_AT_ONCE)]
    )


def torch_search(passages: Any, k: int) -> Callable[[Any], Any]:
    """Search with products of blocks and topk."""
    import torch

    whole = torch.from_numpy(passages)

    def block(queries: Any) -> Any:
        rows, scores = [], []
        for start in range(0, len(whole), CHUNK):
            products = queries @ whole[start : start + CHUNK].T
            values, positions = products.topk(min(k, products.shape[1]), dim=1)
            rows.append(positions + start)
            scores.append(values)
        order = torch.cat(scores, dim=1).topk(k, dim=1).indices
        return torch.cat(rows, dim=1).gather(1, order)

    def search(queries: Any) -> Any:
        asked = torch.from_numpy(queries)
        return torch.cat([block(part) for part in asked.split(QUERIES_AT_ONCE)]).numpy()

    return search


def own_search(product: str | None) -> Callable[[Any, int], Callable[[Any], Any]]:
    """Search with hardneg by one product, or by what it chooses."""

    def prepare(passages: Any, k: int) -> Callable[[Any], Any]:
        from hardneg_plugin.search.dense.blocked_exact import tiled_search
        from hardneg_plugin.search.dense.flat_index import nearest
        from hardneg_plugin.search.dense.gemm import PRODUCTS
        from hardneg_plugin.search.dense.search import search_space

        # Measuring the lengths of the vectors is counted.
        if product is None:
            return lambda queries: nearest(search_space(queries, passages, k, "cosine"), k).rows
        known = {one.name: one for one in PRODUCTS}
        chosen = [known[product], known["float32"]]
        return lambda queries: tiled_search(search_space(queries, passages, k, "cosine"), k, by=chosen).hits.rows

    return prepare


SYSTEMS: dict[str, Callable[[Any, int], Callable[[Any], Any]]] = {
    "FAISS IndexFlatIP": faiss_search,
    "numpy": numpy_search,
    "torch": torch_search,
    "hardneg, float32 tiles": own_search("float32"),
    "hardneg, torch float32 tiles": own_search("torch float32"),
    "hardneg, packed float32 tiles": own_search("packed float32"),
    "hardneg, bfloat16 tiles": own_search("bfloat16"),
    "hardneg, int8 tiles": own_search("int8"),
    "hardneg, as it chooses": own_search(None),
}


def peak(system: str, options: argparse.Namespace, count: int) -> float:
    """Return the megabytes that a search takes in a process of its own."""
    asked = ["--child", system, "--passages", str(count)]
    for name in ("queries", "dims", "k"):
        asked += [f"--{name}", str(getattr(options, name))]
    answer = subprocess.run([sys.executable, __file__, *asked], check=True, capture_output=True, text=True)  # noqa: S603
    return float(json.loads(answer.stdout.splitlines()[-1]))


def child(system: str, options: argparse.Namespace) -> None:
    """Search once and print what it took."""
    passages, queries = (
        unit_vectors(1, options.passages[0], options.dims),
        unit_vectors(2, options.queries, options.dims),
    )
    # Libraries and compiled loops are loaded before, whichever way a search of this size goes.
    for name in {system, "hardneg, int8 tiles" if "chooses" in system else system}:
        SYSTEMS[name](passages[:2000], 10)(queries[:10])
    before = peak_resident()
    SYSTEMS[system](passages, options.k)(queries)
    print(json.dumps((peak_resident() - before) / 1e6))


def measure(count: int, options: argparse.Namespace) -> list[str]:
    """Return the rows of one size."""
    passages, queries = unit_vectors(1, count, options.dims), unit_vectors(2, options.queries, options.dims)
    from hardneg_plugin.search.dense.gemm_autotune import gemm_backends

    searches = {name: SYSTEMS[name](passages, options.k) for name in options.systems}
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    found: dict[str, Any] = {}
    for search in searches.values():
        search(queries[:500])
    rates = [product_rates(options.dims)]
    for _ in range(options.repeat):
        for name, search in searches.items():
            started = time.perf_counter()
            found[name] = search(queries)
            seconds[name].append(time.perf_counter() - started)
        rates.append(product_rates(options.dims))
    best = {name: max(rate[name] for rate in rates) for name in rates[0]}
    chosen = gemm_backends()[0].name.split()[-1] if 2 * count * len(queries) * options.dims >= 2 << 37 else "float32"
    operations = 2 * count * len(queries) * options.dims / GIGA
    base, lines = median(seconds["FAISS IndexFlatIP"]), []
    exact = next(found[name] for name in searches if name.startswith("hardneg"))
    for name in searches:
        precision = next((one for one in best if one in name), chosen if "chooses" in name else "float32")
        taken, limit = median(seconds[name]), best[precision]
        same = float(np.mean([len(set(a) & set(b)) for a, b in zip(found[name], exact, strict=True)]))
        memory = peak(name, options, count)
        lines.append(
            f"| {count:,} | {name} | {taken:.2f} | {len(queries) / taken:,.0f} | {base / taken:.2f} "
            f"| {operations / taken:,.0f} | {limit:,.0f} | {operations / taken / limit:.0%} "
            f"| {same / options.k:.4%} | {memory:,.0f} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Read the command line, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--child", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "FAISS IndexFlatIP" not in options.systems or not any(name.startswith("hardneg") for name in options.systems):
        parser.error("--systems needs FAISS, and one of hardneg's to compare with")
    if options.child:
        child(options.child, options)
        return
    lines = [line for count in options.passages for line in measure(count, options)]
    head = (
        f"# Exact dense search, top {options.k} of {options.queries:,} queries, {options.dims} dimensions\n\n"
        "Random unit vectors. The limit is the best rate of a plain product of 2,048 by 4,096 vectors in the same "
        "process, in the precision that the system multiplies in. Equal hits are those of hardneg's exact search. "
        "Small searches go to FAISS and are then scored exactly. Peak memory is how much more than before the search, "
        "for which the vectors were there."
    )
    columns = (
        "| passages | system | seconds | queries/s | times FAISS | 10^9 op/s | limit | of it | equal hits | peak MB |\n"
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    )
    write_section(options.output, head, columns + "\n".join(lines))


if __name__ == "__main__":
    main()
