"""Compare ways to cut texts into BM25 terms: bm25s' default tokenizer, white space, and hardneg's analyzer.

Usage: ``python benchmarks/analyzers.py --data PATH`` where PATH holds folders in BEIR layout. Prints a Markdown table
of RR@10 and the share of queries with a positive in the first 100 (``hit@100``), and of passages tokenized per
second of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import bm25s

from hardneg_plugin.text import Analyzer

SETS = (
    *(f"tydi/{language}" for language in ("ar", "bn", "en", "fi", "ko", "ru", "sw")),
    *(f"xquad-r/{language}" for language in ("ar", "de", "en", "es", "hi", "zh")),
    "mmarco/en",
    "mmarco/ko",
    "msmarco",
    "vaswani",
)
DEPTH = 100
CUTOFF = 10

Tokenize = Callable[[list[str], list[str]], list[list[str]]]


@dataclass(frozen=True)
class Texts:
    """Ids, texts and language labels of a corpus or of queries, row by row."""

    ids: list[str]
    texts: list[str]
    languages: list[str]


@dataclass(frozen=True)
class Line:
    """What one tokenizer reached on one set."""

    rr: float
    hit: float
    passages_per_second: float


def read_texts(path: Path, keep: set[str] | None = None) -> Texts:
    """Read a ``corpus.jsonl`` or ``queries.jsonl``, or the rows of it whose ids are to be kept."""
    with path.open(encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if keep is None or row["_id"] in keep]
    languages = [row.get("metadata", {}).get("language", "") for row in rows]
    return Texts([row["_id"] for row in rows], [row["text"] for row in rows], languages)


def read_qrels(path: Path) -> dict[str, set[str]]:
    """Read the relevant passages (grade above 0) of each query."""
    relevant: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, passage_id, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query_id, set()).add(passage_id)
    return relevant


def bm25s_default(texts: list[str], _languages: list[str]) -> list[list[str]]:
    """Tokenize as ``bm25s.tokenize`` does by itself."""
    tokens: list[list[str]] = bm25s.tokenize(texts, return_ids=False, show_progress=False)
    return tokens


def white_space(texts: list[str], _languages: list[str]) -> list[list[str]]:
    """Split lower-cased text at white space."""
    return [text.lower().split() for text in texts]


def hardneg(texts: list[str], languages: list[str]) -> list[list[str]]:
    """Tokenize with a fresh analyzer, so that its memory of words is paid for here."""
    return Analyzer().tokenize(texts, languages)


TOKENIZERS: dict[str, Tokenize] = {"bm25s default": bm25s_default, "white space": white_space, "hardneg": hardneg}


def first_relevant_ranks(corpus: Texts, queries: Texts, rankings: list[list[int]], qrels: Path) -> list[int | None]:
    """Rank (from 1) of each query's first relevant passage; ``None`` where it is not among the ranked."""
    relevant = read_qrels(qrels)
    return [
        next((rank for rank, row in enumerate(rows, 1) if corpus.ids[row] in relevant[query_id]), None)
        for query_id, rows in zip(queries.ids, rankings, strict=True)
    ]


def measure(folder: Path, split: str, tokenize: Tokenize, k1: float, b: float) -> Line:
    """Index a folder's corpus, search it with the queries of one split and score the rankings."""
    qrels = folder / "qrels" / f"{split}.tsv"
    corpus = read_texts(folder / "corpus.jsonl")
    queries = read_texts(folder / "queries.jsonl", keep=set(read_qrels(qrels)))
    started = time.process_time()
    passages = tokenize(corpus.texts, corpus.languages)
    seconds = time.process_time() - started
    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    index.index(passages, show_progress=False)
    asked = tokenize(queries.texts, queries.languages)
    found, scores = index.retrieve(asked, k=min(DEPTH, len(passages)), show_progress=False)
    # A passage without a common term scores 0 and is not found, though bm25s fills up the list with such.
    rankings = [
        [int(row) for row, score in zip(rows, values, strict=True) if score > 0]
        for rows, values in zip(found, scores, strict=True)
    ]
    ranks = first_relevant_ranks(corpus, queries, rankings, qrels)
    return Line(
        rr=fmean(1 / rank if rank and rank <= CUTOFF else 0.0 for rank in ranks),
        hit=fmean(rank is not None for rank in ranks),
        passages_per_second=len(passages) / seconds,
    )


def print_table(data: Path, split: str, k1: float, b: float) -> None:
    """Print one row per set that is there, and say which are not."""
    print(f"BM25 (bm25s, lucene, k1={k1}, b={b}), RR@10 / hit@100 on `{split}`, then passages per second.\n")
    print("| set |", " | ".join(f"{name} | {name}, passages/s" for name in TOKENIZERS), "|")
    print("|---|" + "---|---:|" * len(TOKENIZERS))
    for name in SETS:
        folder = data / name
        if not (folder / "qrels" / f"{split}.tsv").is_file():
            print(f"| {name} | skipped: no {split} split in {folder} |" + " |" * (2 * len(TOKENIZERS) - 1))
            continue
        lines = [measure(folder, split, tokenize, k1, b) for tokenize in TOKENIZERS.values()]
        cells = [f"{line.rr:.3f} / {line.hit:.3f} | {line.passages_per_second:,.0f}" for line in lines]
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def default_data() -> Path:
    """Folder of the data: ``data`` in ``$HARDNEG_SHARED``, or in ``shared`` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("HARDNEG_SHARED", beside)) / "data"


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder with the sets (default: %(default)s)")
    parser.add_argument("--split", default="test", help="split of the judgements (default: %(default)s)")
    parser.add_argument("--k1", type=float, default=1.2, help="BM25's k1 (default: %(default)s)")
    parser.add_argument("--b", type=float, default=0.75, help="BM25's b (default: %(default)s)")
    options = parser.parse_args()
    print_table(options.data, options.split, options.k1, options.b)


if __name__ == "__main__":
    main()
