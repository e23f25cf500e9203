"""How many more true negatives a budget keeps than one margin, rank window or bare verdict at equal contamination.

Usage: ``python benchmarks/false_negative_budget.py [--shared FOLDER] [--out FILE] [--draws N] [--seeds N]``. One
relevant passage per query is known, as in training data; the others are hidden among the candidates. ``dl19`` has human
grades and recorded verdicts of Llama-3-8B; ``vaswani`` is judged almost exhaustively, and its judge is simulated from
the qrels at stated error rates.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from judged import RELEVANT, Verdict, examples_of, read_verdicts
from keeping import CONTAMINATIONS, Graded, OutOfFold, first, folds_of, frontier, graded, out_of_fold, ratios

from hardneg_plugin import (
    BM25NegativeMiner,
    DenseNegativeMiner,
    KnownPositiveFilter,
    LLMNegativeClassifier,
    MiningExample,
    PositiveAwareFilter,
    RecordedChatGenerator,
    load_dataset,
)
from hardneg_plugin.components.recorded_chat_generator import pairs_file
from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.records import table_of, with_scores, with_table
from hardneg_plugin.search.encoder import DualEncoder, load_model

TOP = 50
DEPTHS = {"dl19": 100, "vaswani": 50}
KEEP = {"false_negative": "keep", "hard_negative": "keep", "easy_negative": "keep", "undecided": "keep"}
LABELS = {"easy_negative": 0.0, "hard_negative": 1.0, "false_negative": 2.0}
CRITERIA = ("exactness", "topicality", "coverage", "fit")
JUDGES = {"90 / 70": (0.9, 0.7), "80 / 80": (0.8, 0.8), "70 / 90": (0.7, 0.9)}
"""Per cent of false negatives that the judge finds, and of true negatives that it passes → the two."""
SIMPLE = ("relative margin", "absolute margin", "rank window", "bare verdict")


class QualityResult(NamedTuple):
    """A dataset's candidates, draw by draw of the known positive."""

    name: str
    draws: list[Graded]


def mined(dataset: RetrievalDataset, examples: list[MiningExample], model: str, depth: int) -> list[MiningExample]:
    """Return both miners' candidates, without known positives, scored beside the positive by the model."""
    found = BM25NegativeMiner(corpus=dataset.spec, top_k=depth, source="BM25").run(examples=examples)["examples"]
    dense = DenseNegativeMiner(corpus=dataset.spec, model=model, top_k=depth, source="dense")
    found = KnownPositiveFilter().run(examples=dense.run(examples=found)["examples"])["examples"]
    scored = PositiveAwareFilter(model=model, scorer="margin", relative_margin=None, max_score=99.0)
    return scored.run(examples=found)["examples"]


def judged_by(
    verdicts: Mapping[tuple[str, str], tuple[str, int]], examples: list[MiningExample]
) -> list[MiningExample]:
    """Replay verdicts through the component that asks for them, dropping nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.jsonl"
        pairs_file(path, verdicts)
        generator = RecordedChatGenerator(str(path), on_unknown="undecided", model="recorded")
        return LLMNegativeClassifier(chat_generator=generator, actions=KEEP).run(examples=examples)["examples"]


def with_criteria(examples: list[MiningExample], verdicts: Mapping[tuple[str, str], Verdict]) -> list[MiningExample]:
    """Give the candidates and positives the judge's criteria and their sum as scores."""
    none = (np.nan,) * len(CRITERIA)

    def of(query: str, passage: str) -> tuple[float, ...]:
        verdict = verdicts.get((query, passage))
        return none if verdict is None else verdict.criteria

    table = table_of(examples)
    own = np.array([of(e.id, candidate.id) for e in examples for candidate in e.candidates], dtype=np.float32)
    positives = np.array([of(e.id, document.id) for e in examples for document in e.positives], dtype=np.float32)
    for number, name in enumerate(CRITERIA):
        table = with_scores(table, f"judge:{name}", own[:, number], positives[:, number])
    return with_table(examples, with_scores(table, "judge:sum", own.sum(axis=1), positives.sum(axis=1)))


