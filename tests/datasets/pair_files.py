"""Writing and reading files of pairs."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq

from hardneg_plugin.datasets import load_dataset


def write(path, rows):
    """Write rows in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def texts(dataset):
    return list(dataset.corpus.iter_texts())


def pairs(dataset, split="train"):
    """Return the judged pairs as texts."""
    queries = {query.id: query.text for query in dataset.queries(split)}
    return [
        (queries[query], dataset.corpus.text(int(dataset.corpus.rows_of([passage])[0])))
        for query, grades in dataset.qrels(split).items()
        for passage in grades
    ]


def load(path, options=""):
    kind = {"tsv": "csv"}.get(path.suffix[1:], path.suffix[1:])
    return load_dataset(f"{kind}:{path}{options}")
