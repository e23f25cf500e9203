"""``hardneg mine`` with further passages, judgements, columns and bad rows."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main

PAIRS = [
    {"question": "red fish", "context": "the red fish swims", "answer": "x"},
    {"question": "blue bird", "context": "a blue bird sings", "answer": "y"},
]
CORPUS = ["red stone lies", "fish market", "blue sky shines"]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def mine(tmp_path):
    def run(*arguments, code=0):
        output = tmp_path / "out.jsonl"
        result = CliRunner().invoke(main, ["mine", *arguments, "-o", str(output), "--overwrite"])
        assert result.exit_code == code, result.output
        if code:
            assert not isinstance(result.exception, (TypeError, KeyError, AttributeError, ValueError))
            return None, result.output
        return [json.loads(line) for line in output.read_text().splitlines()], result.stderr

    return run


@pytest.fixture
def pairs(tmp_path):
    return lines(tmp_path / "pairs.jsonl", PAIRS)


COLUMNS = ("--anchor-column", "question", "--positive-column", "context")


@pytest.mark.parametrize("kind", ["texts.txt", "texts.jsonl", "beir.jsonl", "texts.csv", "ids.tsv", "texts.parquet"])
def test_further_passages_of_a_file(mine, pairs, tmp_path, kind):
    import pandas as pd

    path = tmp_path / kind
    if kind == "texts.txt":
        path.write_text("\n".join(CORPUS) + "\n\n")
    elif kind == "texts.jsonl":
        lines(path, [{"text": text} for text in CORPUS])
    elif kind == "beir.jsonl":
        lines(path, [{"_id": str(n), "title": "", "text": text} for n, text in enumerate(CORPUS)])
    elif kind == "texts.csv":
        path.write_text("id;text\n" + "".join(f"{n};{text}\n" for n, text in enumerate(CORPUS)))
    elif kind == "ids.tsv":
        path.write_text("".join(f"{n}\t{text}\n" for n, text in enumerate(CORPUS)))
    else:
        pd.DataFrame({"text": CORPUS}).to_parquet(path)
    rows, _ = mine(pairs, *COLUMNS, "--corpus", str(path), "--num-negatives", "1")
    assert [(row["anchor"], row["negative"]) for row in rows] == [
        ("red fish", "fish market"),
        ("blue bird", "blue sky shines"),
    ]


def test_columns_of_the_corpus_are_named(mine, pairs, tmp_path):
    path = lines(tmp_path / "c.jsonl", [{"body": text, "heading": "On"} for text in CORPUS])
    _, said = mine(pairs, *COLUMNS, "--corpus", path, code=1)
    assert "c.jsonl: expected" in said
    assert "columns: body, heading" in said
    rows, _ = mine(pairs, *COLUMNS, "--corpus", f"{path}?text=body&title=heading", "--num-negatives", "1")
    assert rows[0]["negative"] == "On fish market"


def test_a_corpus_that_is_not_there_is_an_error_with_its_name(mine, pairs, tmp_path):
    assert "no such file: " in mine(pairs, *COLUMNS, "--corpus", str(tmp_path / "no.jsonl"), code=1)[1]
    (tmp_path / "c.docx").write_text("x")
    assert "expected a file that ends in" in mine(pairs, *COLUMNS, "--corpus", str(tmp_path / "c.docx"), code=1)[1]


def test_two_columns_for_the_positive_are_an_error(mine, pairs):
    assert "several columns could be the positive: answer, context" in mine(pairs, code=1)[1]


def test_bad_rows_are_counted(mine, tmp_path):
    rows = [{"query": "red fish", "positive": "the red fish"}, {"query": "x"}, {"query": "", "positive": "y"}]
    path = lines(tmp_path / "p.jsonl", [*rows, {"query": "blue fish", "positive": "the blue fish"}])
    _, said = mine(path, code=1)
    assert "p.jsonl:2: expected a text in column 'positive', got None" in said
    for spec in ((path, "--on-bad-row", "skip"), (f"{path}?on_bad_row=skip",)):
        _, said = mine(*spec, "--num-negatives", "1")
        assert "skipped rows of corpus: empty text: 1, no text: 1" in said
        assert '"no text": 1' in said


def test_queries_corpus_and_judgements_of_files(mine, tmp_path):
    queries = tmp_path / "queries.tsv"
    queries.write_text("1\tred fish\n2\tblue bird\n")
    corpus = lines(
        tmp_path / "c.jsonl", [{"id": n, "text": text} for n, text in enumerate([*CORPUS, "the red fish", "one bird"])]
    )
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\n1\t3\t1.0\n2\t4\t2\n")
    rows, _ = mine(str(queries), "--corpus", corpus, "--qrels", str(qrels), "--num-negatives", "1")
    assert [(row["anchor"], row["positive"], row["negative"]) for row in rows] == [
        ("red fish", "the red fish", "fish market"),
        ("blue bird", "one bird", "blue sky shines"),
    ]


def test_nothing_left_is_said_and_is_a_table_without_rows(mine, tmp_path):
    import pyarrow.parquet as pq

    path = lines(tmp_path / "p.jsonl", [{"query": "one", "positive": "two"}])
    rows, said = mine(path)
    assert rows == []
    assert "1 of 1 queries have too few negatives and are left out" in said
    assert "no row is left to train on" in said
    output = tmp_path / "o.parquet"
    result = CliRunner().invoke(main, ["mine", path, "-o", str(output), "--output-format", "n-tuple"])
    assert result.exit_code == 0, result.output
    assert pq.read_table(output).column_names == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]


def test_a_cross_encoder_scores_what_bm25_found(mine, pairs, tmp_path, toy_judge):
    path = lines(tmp_path / "c.jsonl", [{"text": text} for text in CORPUS])
    options = ("--corpus", path, "--cross-encoder", toy_judge, "--num-negatives", "1", "--output-scores")
    rows, _ = mine(pairs, *COLUMNS, *options, "--max-score", "1000", "--batch-size", "2")
    assert all(len(row["scores"]) == 2 for row in rows)
    _, said = mine(pairs, *COLUMNS, *options, "--absolute-margin", "1000")
    assert "absolute_margin 1000 dropped" in said


def test_prompts_without_a_model_are_an_error(mine, pairs):
    assert "BM25 reads no prompt; give a model" in mine(pairs, *COLUMNS, "--query-prompt", "query: ", code=1)[1]


def test_near_duplicates_may_be_kept(mine, tmp_path):
    copy = "the red fish swims in the deep blue sea every day of the year!"
    path = lines(tmp_path / "p.jsonl", [{"query": "red fish", "positive": copy}])
    corpus = lines(tmp_path / "c.jsonl", [{"text": copy.replace("every day", "every single day")}])
    assert mine(path, "--corpus", corpus, "--near-duplicate", "0.5")[0] == []
    rows, _ = mine(path, "--corpus", corpus, "--near-duplicate", "none")
    assert "every single day" in rows[0]["negative"]
