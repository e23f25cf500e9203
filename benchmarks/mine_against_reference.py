"""Mine the same pairs with hardneg and with sentence-transformers' ``mine_hard_negatives``, and compare both.

Usage: ``python benchmarks/mine_against_reference.py --data BEIR_FOLDER --model MODEL``. Each system runs in a process
of its own, alternating; wall time (of the mining call alone, model and data loaded) and peak memory are medians. Then
every query whose
negatives differ is put down to the rule that explains it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

PEER = "mine_hard_negatives"
SYSTEMS = ("hardneg", f"{PEER} with FAISS", PEER)
WINDOW, NEGATIVES, MARGIN = 50, 3, 0.05


def read_pairs(folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Read the training pairs and all passages of a BEIR folder."""
    rows = {}
    for name in ("corpus", "queries"):
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            rows[name] = {row["_id"]: row["text"] for row in map(json.loads, file)}
    judged = (folder / "qrels" / "train.tsv").read_text("utf-8").splitlines()[1:]
    pairs = [line.split("\t") for line in judged]
    named = [{"query": rows["queries"][q], "positive": rows["corpus"][p]} for q, p, grade in pairs if int(grade) > 0]
    return named, list(rows["corpus"].values())


def mine_with_hardneg(pairs: Any, corpus: list[str], model: Any) -> Any:
    """Mine with hardneg."""
    from hardneg_plugin.api import mine

    return mine(
        pairs,
        model,
        corpus=corpus,
        num_negatives=NEGATIVES,
        range_max=WINDOW,
        relative_margin=MARGIN,
        output_format="triplet",
    ).dataset


def mine_with_peer(pairs: Any, corpus: list[str], model: Any, faiss: bool) -> Any:
    """Mine with sentence-transformers."""
    from sentence_transformers.util import mine_hard_negatives

    return mine_hard_negatives(
        pairs, model, corpus=corpus, num_negatives=NEGATIVES, range_max=WINDOW, relative_margin=MARGIN,
        output_format="triplet", use_faiss=faiss, verbose=False,
    )  # fmt: skip


def child(system: str, folder: Path, model_path: str, output: Path) -> None:
    """Mine once and write what was found and what it cost."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives  # noqa: F401 - imported here, for both, before the clock runs

    from hardneg_plugin import components
    from hardneg_plugin.memory import peak_resident

    _ = [getattr(components, name) for name in components.__all__]
    named, corpus = read_pairs(folder)
    pairs, model = Dataset.from_list(named), SentenceTransformer(model_path)
    before = peak_resident()
    started = time.perf_counter()
    if system == "hardneg":
        rows = mine_with_hardneg(pairs, corpus, model)
    else:
        rows = mine_with_peer(pairs, corpus, model, faiss=system.endswith("FAISS"))
    seconds = time.perf_counter() - started
    peak = peak_resident()
    found: dict[str, list[str]] = {}
    for query, negative in zip(rows[rows.column_names[0]], rows["negative"], strict=True):
        if negative is not None:
            found.setdefault(query, []).append(negative)
    result = {"seconds": seconds, "peak_mb": peak / 2**20, "loaded_mb": before / 2**20, "negatives": found}
    output.write_text(json.dumps(result), "utf-8")


def run_child(system: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one system in a process of its own, with a cache of its own."""
    output = folder / "result.json"
    environment = {**os.environ, "HARDNEG_CACHE": tempfile.mkdtemp(dir=folder)}
    command = [sys.executable, __file__, "--data", str(options.data), "--model", options.model, "--child", system]
    subprocess.run([*command, "--output", str(output)], check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    result: dict[str, Any] = json.loads(output.read_text("utf-8"))
    return result


def explain(ours: dict[str, list[str]], theirs: dict[str, list[str]], pairs: list[dict[str, str]]) -> Counter[str]:
    """Return how many queries have the same negatives, and why the others differ."""
    from rapidfuzz.distance import Indel

    from hardneg_plugin.text import normalise

    positives: dict[str, list[str]] = {}
    for pair in pairs:
        positives.setdefault(pair["query"], []).append(pair["positive"])
    reasons: Counter[str] = Counter()
    for query, known in positives.items():
        mine, reference = ours.get(query, []), list(dict.fromkeys(theirs.get(query, [])))
        mine = list(dict.fromkeys(mine))
        only_theirs = [text for text in reference if text not in mine]
        if mine == reference:
            reasons["the same negatives in the same order"] += 1
        elif set(mine) == set(reference):
            reasons["the same negatives, equal scores in another order"] += 1
        elif any(normalise(text) == normalise(query) for text in only_theirs):
            reasons["mine_hard_negatives took the query itself"] += 1
        elif any(
            Indel.normalized_similarity(normalise(text), normalise(positive)) >= 0.9
            for text in only_theirs
            for positive in known
        ):
            reasons["mine_hard_negatives took a near-copy of a positive"] += 1
        elif len(known) > 1:
            reasons["several positives: the margin is taken from another one"] += 1
        elif set(mine) < set(reference):
            reasons["mine_hard_negatives looked one rank deeper: its window does not count the positive"] += 1
        else:
            reasons["unexplained"] += 1
    return reasons


def main() -> None:
    """Read the command line, measure, and print the tables."""
    shared = Path(os.environ.get("HARDNEG_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared / "data" / "msmarco")
    parser.add_argument("--model", default=str(shared / "models" / "potion-base-4m"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.data, options.model, options.output)
        return
    results: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            for system in SYSTEMS:
                results[system].append(run_child(system, options, Path(folder)))
    print("| system | seconds | peak MB | MB before mining |")
    print("|---|--:|--:|--:|")
    for system, runs in results.items():
        cells = (median(run[key] for run in runs) for key in ("seconds", "peak_mb", "loaded_mb"))
        print(f"| {system} |", " | ".join(f"{cell:,.1f}" for cell in cells), "|")
    pairs, _ = read_pairs(options.data)
    print("\n| queries | why |\n|--:|---|")
    reasons = explain(results["hardneg"][0]["negatives"], results[PEER][0]["negatives"], pairs)
    for reason, number in reasons.most_common():
        print(f"| {number:,} | {reason} |")


if __name__ == "__main__":
    main()
