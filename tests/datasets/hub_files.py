"""Small files in the layout of the hub's repositories, and a catalogue that expects their rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hardneg_plugin.datasets.hub import catalogue

# What breaks careless readers of tables: quotes, words that mean nothing elsewhere, ends of lines of other systems.
TRAPS = ['an "unbalanced quote', "NULL", "NA", "one\u2028two\u0085three", "tab-less, with commas", "'"]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def write_tsv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    write(path, "".join("\t".join(row) + "\n" for row in rows))


def write_hub(folder: Path) -> None:
    """Write every repository of the catalogue, six passages and three queries each."""
    _write_msmarco(folder)
    _write_nano(folder)
    _write_tydi(folder)
    _write_mmarco(folder)


def _write_msmarco(folder: Path) -> None:
    passages = [{"passage_id": str(n), "passage": text} for n, text in enumerate(TRAPS)]
    write_parquet(folder / "sentence-transformers/msmarco/corpus/train-00000-of-00002.parquet", passages[:4])
    write_parquet(folder / "sentence-transformers/msmarco/corpus/train-00001-of-00002.parquet", passages[4:])
    queries = [{"_id": str(n), "text": f"query {n}", "metadata": {}} for n in (10, 11, 12)]
    write_jsonl(folder / "BeIR/msmarco/queries.jsonl.gz", queries)
    head = "query-id\tcorpus-id\tscore\n"
    for name, rows in {"train": "10\t0\t1\n", "dev": "11\t1\t1\n", "test": "12\t2\t3\n12\t3\t0\n"}.items():
        write(folder / f"BeIR/msmarco-qrels/{name}.tsv", head + rows)
    ranking = folder / "msmarco.z22.web.core.windows.net/msmarcoranking"
    write_tsv(ranking / "msmarco-test2020-queries.tsv.gz", [["20", "NA"]])
    write(folder / "trec.nist.gov/data/deep/2020qrels-pass.txt", "20 0 4 2\n20 0 5 0\n")
    triplets = [
        {"query": "q1", "positive": "p1", "negative": "n1"},
        {"query": "q1", "positive": "p1", "negative": "n2"},
        {"query": "q2", "positive": "NULL", "negative": "n1"},
    ]
    write_parquet(folder / "sentence-transformers/msmarco-bm25/triplet/train-00000-of-00001.parquet", triplets)


def _write_nano(folder: Path) -> None:
    for repo, split in (("sentence-transformers/NanoBEIR-en", "NanoMSMARCO"), ("hakari-bench/NanoMIRACL", "sw")):
        passages = [{"_id": f"p{n}", "text": text} for n, text in enumerate(TRAPS)]
        write_parquet(folder / repo / f"corpus/{split}-00000-of-00001.parquet", passages)
        write_parquet(folder / repo / f"queries/{split}-00000-of-00001.parquet", [{"_id": "q0", "text": "NA"}])
        judged: list[dict[str, Any]] = [{"query-id": "q0", "corpus-id": "p1"}]
        if split == "sw":
            judged = [{"query-id": "q0", "corpus-id": ["p1", "p2"]}]
        write_parquet(folder / repo / f"qrels/{split}-00000-of-00001.parquet", judged)


def _write_tydi(folder: Path) -> None:
    passages = [{"docid": f"{n}#0", "title": "Kichwa", "text": text} for n, text in enumerate(TRAPS)]
    write_jsonl(folder / "castorini/mr-tydi-corpus/mrtydi-v1.1-swahili/corpus.jsonl.gz", passages)
    for split, number in {"train": 1, "dev": 2, "test": 3}.items():
        row = {
            "query_id": str(number),
            "query": f"swali {number}?",
            "positive_passages": [passages[number]],
            "negative_passages": [passages[0], passages[4]] if split == "train" else [],
        }
        further = {**row, "query_id": "9", "positive_passages": [passages[4]]}
        rows = [row, further] if split == "train" else [row]
        write_jsonl(folder / f"castorini/mr-tydi/mrtydi-v1.1-swahili/{split}.jsonl.gz", rows)
    triplets = [{"anchor": "swali?", "positive": "NA", "negative": negative} for negative in ("n1", "n2")]
    write_parquet(folder / "sentence-transformers/mr-tydi/sw-triplet/train-00000-of-00001.parquet", triplets)
    gold = [
        {"id": f"{name}-1-0", "title": "t", "context": context, "question": f"{name}?", "answers": answers}
        for name, context, answers in (
            ("swahili", "NULL", {"text": ["a", "a", "b"], "answer_start": [0, 1, 2]}),
            ("korean", "한글", {"text": ["c"], "answer_start": [0]}),
        )
    ]
    repo = folder / "google-research-datasets/tydiqa/secondary_task"
    write_parquet(repo / "train-00000-of-00001.parquet", gold)
    write_parquet(repo / "validation-00000-of-00001.parquet", [{**gold[0], "id": "swahili-2-0", "question": "pili?"}])


def _write_mmarco(folder: Path) -> None:
    repo = folder / "unicamp-dl/mmarco/data"
    write_tsv(repo / "google/collections/german_collection.tsv", [[str(n), text] for n, text in enumerate(TRAPS)])
    write_tsv(repo / "google/queries/train/german_queries.train.tsv", [["10", "erste"]])
    write_tsv(repo / "google/queries/dev/german_queries.dev.small.tsv", [["11", "NA"]])
    write(repo / "qrels.dev.small.tsv", "11\t0\t1\t1\n")
    small = folder / "lopozz/MMarcoRetrievalMultilingual"
    passages = [{"_id": n, "title": "", "text": text} for n, text in enumerate(TRAPS)]
    write_parquet(small / "de-corpus/dev-00000-of-00001.parquet", passages)
    write_parquet(small / "de-queries/dev-00000-of-00001.parquet", [{"_id": 11, "text": "frage"}])
    judged = [{"query-id": 11, "corpus-id": 1, "score": 1}]
    write_parquet(small / "de-qrels/dev-00000-of-00001.parquet", judged)


ROWS = {
    "corpus/*.parquet": 6, "queries.jsonl.gz": 3, "dev.tsv": 1, "test.tsv": 2, "triplet/*.parquet": 3,
    "corpus/NanoMSMARCO*.parquet": 6, "queries/NanoMSMARCO*.parquet": 1, "qrels/NanoMSMARCO*.parquet": 1,
    "corpus/{lang}*.parquet": 6, "queries/{lang}*.parquet": 1, "mrtydi-v1.1-{name}/corpus.jsonl.gz": 6,
    "mrtydi-v1.1-{name}/train.jsonl.gz": 2, "mrtydi-v1.1-{name}/dev.jsonl.gz": 1, "mrtydi-v1.1-{name}/test.jsonl.gz": 1,
    "secondary_task/*.parquet": 3, "secondary_task/train*.parquet": 2, "secondary_task/validation*.parquet": 1,
    "data/google/collections/{name}_collection.tsv": 6, "data/google/queries/train/{name}_queries.train.tsv": 1,
    "data/google/queries/dev/{name}_queries.dev.small.tsv": 1, "data/qrels.dev.small.tsv": 1,
    "{lang}-corpus/*.parquet": 6, "{lang}-queries/*.parquet": 1, "{lang}-qrels/*.parquet": 1,
    "https://msmarco.z22.web.core.windows.net/msmarcoranking/msmarco-test2020-queries.tsv.gz": 1,
    "https://trec.nist.gov/data/deep/2020qrels-pass.txt": 2,
}  # fmt: skip


def small_catalogue(path: Path) -> Path:
    """Write the catalogue with the rows of the small files; everything else stays as it is."""
    known = yaml.safe_load(catalogue.CATALOGUE.read_text("utf-8"))
    for entry in known.values():
        for parts in (entry["corpus"], entry["queries"], *entry["qrels"].values()):
            for part in parts:
                if part["rows"] is not None:
                    part["rows"] = ROWS[part.get("url") or part["files"]]
    path.write_text(yaml.safe_dump(known, allow_unicode=True, sort_keys=False), "utf-8")
    return path
