"""What recorded verdicts of Llama-3-8B do for mined negatives, by the grades of TREC DL 2019's assessors.

Usage: ``python benchmarks/judged.py [--shared FOLDER] [--out FILE]``. One relevant passage per query is known, as in
training data; the others are hidden among the candidates. The verdicts are replayed by a ``RecordedChatGenerator``
through ``LLMNegativeClassifier``, as a run without a language model does it. The second part asks what more can be made
of them: a model of P(false negative) from the judge's criteria, the similarity to the query and the same of the known
positive, cross-validated by query.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash
from judged_model import Candidates, bare_verdict, cross_validated, features_of, markdown_of_model

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

RELEVANT = 2
DEPTH = 100
DRAWS = 5
# The models are fitted on the first of them only: they take most of the time and differ little.
MODEL_DRAWS = 2
KEEP_UNLESS_FALSE = {"false_negative": "drop", "hard_negative": "keep", "easy_negative": "keep", "undecided": "drop"}


class Verdict(NamedTuple):
    """What was recorded of a pair: four criteria and their sum up, each 0 to 3."""

    criteria: tuple[int, ...]
    relevance: int

    @property
    def label(self) -> str:
        """0 is easy, 1 hard, 2 and more a false negative."""
        return ("easy_negative", "hard_negative", "false_negative")[min(self.relevance, 2)]

    @property
    def hardness(self) -> int:
        """The criteria's sum on 0 to 100, inside the band that the label allows."""
        share = round(100 * sum(self.criteria) / (3 * len(self.criteria)))
        return {"easy_negative": min(share, 60), "hard_negative": max(share, 40)}.get(self.label, share)


def read_verdicts(path: Path) -> dict[tuple[str, str], Verdict]:
    """Return (query id, passage id) → what was recorded."""
    verdicts = {}
    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            criteria = tuple(int(row["answers"][name]) for name in sorted(row["answers"]))
            verdicts[row["query_id"], row["doc_id"]] = Verdict(criteria, row["relevance"])
    return verdicts


def examples_of(dataset: RetrievalDataset, draw: int) -> list[MiningExample]:
    """Return the queries of dl19, each with one of its most relevant passages as the known positive, by a hash."""
    qrels = dataset.qrels("dl19")
    chosen = {}
    for query, grades in qrels.items():
        best = max(grades.values())
        candidates = [passage for passage, grade in grades.items() if grade == best]
        chosen[query] = min(candidates, key=lambda p: xxhash.xxh3_64_intdigest(f"{draw}:{query}:{p}".encode()))
    queries = dataset.queries("dl19")
    documents = dataset.corpus.documents(dataset.corpus.rows_of([chosen[query.id] for query in queries]))
    return [
        MiningExample(query.id, query.text, (document,)) for query, document in zip(queries, documents, strict=True)
    ]


class Line(NamedTuple):
    """One way of choosing, over all queries.

    :param contamination: Cutoff → share with grade 2 or more among the first graded ones that are kept.
    :param ungraded: Share without a grade among the first 10 that are kept.
    :param true_negatives: Graded true negatives that are kept, per query.
    :param rank: Their mean rank.
    """

    contamination: Mapping[int, float]
    ungraded: float
    true_negatives: float
    rank: float


def measure(examples: Sequence[MiningExample], qrels: Mapping[str, Mapping[str, int]]) -> Line:
    """Measure what is kept."""
    relevant: dict[int, list[int]] = {5: [], 10: []}
    ungraded, ranks, per_query = [], [], []
    for example in examples:
        ids = [candidate.id for candidate in sorted(example.candidates.kept(), key=_rank)]
        grades = [qrels[example.id].get(identifier) for identifier in ids]
        graded = [grade for grade in grades if grade is not None]
        for cutoff, values in relevant.items():
            values += [int(grade >= RELEVANT) for grade in graded[:cutoff]]
        ungraded += [int(grade is None) for grade in grades[:10]]
        true = [_rank(c) for c in example.candidates.kept() if qrels[example.id].get(c.id, RELEVANT) < RELEVANT]
        ranks += true
        per_query.append(len(true))
    return Line(
        {cutoff: float(np.mean(values)) for cutoff, values in relevant.items()},
        float(np.mean(ungraded)),
        float(np.mean(per_query)),
        float(np.mean(ranks)),
    )


def _rank(candidate: object) -> int:
    return min(found.rank for found in candidate.sources.values())  # type: ignore[attr-defined]