def rivals_of(examples: Sequence[MiningExample], verdict: Any) -> dict[str, Any]:
    """Return the single rules' numbers; the rank is filled in per source."""
    table = table_of(examples)
    positive = table.positive_scores["margin"].astype(float)[table.positive_offsets[:-1]][table.example_index]
    score = table.scores["margin"].astype(float)
    return {
        "relative margin": (score - positive) / np.abs(positive),
        "absolute margin": score - positive,
        "bare verdict": verdict,
    }


def dl19(data: Path, model: str, draws: int) -> QualityResult:
    """Return the judged candidates of dl19."""
    dataset, verdicts = load_dataset(f"beir:{data}"), read_verdicts(data / "llm_judgments_dl19.jsonl")
    qrels, made = dataset.qrels("dl19"), []
    said = {pair: (verdict.label, verdict.hardness) for pair, verdict in verdicts.items()}
    for draw in range(draws):
        found = judged_by(said, mined(dataset, examples_of(dataset, draw), model, DEPTHS["dl19"]))
        pairs = [(e.id, candidate.id) for e in found for candidate in e.candidates]
        grades = np.array([qrels[q].get(p, np.nan) if (q, p) in verdicts else np.nan for q, p in pairs])
        labels = np.where(np.isnan(grades), np.nan, grades >= RELEVANT)
        relevance = np.array([verdicts[pair].relevance if pair in verdicts else np.nan for pair in pairs])
        rivals = {**rivals_of(found, relevance), "judge's number": _sums(verdicts, pairs)}
        made.append(graded(with_criteria(found, verdicts), labels, rivals, DualEncoder(load_model(model))))
    return QualityResult("dl19", made)


def _sums(verdicts: Mapping[tuple[str, str], Verdict], pairs: Sequence[tuple[str, str]]) -> Any:
    return np.array([float(sum(verdicts[pair].criteria)) if pair in verdicts else np.nan for pair in pairs])


def vaswani(data: Path, model: str, draws: int, judge: str) -> QualityResult:
    """Return the candidates of vaswani, judged by a judge that errs at random, pair by pair."""
    dataset, (finds, passes), made = load_dataset(f"beir:{data}"), JUDGES[judge], []
    qrels = dataset.qrels("test")
    for draw in range(draws):
        chosen = {query: _drawn(draw, query, list(passages)) for query, passages in qrels.items()}
        queries = [query for query in dataset.queries("test") if query.id in chosen]
        documents = dataset.corpus.documents(dataset.corpus.rows_of([chosen[query.id] for query in queries]))
        examples = [MiningExample(q.id, q.text, (d,)) for q, d in zip(queries, documents, strict=True)]
        found = mined(dataset, examples, model, DEPTHS["vaswani"])
        pairs = [(e.id, candidate.id) for e in found for candidate in e.candidates]
        labels = np.array([float(p in qrels[q]) for q, p in pairs])
        luck = np.array([xxhash.xxh3_64_intdigest(f"judge:{q}:{p}".encode()) / 2.0**64 for q, p in pairs])
        says = np.where(labels == 1, luck < finds, luck >= passes)
        labelled = {True: ("false_negative", 90), False: ("hard_negative", 50)}
        found = judged_by({pair: labelled[bool(yes)] for pair, yes in zip(pairs, says, strict=True)}, found)
        made.append(graded(found, labels, rivals_of(found, says.astype(float)), DualEncoder(load_model(model))))
    return QualityResult(f"vaswani, judge {judge}", made)


def _drawn(draw: int, query: str, passages: Sequence[str]) -> str:
    return min(passages, key=lambda passage: xxhash.xxh3_64_intdigest(f"{draw}:{query}:{passage}".encode()))


