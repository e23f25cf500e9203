"""Tokens of the prompt and calls per verdict, one candidate at a time and ten, beside the reference system's.

Usage: ``python benchmarks/llm_tokens.py [--shared FOLDER] [--out FILE]``. Counted with the tokenizer of multilingual
BERT over all messages, on the queries whose answers were recorded, with ten mined BM25 candidates each. No model is
asked.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from haystack import Document
from haystack.components.generators.chat import MockChatGenerator

from hardneg_plugin import BM25NegativeMiner, KnownPositiveFilter, LLMNegativeClassifier, MiningExample, NegativeSampler
from hardneg_plugin.mining.judge_prompts import judge_batches, rows_to_judge
from hardneg_plugin.records import table_of

REFERENCE = {"MS MARCO": 237, "TyDi": 321}
CANDIDATES = 10
MODES = ("pointwise", "listwise")


class Cost(NamedTuple):
    """Of one mode on one set.

    :param tokens: Prompt tokens per verdict.
    :param calls: Calls per verdict.
    :param verdicts: Verdicts that were counted.
    """

    tokens: float
    calls: float
    verdicts: int


def recorded_examples(path: Path) -> list[MiningExample]:
    """Return the queries of a recording, each once, with their positives."""
    with path.open(encoding="utf-8") as lines:
        rows = {row["query"]: row for row in map(json.loads, lines)}
    return [
        MiningExample(f"r{number}", query, (Document(id=f"positive-{number}", content=row["positive"]),))
        for number, (query, row) in enumerate(rows.items())
    ]


def mined(examples: Sequence[MiningExample], corpus: str) -> list[MiningExample]:
    """Return the examples with their ten best BM25 candidates."""
    found = BM25NegativeMiner(corpus=corpus, top_k=50).run(examples=list(examples))["examples"]
    clean = KnownPositiveFilter().run(examples=found)["examples"]
    kept: list[MiningExample] = NegativeSampler(num_negatives=CANDIDATES).run(examples=clean)["examples"]
    return kept


def cost(examples: list[MiningExample], mode: Any, tokenizer: Any) -> Cost:
    """Count the prompts of a mode at its defaults, which are the reference's cuts."""
    judge = LLMNegativeClassifier(chat_generator=MockChatGenerator(""), mode=mode)
    table = table_of(examples)
    rows = rows_to_judge("llm_tokens", table, None, None)
    questions = judge_batches(examples, table, rows, CANDIDATES if mode == "listwise" else 1, "0")
    texts = [
        "\n".join(message.content for message in request.messages)
        for request in judge._asking.requests(examples, table, questions)
    ]
    tokens = sum(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])
    return Cost(tokens / len(rows), len(questions) / len(rows), len(rows))


def tydi_corpora(folder: Path) -> str:
    """Return all TyDi sets as one corpus: the recording does not say which language a query is in."""
    return " + ".join(f"beir:{path}" for path in sorted(folder.iterdir()) if (path / "corpus.jsonl").is_file())


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("HARDNEG_SHARED", default)))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    from transformers import AutoTokenizer

    data = arguments.shared / "data"
    tokenizer = AutoTokenizer.from_pretrained(arguments.shared / "models" / "mbert-tokenizer")
    sets = {
        "MS MARCO": (data / "llm-recorded" / "classified_msmarco.jsonl", f"beir:{data / 'msmarco'}"),
        "TyDi": (data / "llm-recorded" / "classified_tydi.jsonl", tydi_corpora(data / "tydi")),
    }
    rows = []
    for name, (recording, corpus) in sets.items():
        examples = mined(recorded_examples(recording), corpus)
        rows.append(f"| {name} | reference system, one at a time | {REFERENCE[name]} | 1 | |")
        for mode in MODES:
            of_mode = cost(examples, mode, tokenizer)
            rows.append(f"| {name} | {mode} | {of_mode.tokens:.1f} | {of_mode.calls:.3f} | {of_mode.verdicts:,} |")
    text = (
        "# Prompt tokens and calls per verdict\n\n"
        "Multilingual BERT's tokenizer over all messages; queries cut to 200 characters, passages to 300, as the"
        f" reference system does; {CANDIDATES} mined BM25 candidates a query.\n\n"
        "| queries | mode | prompt tokens per verdict | calls per verdict | verdicts |\n|---|---|--:|--:|--:|\n"
        + "\n".join(rows)
        + "\n"
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