def lines_of(
    dataset: RetrievalDataset, examples: list[MiningExample], model: str, judge: LLMNegativeClassifier
) -> tuple[dict[str, Line], dict[str, list[MiningExample]]]:
    """Return name of the line → what it keeps, and the mined examples by miner."""
    qrels = dataset.qrels("dl19")
    spec = dataset.spec
    miners = {
        "BM25": BM25NegativeMiner(corpus=spec, top_k=DEPTH),
        "dense": DenseNegativeMiner(corpus=spec, model=model, top_k=DEPTH, source="dense"),
    }
    lines, mined = {}, {}
    for name, miner in miners.items():
        found = KnownPositiveFilter().run(examples=miner.run(examples=examples)["examples"])["examples"]
        near = PositiveAwareFilter(model=model, scorer="margin", relative_margin=0.05)
        below = near.run(examples=found)["examples"]
        # Scored by the filter, but with all that it drops.
        mined[name] = PositiveAwareFilter(model=model, scorer="margin", relative_margin=None, max_score=9.0).run(
            examples=found
        )["examples"]
        lines[name] = measure(found, qrels)
        lines[f"{name}, below 95 % of the positive"] = measure(below, qrels)
        lines[f"{name}, judged"] = measure(judge.run(examples=found)["examples"], qrels)
        lines[f"{name}, both"] = measure(judge.run(examples=below)["examples"], qrels)
    return lines, mined


def candidates_of(
    mined: Mapping[str, list[MiningExample]],
    qrels: Mapping[str, Mapping[str, int]],
    verdicts: Mapping[tuple[str, str], Verdict],
) -> Candidates:
    """Return the graded candidates of both miners that have a verdict, with what the model may look at."""
    rows = []
    for both in zip(*mined.values(), strict=True):
        example = both[0]
        found = {candidate.id: candidate for one in both for candidate in one.candidates}
        known = [i for i in found if (example.id, i) in verdicts and i in qrels[example.id] and not found[i].dropped]
        positive = verdicts[example.id, example.positives[0].id]
        table = example.candidates.table
        own = table.positive_scores["margin"][table.positive_offsets[example.candidates.index]]
        features = features_of(
            [verdicts[example.id, identifier].criteria for identifier in known],
            positive.criteria,
            [found[identifier].scores["margin"] for identifier in known],
            float(own),
            [_rank(found[identifier]) for identifier in known],
        )
        rows += [
            (
                example.id,
                identifier,
                qrels[example.id][identifier] >= RELEVANT,
                _rank(found[identifier]),
                verdicts[example.id, identifier].relevance,
                of_candidate,
            )
            for identifier, of_candidate in zip(known, features, strict=True)
        ]
    return Candidates.of(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("HARDNEG_SHARED", default)))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data = arguments.shared / "data" / "msmarco"
    model = str(arguments.shared / "models" / "potion-base-4m")
    dataset = load_dataset(f"beir:{data}")
    verdicts = read_verdicts(data / "llm_judgments_dl19.jsonl")
    draws, pooled = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.jsonl"
        pairs_file(path, {pair: (verdict.label, verdict.hardness) for pair, verdict in verdicts.items()})
        judge = LLMNegativeClassifier(
            chat_generator=RecordedChatGenerator(str(path), on_unknown="undecided", model="Llama-3-8B (recorded)"),
            actions=KEEP_UNLESS_FALSE,
        )
        for draw in range(DRAWS):
            lines, mined = lines_of(dataset, examples_of(dataset, draw), model, judge)
            draws.append(lines)
            if draw < MODEL_DRAWS:
                pooled.append(candidates_of(mined, dataset.qrels("dl19"), verdicts))
    text = markdown(draws) + "\n" + markdown_of_model(cross_validated(pooled), bare_verdict(pooled), len(pooled))
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


def markdown(draws: Sequence[Mapping[str, Line]]) -> str:
    """Return the table of lines: means over the draws of the known positive, the range of contamination beside."""
    head = (
        "| line | contamination, first 5 | first 10 | without a grade | true negatives kept | mean rank |\n"
        "|---|--:|--:|--:|--:|--:|\n"
    )
    rows = []
    for name in draws[0]:
        lines = [draw[name] for draw in draws]
        tens = [line.contamination[10] for line in lines]
        five = np.mean([line.contamination[5] for line in lines])
        rows.append(
            f"| {name} | {five:.3f} | {np.mean(tens):.3f} ({min(tens):.3f} to {max(tens):.3f}) "
            f"| {np.mean([line.ungraded for line in lines]):.3f} "
            f"| {np.mean([line.true_negatives for line in lines]):.1f} "
            f"| {np.mean([line.rank for line in lines]):.1f} |\n"
        )
    return (
        "# What a judge is worth: recorded verdicts on TREC DL 2019\n\n"
        f"43 queries, {DEPTH} candidates mined for each from the pool of 31,725 passages, one relevant passage known"
        f" and the others hidden; means over {len(draws)} draws of the known one, in brackets the range over draws."
        " Contamination is the share with a human grade of 2 or more among the first *graded* ones that are kept;"
        " true negatives are graded 0 or 1, per query. Undecided ones (no recorded verdict) are dropped.\n\n"
        + head
        + "".join(rows)
    )


if __name__ == "__main__":
    main()