def table_rows(judged: QualityResult, seeds: int) -> list[str]:
    """Return the lines of one dataset: per source and contamination, what each rule keeps."""
    lines = []
    fitted = [[folds_of(data, seed) for seed in range(seeds)] for data in judged.draws]
    for source in ("BM25", "dense"):
        draws = [
            data._replace(rivals={**data.rivals, "rank window": -data.rank[source].astype(float)})
            for data in judged.draws
        ]
        runs = [(d, out_of_fold(d, folds, source, TOP)) for d, of in zip(draws, fitted, strict=True) for folds in of]
        everything = np.mean([(~data.false[first(data, source, TOP)]).sum() / _queries(data) for data in draws])
        rate = np.mean([data.false[first(data, source, TOP)].mean() for data in draws])
        lines.append(f"| {judged.name}, {source} | all | {rate:.3f} | | {everything:.1f} | | |")
        for level in CONTAMINATIONS:
            rivals = [*SIMPLE, *(["judge's number"] if "judge's number" in draws[0].rivals else [])]
            for name in (*rivals, "model", "bound"):
                lines.append(_line(runs, source, level, name))
            ratio, low, high = ratios(runs, source, TOP, level, SIMPLE)
            lines.append(
                f"| | **{ratio:.2f} times the best single rule** [{low:.2f}, {high:.2f}] | {level:.0%} | | | | |"
            )
        print("\n".join(lines[-20:]), flush=True)
    return lines


def _queries(data: Graded) -> int:
    return len(np.unique(data.query))


def _line(runs: Sequence[tuple[Graded, OutOfFold]], source: str, level: float, name: str) -> str:
    hindsight, rates, kept, most = [], [], [], []
    for data, fold in runs:
        rows = first(data, source, TOP)
        if name != "bound":
            values = fold.probability if name == "model" else data.rivals[name]
            hindsight.append(frontier(values[rows], data.false[rows], level) / _queries(data))
        mask = fold.kept[name, level] & rows
        kept.append((mask & ~data.false).sum() / _queries(data))
        rates.append(data.false[mask].mean() if mask.any() else 0.0)
        most.append(mask.sum() / _queries(data))
    exact = f"{np.mean(hindsight):.1f}" if hindsight else ""
    shown = {"model": "model, threshold by rate", "bound": "budget, threshold by upper bound"}.get(name, name)
    return f"| | {shown} | {level:.0%} | {exact} | {np.mean(kept):.1f} | {np.mean(rates):.3f} | {max(rates):.3f} |"


HEAD = """# A false-negative budget against single thresholds

Among the first 50 candidates of each miner that have a grade; one relevant passage per query is known, the others are
hidden. Everything is measured on queries that neither the model nor the threshold saw (5 folds by query; dl19: {seeds}
seeds and {draws} draws of the known positive; vaswani: one of each).

"Kept at exactly": true negatives per query that the best threshold keeps where contamination is exactly that, found in
hindsight for every rule alike; the ratio compares these, with a 95 % interval over queries. No ratio can be above all
true negatives over what the best single rule keeps. "Threshold of other queries": the rule's best threshold on the
training folds, and what it then keeps and lets through. The bare verdict is the judge's relevance from 0 to 3 cut
anywhere; the judge's number, the sum of its four criteria, is no verdict and is shown beside. The last rule of each
block is what a recipe's `budget` stage does.

| candidates | rule | contamination | kept at exactly | kept, threshold of other queries | contamination then | worst |
|---|---|--:|--:|--:|--:|--:|
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("HARDNEG_SHARED", default)))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=["dl19", "vaswani"])
    arguments = parser.parse_args()
    data, model = arguments.shared / "data", str(arguments.shared / "models" / "potion-base-4m")
    lines: list[str] = []
    if arguments.only != "vaswani":
        lines += table_rows(dl19(data / "msmarco", model, arguments.draws), arguments.seeds)
    if arguments.only != "dl19":
        for judge in JUDGES:
            lines += table_rows(vaswani(data / "vaswani", model, 1, judge), 1)
    text = HEAD.format(seeds=arguments.seeds, draws=arguments.draws) + "\n".join(lines) + "\n"
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
