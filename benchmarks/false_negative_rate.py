"""How often the interval of a corrected rate holds the truth, and how wide it is.

Usage: ``python benchmarks/false_negative_rate.py [--shared FOLDER] [--out FILE]``. On ``dl19`` with one relevant
passage known per query and the others hidden: the rate of false negatives among the first 10 graded candidates of each
miner, from 200 recorded verdicts of Llama-3-8B and 50 human labels of them, drawn a hundred times.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from judged import RELEVANT, Verdict, examples_of, read_verdicts
from numpy.typing import NDArray

from hardneg_plugin import BM25NegativeMiner, DenseNegativeMiner, KnownPositiveFilter, MiningExample, load_dataset
from hardneg_plugin.evaluation.rates import RateEstimate, corrected_rate, gold_rate, judge_rate

CUT, VERDICTS, GOLD, DRAWS = 10, 200, 50, 100


class Pairs(NamedTuple):
    """The first candidates of all queries: those with a grade and a verdict.

    :param false: Whether each is a false negative by its grade, shape ``(n,)``.
    :param relevance: What the judge says of it, 0 to 3.
    """

    false: NDArray[np.bool_]
    relevance: NDArray[np.int64]


def first_pairs(
    examples: list[MiningExample],
    qrels: Mapping[str, Mapping[str, int]],
    verdicts: Mapping[tuple[str, str], Verdict],
) -> Pairs:
    """Return the first 10 graded candidates of each query, by rank."""
    false, relevance = [], []
    for example in examples:
        ranked = sorted(example.candidates.kept(), key=lambda c: min(found.rank for found in c.sources.values()))
        graded = [candidate.id for candidate in ranked if candidate.id in qrels[example.id]][:CUT]
        for identifier in graded:
            if (example.id, identifier) in verdicts:
                false.append(qrels[example.id][identifier] >= RELEVANT)
                relevance.append(verdicts[example.id, identifier].relevance)
    return Pairs(np.array(false), np.array(relevance))


def estimates(pairs: Pairs, draw: int) -> dict[str, RateEstimate]:
    """Return name of the method → its estimate from one draw of verdicts and labels."""
    random = np.random.default_rng(draw)
    drawn = random.choice(len(pairs.false), VERDICTS, replace=False)
    said, gold = pairs.relevance[drawn], np.full(VERDICTS, np.nan)
    gold[:GOLD] = pairs.false[drawn[:GOLD]]
    everything = len(pairs.false)
    return {
        "50 labels alone": gold_rate(gold[:GOLD] == 1),
        "judge alone": judge_rate(said >= RELEVANT),
        "corrected, verdict yes or no": corrected_rate(said >= RELEVANT, gold, seed=draw),
        "corrected, four levels": corrected_rate(said, gold, seed=draw),
        "corrected, four levels, of just these pairs": corrected_rate(said, gold, population=everything, seed=draw),
    }


def coverage(pairs: Pairs, draws: int = DRAWS) -> dict[str, tuple[int, float, float]]:
    """Return name → draws whose interval holds the truth, mean width, mean error of the rate."""
    truth, found = float(pairs.false.mean()), [estimates(pairs, draw) for draw in range(draws)]
    return {
        name: (
            sum(one[name].low <= truth <= one[name].high for one in found),
            float(np.mean([one[name].high - one[name].low for one in found])),
            float(np.mean([one[name].rate - truth for one in found])),
        )
        for name in found[0]
    }


def mined_pairs(shared: Path, draw: int = 0) -> dict[str, Pairs]:
    """Return miner → its first pairs."""
    data = shared / "data" / "msmarco"
    dataset, verdicts = load_dataset(f"beir:{data}"), read_verdicts(data / "llm_judgments_dl19.jsonl")
    miners: dict[str, Any] = {
        "BM25": BM25NegativeMiner(corpus=dataset.spec, top_k=50),
        "dense": DenseNegativeMiner(
            corpus=dataset.spec, model=str(shared / "models" / "potion-base-4m"), top_k=50, source="dense"
        ),
    }
    examples, found = examples_of(dataset, draw), {}
    for name, miner in miners.items():
        mined = KnownPositiveFilter().run(examples=miner.run(examples=examples)["examples"])["examples"]
        found[name] = first_pairs(mined, dataset.qrels("dl19"), verdicts)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("HARDNEG_SHARED", default)))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = (
        "# The rate of false negatives from 200 verdicts and 50 labels\n\n"
        "dl19, one relevant passage known per query and the others hidden: false negatives among the first 10 graded"
        f" candidates, {DRAWS} draws of 200 recorded verdicts (Llama-3-8B) and 50 human labels of them. An interval of"
        " 95 % should hold the truth in about 95 draws.\n\n"
        "| miner (truth) | method | draws that hold the truth | mean width | mean error |\n|---|---|--:|--:|--:|\n"
    )
    for miner, pairs in mined_pairs(arguments.shared).items():
        for name, (held, width, error) in coverage(pairs).items():
            text += f"| {miner} ({pairs.false.mean():.3f}, {len(pairs.false)} pairs) | {name} | {held} | {width:.3f} |"
            text += f" {error:+.3f} |\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
