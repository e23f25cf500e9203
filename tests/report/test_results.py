import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.report import QueryValues, ReportData, read_results, render_markdown, write_results


def test_results_round_trip(example, tmp_path):
    write_results(example.REPORT, tmp_path, example.PER_QUERY)
    assert read_results(tmp_path / "results.json") == example.REPORT
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == render_markdown(example.REPORT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["per_query.parquet", "report.md", "results.json"]


def test_comparisons_round_trip_and_a_report_from_before_them_is_read(example, tmp_path):
    write_results(example.COMPARISON_REPORT, tmp_path)
    assert read_results(tmp_path / "results.json") == example.COMPARISON_REPORT
    older = json.loads(json.dumps(example.REPORT.to_dict()))
    for split in older["splits"]:
        del split["baseline"], split["comparisons"]
    assert ReportData.from_dict(older) == example.REPORT


def test_results_describe_themselves(example, tmp_path):
    write_results(example.REPORT, tmp_path)
    loaded = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert loaded["splits"][1]["relevance"] == 2
    assert loaded["splits"][1]["results"][0]["by_language"]["ko"] == {"RR(rel=2)@10": 0.75}
    assert loaded["systems"][2]["training"][0]["steps"] == 1500
    assert loaded["versions"] == {"torch": "2.9", "hardneg": "0.1.0"}


def test_per_query_rows_are_sorted_whatever_the_order_of_the_parts(example, tmp_path):
    write_results(example.REPORT, tmp_path, example.PER_QUERY)
    first = (tmp_path / "per_query.parquet").read_bytes()
    table = pq.read_table(tmp_path / "per_query.parquet")
    assert table.column_names == ["system", "seed", "split", "query_id", "language", "metric", "value"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("BM25", None, "test", "q1", "sw", "RR@10", 0.0),
        ("dense", 1, "test", "q1", "sw", "RR@10", 0.125),
        ("dense", 2, "test", "q1", "sw", "RR@10", 1.0),
        ("dense", 2, "test", "q2", "ko", "RR@10", 0.25),
        ("dense", 2, "test", "q1", "sw", "nDCG@10", 0.5),
    ]
    write_results(example.REPORT, tmp_path, reversed(example.PER_QUERY))
    assert (tmp_path / "per_query.parquet").read_bytes() == first


def test_a_report_that_cannot_be_written_leaves_the_old_one(example, tmp_path):
    write_results(example.REPORT, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    bad_split = replace(
        example.TEST, results=(replace(example.TEST.results[0], means={"RR@10": 1, "nDCG@10": float("nan")}),)
    )
    with pytest.raises(EvaluationError, match="'quick_start' cannot be written as JSON"):
        write_results(replace(example.REPORT, splits=(bad_split,)), tmp_path)
    with pytest.raises(EvaluationError, match="system 'BM25', seed None, split 'test' occur twice"):
        write_results(example.REPORT, tmp_path, [example.PER_QUERY[1]] * 2)
    with pytest.raises(EvaluationError, match="no language is given for query 'q9'"):
        write_results(example.REPORT, tmp_path, [QueryValues("s", 1, "test", {}, {"RR@10": {"q9": 1.0}})])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("recipe"), r"results: .* missing keys \['recipe'\]"),
        (lambda data: data.update(recepi=1), r"results: unknown keys \['recepi'\]"),
        (lambda data: data["splits"][0].update(queries="many"), r"results.splits\[0\].queries: expected int, got str"),
        (
            lambda data: data["systems"][2]["training"].append(3),
            r"systems\[2\].training\[1\]: expected Mapping, got int",
        ),
        (lambda data: data["skipped_rows"].update(x=0.5), r"skipped_rows.x: expected int, got float"),
    ],
)
def test_a_broken_file_is_named_with_its_key(example, change, message):
    data = json.loads(json.dumps(example.REPORT.to_dict()))
    change(data)
    with pytest.raises(EvaluationError, match=message):
        ReportData.from_dict(data)


def test_whole_numbers_written_by_people_are_floats(example):
    data = json.loads(json.dumps(example.REPORT.to_dict()))
    data["splits"][0]["results"][0]["means"]["RR@10"] = 1
    assert ReportData.from_dict(data).splits[0].results[0].means["RR@10"] == 1


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"results.json does not exist"):
        read_results(tmp_path / "results.json")
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"results.json is no JSON"):
        read_results(tmp_path / "results.json")
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r"results.json: results: unknown keys \[\], missing keys"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: replace(e.REPORT, systems=e.SYSTEMS[:3]), r"split 'test': systems dense:<potion>\|95% are missing"),
        (lambda e: replace(e.REPORT, systems=e.SYSTEMS * 2), "system names must differ"),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.TEST, metrics=("RR@10", "R@5")),)),
            "split 'test', system 'BM25 retrieval': metrics R@5 are missing",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.GRADED, languages={"sw": 1, "fi": 2}),)),
            "system 'BM25 retrieval': languages fi are missing",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.TEST, results=e.TEST.results[:1] * 2),)),
            "split 'test' has two results for one system",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, baseline=""),)),
            "split 'test' has comparisons, but names no baseline",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, baseline="dense"),)),
            "split 'test', baseline: systems dense are missing",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, baseline="BM25 retrieval"),)),
            "split 'test', comparisons: systems other than the baseline BM25 retrieval, BM25",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, metrics=("RR@10", "nDCG@10")),)),
            "split 'test', comparisons: metrics R@5, R@5, R@5 are missing",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, comparisons=e.COMPARED.comparisons[:5]),)),
            "split 'test', comparisons: expected each system once in each metric",
        ),
        (
            lambda e: replace(e.REPORT, splits=(replace(e.COMPARED, comparisons=e.COMPARED.comparisons[:1] * 2),)),
            r"split 'test', comparisons: expected each system once in each metric, got \[\('BM25 retrieval', 'R@5'\), ",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(example, change, message):
    with pytest.raises(EvaluationError, match=message):
        change(example)
