"""Check the negatives that llama3.1:8b wrote in the reference system's run, and measure how far style gives them away.

Usage: ``python benchmarks/generated_negatives.py --data PATH`` where PATH holds ``llm-recorded`` and folders in BEIR
layout. Prints three Markdown tables: how many of the recorded passages fail each check of ``LLMNegativeGenerator``; the
AUC with which a bag of words tells what is left from passages of the corpus; and how many passages of real corpora, in
several languages, fail the checks on form. ``--show N`` prints N recorded passages of each outcome instead, to read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hardneg_plugin.evaluation.shortcut import shortcut_auc
from hardneg_plugin.text.passage_checks import GeneratedPassage, PassageChecks

CHECKS = PassageChecks(min_words=50, max_words=150)
ACCEPTED = "accepted"
CORPORA = {
    "msmarco": "en",
    "mmarco/ko": "ko",
    **{f"tydi/{language}": language for language in ("ar", "bn", "en", "fi", "ko", "ru", "sw")},
    **{f"xquad-r/{language}": language for language in ("ar", "de", "en", "es", "hi", "zh")},
}
ON_FORM = ("refusal", "preamble", "instruction", "language", "cut off")
PASSAGES_READ = 5_000

Texts = Sequence[tuple[str, str]]
"""Query and passage."""


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_passages(path: Path) -> list[GeneratedPassage]:
    """Read the recorded passages; those of one query are the earlier ones of each other."""
    earlier: dict[str, tuple[str, ...]] = {}
    passages = []
    for row in read_rows(path):
        query, text = row["query"], row["generated"]
        before = earlier.setdefault(query, ())
        passages.append(GeneratedPassage(text, query, positives=(row["positive"],), earlier=before, language="en"))
        earlier[query] = (*before, text)
    return passages


def print_checks(passages: Sequence[GeneratedPassage]) -> None:
    """Print how many passages fail each check, by itself and as the first that fails."""
    alone = Counter(fault for passage in passages for fault in CHECKS.all_faults(passage))
    first = Counter(CHECKS.fault(passage) or ACCEPTED for passage in passages)
    print("| check | fail it | fail it first |\n|---|--:|--:|")
    for fault in CHECKS.faults:
        print(f"| {fault} | {alone[fault]:,} | {first[fault]:,} |")
    print(f"| {ACCEPTED} | | {first[ACCEPTED]:,} |\n| all | | {len(passages):,} |\n")


def print_line(name: str, generated: Texts, corpus: Texts) -> None:
    """Print the AUC of one comparison."""
    found = shortcut_auc(
        [text for _, text in generated],
        [text for _, text in corpus],
        generated_groups=[query for query, _ in generated],
        corpus_groups=[query for query, _ in corpus],
    )
    low, high = found.interval
    words = ", ".join(found.most_telling)
    print(f"| {name} | {found.texts:,} | {found.auc:.3f} | {low:.3f} to {high:.3f} | {words} |")


def print_shortcut(passages: Sequence[GeneratedPassage], mined: Sequence[dict[str, str]]) -> None:
    """Print how well generated passages are told from the positives and mined negatives of the same queries."""
    positives = [(row["query"], row["positive"]) for row in mined]
    negatives = [(row["query"], row["negative"]) for row in mined]
    corpus = [*positives, *negatives]
    no_preamble = [passage for passage in passages if CHECKS.fault(passage) != "preamble"]
    accepted = [passage for passage in passages if not CHECKS.fault(passage)]
    print("| told from passages of the corpus | of each | AUC | 95 % interval | most telling words |")
    print("|---|--:|--:|--:|---|")
    sets = (("as recorded", passages), ("without preambles", no_preamble), (ACCEPTED, accepted))
    for name, chosen in sets:
        print_line(name, [(passage.query, passage.text) for passage in chosen], corpus)
    print_line("mined negatives (BM25), told from the positives", negatives, positives)


def print_false_alarms(data: Path) -> None:
    """Print which share of a corpus's first passages fails each check on form, in percent."""
    print(f"\n| corpus | passages | {' | '.join(ON_FORM)} |\n|---|--:|{'--:|' * len(ON_FORM)}")
    for name, language in CORPORA.items():
        rows = read_rows(data / name / "corpus.jsonl")[:PASSAGES_READ]
        failed = Counter(
            fault
            for row in rows
            for fault in CHECKS.all_faults(GeneratedPassage(row["text"], query="", language=language))
        )
        shares = " | ".join(f"{100 * failed[fault] / len(rows):.2f}" for fault in ON_FORM)
        print(f"| {name} | {len(rows):,} | {shares} |", flush=True)


def print_examples(passages: Sequence[GeneratedPassage], number: int) -> None:
    """Print some passages of each outcome, drawn by chance."""
    draw = random.Random(0)  # noqa: S311
    for outcome in (ACCEPTED, *CHECKS.faults):
        of_it = [passage for passage in passages if (CHECKS.fault(passage) or ACCEPTED) == outcome]
        for passage in draw.sample(of_it, min(number, len(of_it))):
            print(f"{outcome}\t{passage.query}\t{passage.text}")


def default_data() -> Path:
    """Folder of the data: ``data`` in ``$HARDNEG_SHARED``, or in ``shared`` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("HARDNEG_SHARED", beside)) / "data"


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the data (default: %(default)s)")
    parser.add_argument("--show", type=int, default=0, help="print this many passages of each outcome instead")
    options = parser.parse_args()
    folder = options.data / "llm-recorded"
    passages = read_passages(folder / "generated_msmarco.jsonl")
    if options.show:
        print_examples(passages, options.show)
        return
    print_checks(passages)
    print_shortcut(passages, read_rows(folder / "classified_msmarco.jsonl"))
    print_false_alarms(options.data)


if __name__ == "__main__":
    main()
