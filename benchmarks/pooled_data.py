"""Make the folder that the suites `pooled` and `reference` read: links to the shared data, and the recorded judge's.

`python benchmarks/pooled_data.py SHARED FOLDER`

`FOLDER/recorded` is the reference system's own training set as a BEIR folder: 1,000 MS MARCO queries, whose corpus is
their positives and recorded negatives. `FOLDER/verdicts.jsonl` holds what its language model said of each of these
negatives, for `RecordedChatGenerator`: hardness above 50 is a hard negative, as there, and anything else an easy one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

HARD_ABOVE = 0.5


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, help="folder with data/ and models/")
    parser.add_argument("folder", type=Path, help="folder to make")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in ("data", "models"):
        link = given.folder / name
        if not link.exists():
            link.symlink_to((given.shared / name).resolve())
    recorded = given.shared / "data/llm-recorded/classified_msmarco.jsonl"
    queries, pairs = write_recorded(recorded, given.folder)
    print(f"{given.folder}: {queries:,} recorded queries, {pairs:,} verdicts")


def write_recorded(recorded: Path, folder: Path) -> tuple[int, int]:
    """Write the training set and the verdicts; return how many queries and verdicts there are."""
    rows = [json.loads(line) for line in recorded.read_text("utf-8").splitlines()]
    passages: dict[str, str] = {}
    queries: dict[str, str] = {}
    positives: dict[tuple[str, str], None] = {}
    verdicts: dict[tuple[str, str], dict[str, object]] = {}
    for row in rows:
        query, positive, negative = (identifier(row[key]) for key in ("query", "positive", "negative"))
        queries[query] = row["query"]
        passages |= {positive: row["positive"], negative: row["negative"]}
        positives[query, positive] = None
        label = "hard_negative" if row["hardness"] > HARD_ABOVE else "easy_negative"
        verdicts[query, negative] = {"label": label, "hardness": round(100 * row["hardness"])}
    beir = folder / "recorded"
    (beir / "qrels").mkdir(parents=True, exist_ok=True)
    write_lines(beir / "corpus.jsonl", ({"_id": key, "title": "", "text": text} for key, text in passages.items()))
    write_lines(beir / "queries.jsonl", ({"_id": key, "text": text} for key, text in queries.items()))
    judged = "".join(f"{query}\t{passage}\t1\n" for query, passage in positives)
    (beir / "qrels/train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    write_lines(
        folder / "verdicts.jsonl",
        ({"query": query, "passage": passage, **said} for (query, passage), said in verdicts.items()),
    )
    return len(queries), len(verdicts)


def identifier(text: str) -> str:
    """Return an id for a text: the file has none."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
