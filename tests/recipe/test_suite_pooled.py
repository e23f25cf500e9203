"""The suite on real pools, in its small size: what it measures, not how well."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from pooled_data import write_recorded

pytestmark = pytest.mark.integration


@pytest.fixture
def data(shared, tmp_path):
    """The folder that the suites read."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("data", "models"):
        (folder / name).symlink_to(shared / name)
    assert write_recorded(shared / "data/llm-recorded/classified_msmarco.jsonl", folder) == (1000, 1000)
    return folder


def run(name: str, data: Path, *arguments: str) -> tuple[str, list[dict[str, str]]]:
    """Run a suite in its small size; return the page and the rows of its table."""
    folder = data.parent
    options = ["--data", str(data), "--smoke", "--runs", str(folder / "runs"), "--results", str(folder / "results")]
    result = CliRunner().invoke(main, ["benchmark", name, *options, *arguments])
    assert result.exit_code == 0, result.output
    (table,) = (folder / "results").glob("*.csv")
    return table.with_suffix(".md").read_text(), list(csv.DictReader(table.open()))


def test_recorded_verdicts_make_a_line_beside_bm25s(data):
    page, rows = run("pooled", data, "--only", "judged")
    assert {row["system"] for row in rows} == {
        "BM25 retrieval",
        "untrained",
        "in-batch",
        "bm25",
        "judged",
        "recommended",
    }
    assert {row["measured_on"] for row in rows} == {"msmarco/test", "msmarco/dl19"}
    # 200 queries in one batch of 128 and one of 72.
    assert {row["steps"] for row in rows} == {"", "2"}
    assert "| judged |" in page


def test_the_references_figures_are_lines_beside_bm25_retrieval(data):
    page, rows = run("reference", data, "--only", "msmarco")
    found = {row["system"]: float(row["mean"]) for row in rows if row["metric"] == "RR@10"}
    # 300 queries among their 300 gold passages; the reference reports 0.026 for a model that it calls BM25.
    assert found["BM25 retrieval"] > 0.9
    assert found["untrained"] > 0.9
    assert "| reference, BM25 phase | 0.026 |" in page
    assert rows[0]["queries"] == "300"
