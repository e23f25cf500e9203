"""Labels are bound to the run and the system whose candidates they say something of."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from haystack import Document

from hardneg_plugin.cli import main
from hardneg_plugin.datasets.labels import read_labels
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table, write_parquet


def calibrate(*arguments):
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


@pytest.fixture
def examples(make_corpus):
    corpus = make_corpus([f"passage number {number}" for number in range(40)])
    bare = [MiningExample(f"q{n}", f"question {n}", (Document(id=f"a{n}", content="yes"),)) for n in range(4)]
    rows = np.arange(40).reshape(4, 10)
    return with_table(bare, merge_source(table_of(bare), "bm25", corpus, rows, np.zeros((4, 10), np.float32)))


@pytest.fixture
def run(tmp_path, examples):
    """Return a function: name of a recipe and fingerprint of its stages → a run folder of two systems."""

    def build(name, stage):
        folder = tmp_path / f"runs-{name}-{stage}"
        for miner in ("bm25", "random"):
            position = folder / "stages" / f"{miner}-{stage}"
            position.mkdir(parents=True)
            write_parquet(position / "part-00000.parquet", examples)
            (position / "DONE").write_text("")
        systems = "systems:\n  lexical: [{bm25: {top_k: 10}}]\n  drawn: [{random: {top_k: 10}}]\n"
        (folder / "recipe.yaml").write_text(f"name: {name}\ndata: {{dataset: sample}}\n{systems}")
        return folder

    return build


def test_labels_of_a_run_go_with_it_and_its_system(run, tmp_path):
    labels, first = tmp_path / "labels.csv", run("first", "abc")
    assert calibrate(first, labels, "--size", 10).exit_code == 0
    assert {row.drawn_from for row in read_labels(labels)} == {"first/lexical/bm25-abc"}
    assert calibrate(first, labels).exit_code == 0
    moved = first.rename(tmp_path / "moved elsewhere")
    assert calibrate(moved, labels).exit_code == 0
    assert calibrate(moved, labels, "--stage", "bm25").exit_code == 0


@pytest.mark.parametrize("serve", [(), ("--serve",)])
def test_labels_of_another_run_system_or_stage_are_refused(run, tmp_path, serve):
    labels, first = tmp_path / "labels.csv", run("first", "abc")
    assert calibrate(first, labels, "--size", 10).exit_code == 0
    before = labels.read_bytes()
    for other in (
        (run("second", "abc"),),
        (run("first", "def"),),
        (first, "--system", "drawn"),
        (first, "--stage", "random"),
    ):
        result = calibrate(other[0], labels, *other[1:], *serve)
        assert result.exit_code == 1
        assert "its labels were drawn from first/lexical/bm25-abc, and the candidates are those of" in result.output
        assert isinstance(result.exception, SystemExit)
    assert labels.read_bytes() == before


def test_labels_of_another_file_are_refused_and_a_copy_is_taken(examples, tmp_path):
    labels = tmp_path / "labels.csv"
    for name, part in (("one", examples), ("copy", examples), ("other", examples[:2])):
        write_parquet(tmp_path / f"{name}.parquet", part)
    assert calibrate(tmp_path / "one.parquet", labels, "--size", 10).exit_code == 0
    assert calibrate(tmp_path / "copy.parquet", labels).exit_code == 0
    assert "were drawn from examples/" in calibrate(tmp_path / "other.parquet", labels).output


def test_labels_from_elsewhere_that_do_not_say_are_taken(run, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("query_id;passage_id;label\nq0;p1;relevant\nq0;p2;irrelevant\n")
    result = calibrate(run("first", "abc"), labels)
    assert result.exit_code == 0, result.output
    assert "2 of 2 labelled" in result.output
