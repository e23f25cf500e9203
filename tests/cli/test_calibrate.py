"""`hardneg calibrate` from a file of examples: the sample, a half labelled one, the report, the page."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from haystack import Document

from hardneg_plugin.cli import main
from hardneg_plugin.datasets.labels import read_labels, write_labels
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table, write_parquet
from hardneg_plugin.records.dictionary_column import DictionaryColumn


@pytest.fixture
def mined(make_corpus, tmp_path):
    """Forty queries with ten passages of another topic, but for the first two, which answer; the judge errs in some."""
    texts = [
        f"the answer to question {query} is number {position}" if position < 2 else f"stone {position} of heap {query}"
        for query in range(40)
        for position in range(10)
    ]
    corpus = make_corpus(texts)
    bare = [
        MiningExample(f"q{n}", f"question {n}", (Document(id=f"a{n}", content=f"the answer to question {n} is it"),))
        for n in range(40)
    ]
    rows = np.random.default_rng(0).permuted(np.arange(400).reshape(40, 10), axis=1)
    table = merge_source(table_of(bare), "bm25", corpus, rows, np.zeros(rows.shape, dtype=np.float32))
    # Of each query's two answers the judge finds the first, and it calls one stone an answer.
    labels = ["false_negative" if row % 10 in (0, 2) else "hard_negative" for row in rows.ravel()]
    examples = with_table(bare, replace(table, label=DictionaryColumn.of(labels)))
    path = tmp_path / "examples.parquet"
    write_parquet(path, examples)
    return path


def calibrate(*arguments):
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def label(path, most):
    """Label the first rows as they are: passages 0 and 1 of each ten answer."""
    rows = read_labels(path)
    for position, row in enumerate(rows[:most]):
        rows[position] = replace(row, label="relevant" if int(row.passage_id[1:]) % 10 < 2 else "irrelevant")
    write_labels(path, rows)


def test_a_sample_is_written_once(mined, tmp_path):
    labels = tmp_path / "labels.csv"
    made = calibrate(mined, labels, "--size", 50)
    assert made.exit_code == 0, made.output
    assert f"{labels}: 50 pairs of 2 strata to label" in made.output
    assert sum(row.weight for row in read_labels(labels)) == pytest.approx(400)
    before = labels.read_bytes()
    report = calibrate(mined, labels)
    assert "0 of 50 labelled, 0 unsure" in report.output
    assert "Nothing to report" in report.output
    assert labels.read_bytes() == before


def test_the_report_on_all_labels(mined, tmp_path):
    labels = tmp_path / "labels.csv"
    calibrate(mined, labels, "--size", 400)
    label(labels, 400)
    report = calibrate(mined, labels)
    assert report.exit_code == 0, report.output
    assert "400 of 400 labelled" in report.output
    assert "Rate of false negatives among all candidates: 20.0% (95 % interval 16.4% to 24.2%, 400 labels)" in (
        report.output
    )
    # 320 of 400 agree; chance is .2 * .2 + .8 * .8 = .68: (.8 - .68) / .32.
    assert "Judge and person agree on 80.0% of 400 pairs, kappa 0.37:" in report.output
    assert "found of the false negatives: 50.0%" in report.output
    assert "passed of the true negatives: 87.5%" in report.output
    assert "false negatives among what it passes: 12.5%" in report.output
    assert re.search(r"0\.00 - 0\.02 +\d+ +\d\.\d% +0\.0%", report.output)
    assert re.search(r" 5%  keeps 3[0-9][0-9] of 400 candidates .* at most [0-5]\.\d%; loses \d% of the", report.output)
    assert re.search(r" 1%  not to be shown with 400 labels: it takes at least 299 kept ones", report.output)


def test_the_report_on_few_labels_says_what_it_cannot_say(mined, tmp_path):
    labels = tmp_path / "labels.csv"
    calibrate(mined, labels, "--size", 100)
    label(labels, 20)
    report = calibrate(mined, labels)
    assert report.exit_code == 0, report.output
    assert "20 of 100 labelled" in report.output
    assert "No model of P(false negative): 20 labelled candidates" in report.output


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.txt", "", "ends in .csv"),
        ("labels.csv", "query_id,passage_id,label\nq,p,perhaps\n", "labels.csv:2: label must be one of"),
    ],
)
def test_mistakes_are_one_line(mined, tmp_path, name, text, message):
    (tmp_path / name).write_text(text, "utf-8")
    report = calibrate(mined, tmp_path / name)
    assert report.exit_code != 0
    assert message in report.output


def test_a_folder_that_is_no_run(tmp_path):
    report = calibrate(tmp_path, tmp_path / "labels.csv")
    assert "neither a run folder (no recipe.yaml in it) nor a file of examples" in report.output


# A program that is started in the background inherits that Ctrl-C is ignored.
SERVED = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("hardneg_plugin", run_name="__main__")
"""


@pytest.mark.integration
def test_the_page_is_served_until_it_is_stopped(mined, tmp_path):
    labels = tmp_path / "labels.csv"
    command = [sys.executable, "-u", "-c", SERVED, "calibrate", str(mined), str(labels), "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        try:
            assert "to label" in process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline()).group()
            with urllib.request.urlopen(address, timeout=30) as reply:
                assert "0 of 200 labelled" in reply.read().decode()
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "Stopped" in said
    assert process.returncode == 0
