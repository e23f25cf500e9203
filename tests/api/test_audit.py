"""An audit in one call and on the command line: of rows, of a run, and of faults planted in files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin import audit
from hardneg_plugin.cli import main
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import DatasetError, EvaluationError, WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.runner import run_recipe

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "audit_planted.py"
RECIPE = """
name: audited
seed: [13]
data: {dataset: "sample?passages=1000"}
systems:
  mined:
    - bm25: {top_k: 20}
    - random: {top_k: 5}
    - known_positives: {}
    - sample: {num_negatives: 4}
  in-batch: []
"""


@pytest.fixture
def planted():
    import sys

    spec = importlib.util.spec_from_file_location("audit_planted", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit_planted"] = module
    spec.loader.exec_module(module)
    return module


def rows_of(planted_rows) -> TrainingRows:
    rows = [TrainingRow(n, row.query, (row.positive,), row.negatives) for n, row in enumerate(planted_rows, start=1)]
    return TrainingRows.of(rows, "planted", "rows")


def test_planted_faults_are_found_and_nothing_else(planted, tmp_path):
    made = planted.plant(1_600, 3)
    found = audit(rows_of(made.rows), test=planted.write_test(tmp_path / "test", made.test))
    report = found.report
    assert {name: set(report.finding(name).rows) for name in made.faults} == made.faults
    faults = {finding.name for finding in report.findings if finding.count and finding.severity != "note"}
    assert faults == {*made.faults, "in_batch_conflicts"}
    # Rows that share a text by what was planted, and the rows they share it with.
    conflicting = set(report.finding("in_batch_conflicts").rows)
    assert made.faults["duplicate_rows"] | made.faults["positive_elsewhere"] <= conflicting
    assert len(conflicting) == 4 * planted.PER_FAULT
    assert sorted(row for batch in found.plan.batches for row in batch) == list(range(1, 1_601))
    assert found.plan.conflicting == 0
    partner = {row: row - 800 for row in made.faults["duplicate_rows"]}
    assert not any(partner.get(row) in batch for batch in found.plan.batches for row in batch)


FORMATS = ("triplet", "n-tuple", "labeled-list", "flagembedding", "tevatron")


@pytest.mark.integration
@pytest.mark.parametrize("name", FORMATS)
def test_planted_faults_are_found_in_files_of_other_libraries(planted, tmp_path, name):
    assert tuple(planted.FORMATS) == FORMATS
    made = planted.plant(10_000, planted.FORMATS[name][0])
    path = planted.write_rows(tmp_path / "rows.jsonl", made.rows, name)
    report = audit(str(path), test=planted.write_test(tmp_path / "test", made.test)).report
    assert (report.format, report.counts["rows"]) == (name, 10_000)
    assert {check: set(report.finding(check).rows) for check in made.faults} == made.faults
    faults = {finding.name for finding in report.findings if finding.count and finding.severity != "note"}
    assert faults == {*made.faults, "in_batch_conflicts"}


def test_a_whole_file_whose_columns_are_swapped(planted):
    made = planted.plant(800, 1).rows
    swapped = [planted.Row(row.positive, row.query, row.negatives) for row in made]
    assert audit(rows_of(swapped)).report.finding("swapped_columns").count == 1


def test_the_same_call_gives_the_same_report(planted):
    rows = rows_of(planted.plant(800, 2).rows)
    assert audit(rows, seed=5).report.to_json() == audit(rows, seed=5).report.to_json()


def test_judgements_of_other_queries_are_refused():
    rows = TrainingRows.of([TrainingRow(1, "q", ("p",), ("n",))], "planted", "rows")
    with pytest.raises(EvaluationError, match="the judgements know no query of these rows"):
        audit(rows, qrels="sample?passages=1000", split="train-full")


def test_rows_that_cannot_be_read_are_reported_or_stop_the_audit(planted, tmp_path):
    path = planted.write_rows(tmp_path / "rows.jsonl", planted.plant(800, 1).rows[:30], "triplet")
    path.write_text(path.read_text("utf-8") + '{"anchor": "q", "positive": 7, "negative": "n"}\n', "utf-8")
    finding = audit(str(path)).report.finding("unreadable_rows")
    assert (finding.count, finding.of) == (1, 31)
    assert f"{path}:31" in finding.details[0]
    with pytest.raises(DatasetError, match=f"{path}:31"):
        audit(str(path), on_bad_row="error")


def test_a_dataset_of_sentence_transformers(planted):
    from datasets import Dataset

    rows = planted.plant(800, 1).rows[:40]
    table = Dataset.from_dict(
        {
            "anchor": [row.query for row in rows],
            "positive": [row.positive for row in rows],
            "negative": [row.positive if n == 8 else row.negatives[0] for n, row in enumerate(rows, start=1)],
        }
    )
    assert audit(table).report.finding("positive_as_negative").rows == (8,)


def test_a_person_s_labels_from_a_file(tmp_path):
    made = [
        TrainingRow(n, f"who is {n}", ("p",), (f"n{n}",), query_id=f"q{n}", negative_ids=(f"d{n}",))
        for n in range(1, 21)
    ]
    path = tmp_path / "labels.csv"
    lines = [f"q{n},d{n},{'relevant' if n <= 5 else 'irrelevant'}" for n in range(1, 11)]
    path.write_text("\n".join(["query_id,passage_id,label", *lines]) + "\n", "utf-8")
    (rate,) = audit(TrainingRows.of(made, "made", "rows"), labels=str(path)).report.rates
    assert (rate.figure, rate.rate, rate.samples, rate.of, rate.method) == ("false_negative_rate", 0.5, 10, 20, "gold")


@pytest.fixture
def run(tmp_path):
    recipe = tmp_path / "audited.yaml"
    recipe.write_text(RECIPE, "utf-8")
    run_recipe(load_recipe(str(recipe)), tmp_path / "runs")
    return str(tmp_path / "runs" / "audited")


@pytest.mark.integration
def test_a_run_tells_rates_by_source_and_rank(run):
    report = audit(run, qrels="sample?passages=1000", split="train-full").report
    rates = {rate.figure: rate for rate in report.rates}
    assert report.format == "run"
    # The sample hides one to three positives of each query, which BM25 finds and chance does not.
    bm25, drawn = rates["false_negative_rate[source=bm25]"], rates["false_negative_rate[source=random]"]
    assert bm25.low > drawn.high
    assert rates["false_negative_rate"].of == report.counts["negatives"]
    assert rates["answer_rate[source=bm25]"].rate > rates["answer_rate[source=random]"].rate
    assert report.figures["false_negative_rate[source=bm25].high"] == bm25.high


@pytest.mark.integration
def test_the_command_writes_reports_and_fails_by_its_gates(run, tmp_path):
    files = [str(tmp_path / f"audit.{kind}") for kind in ("html", "md", "json")]
    arguments = ["audit", run, "--qrels", "sample?passages=1000", "--split", "train-full", "--batch-size", "16"]
    outputs = [part for file in files for part in ("-o", file)]
    gates = ["--fail-if", "false_negative_rate > 0.01", "--fail-if", "query_as_negative.count > 0"]
    plan = tmp_path / "plan.jsonl"
    result = CliRunner().invoke(main, [*arguments, *outputs, *gates, "--batch-plan", str(plan)])
    assert result.exit_code == 3, result.output
    assert result.output.count("FAILED: ") == 1
    assert "FAILED: false_negative_rate is 0." in result.output
    figures = json.loads(Path(files[2]).read_text("utf-8"))["figures"]
    assert figures["false_negative_rate"] > 0.01
    batches = [json.loads(line) for line in plan.read_text("utf-8").splitlines()]
    assert max(map(len, batches)) == 16
    assert sum(map(len, batches)) == figures["rows"]
    assert Path(files[0]).read_text("utf-8").startswith("<!DOCTYPE html>")
    passing = CliRunner().invoke(main, [*arguments, "--fail-if", "query_as_negative.count > 0"])
    assert passing.exit_code == 0


@pytest.mark.integration
def test_an_unknown_figure_is_an_error_and_no_pass(run):
    result = CliRunner().invoke(main, ["audit", run, "--fail-if", "false_negative_rate > 0.01"])
    assert result.exit_code == 1
    assert "no figure 'false_negative_rate'" in result.output
    assert "it needs qrels or labels" in result.output


@pytest.mark.integration
def test_why_one_was_chosen(run):
    from hardneg_plugin.run.finished.audit import audited_run, find_example

    query = audited_run(run)[0].table.column("query_id")[0].as_py()
    result = CliRunner().invoke(main, ["audit", run, "--explain", query])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{query}: ")
    example = find_example(run, query)
    assert len([line for line in lines if "  kept  " in line]) == len(example.candidates.kept()) == 4
    assert any("not sampled" in line for line in lines)
    assert any("bm25 rank 1 " in line for line in lines)


@pytest.mark.integration
def test_a_system_that_does_not_mine_has_nothing_to_audit(run):
    with pytest.raises(
        WorkspaceError, match=r"--system must be one of the systems that mine \(mined\), got 'in-batch'"
    ):
        audit(run, system="in-batch")
