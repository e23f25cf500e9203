import numpy as np
import pytest
import pytrec_eval

from hardneg_plugin.datasets.rows import Qrel
from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation import runs
from hardneg_plugin.evaluation.metrics import score
from hardneg_plugin.evaluation.runs import hits_to_run, qrels_of, ranking
from hardneg_plugin.evaluation.trec import read_trec_qrels, read_trec_run, write_trec_qrels, write_trec_run
from hardneg_plugin.search.hits import Hits

HITS = Hits(
    np.array([[2, 0, 1], [1, -1, -1], [-1, -1, -1]]),
    np.array([[3, 2, 2], [0.5, np.nan, np.nan], [np.nan] * 3], dtype=np.float32),
)
RUN = {"q1": {"p2": 3.0, "p0": 2.0, "p1": 2.0}, "q2": {"p1": 0.5}, "q3": {}}


def ids(rows):
    return [f"p{row}" for row in rows]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_hits_become_a_run_in_their_order_without_padding(block, monkeypatch):
    monkeypatch.setattr(runs, "_ID_BLOCK", block)
    run = hits_to_run(HITS, ["q1", "q2", "q3"], ids)
    assert run == RUN
    assert [list(results) for results in run.values()] == [["p2", "p0", "p1"], ["p1"], []]


def test_hits_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match="hits of 2 queries, got 3"):
        hits_to_run(HITS, ["q1", "q2"], ids)
    with pytest.raises(EvaluationError, match="'q1' occurs twice, or one of its 3 hits"):
        hits_to_run(HITS, ["q1", "q2", "q3"], lambda rows: ["same"] * len(rows))
    with pytest.raises(EvaluationError, match="'q1' occurs twice"):
        hits_to_run(HITS, ["q1", "q1", "q3"], ids)


def test_ranking_keeps_the_order_of_ties():
    assert ranking({"b": 1.0, "a": 1.0, "c": 2.0}, "q") == ["c", "b", "a"]


def test_judgements_are_collected_and_contradictions_refused():
    rows = [Qrel("q1", "a", 1), Qrel("q2", "b", 0), Qrel("q1", "c", 2), Qrel("q1", "a", 1)]
    assert qrels_of(rows) == {"q1": {"a": 1, "c": 2}, "q2": {"b": 0}}
    with pytest.raises(EvaluationError, match="'q1' and passage 'a' have two grades, 1 and 3"):
        qrels_of([*rows, Qrel("q1", "a", 3)])


def test_trec_text_is_exact(tmp_path):
    write_trec_run({"q1": {"p2": 3.0, "p0": -0.5}}, tmp_path / "run.txt", "bm25")
    assert (tmp_path / "run.txt").read_text() == "q1 Q0 p2 1 3.0 bm25\nq1 Q0 p0 2 -0.5 bm25\n"
    write_trec_qrels({"q1": {"p2": 3, "p0": 0}}, tmp_path / "qrels.txt")
    assert (tmp_path / "qrels.txt").read_text() == "q1 0 p2 3\nq1 0 p0 0\n"


def test_runs_without_ties_and_judgements_round_trip(tmp_path):
    run = {"frage-ü": {"p1": 0.1 + 0.2, "p0": float(np.float32(0.1))}, "q2": {"p1": 1e-30}}
    write_trec_run(run, tmp_path / "run.txt", "dense")
    assert read_trec_run(tmp_path / "run.txt") == run
    qrels = {"frage-ü": {"p1": 3, "p0": 0}, "q2": {"p9": 1}}
    write_trec_qrels(qrels, tmp_path / "qrels.txt")
    assert read_trec_qrels(tmp_path / "qrels.txt") == qrels


def test_written_ties_are_parted_so_that_trec_eval_sees_our_order(tmp_path):
    # By itself trec_eval ranks p3, p2, p1: ties by descending id.
    run = {"q": {"p1": 0.5, "p2": 0.5, "p3": 0.5, "p4": 0.25}}
    write_trec_run(run, tmp_path / "run.txt", "dense")
    read = read_trec_run(tmp_path / "run.txt")
    assert list(read["q"]) == ["p1", "p2", "p3", "p4"]
    assert read["q"] == pytest.approx(run["q"], rel=1e-6)
    qrels = {"q": {"p1": 1}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(read)["q"]["recip_rank"]
    assert theirs == score(run, qrels, ["RR"]).means["RR"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 p 1 2.0 tag\nq Q0 p\n", r"run.txt:2: expected 6 fields, got 3"),
        ("q Q0 p 1 high tag\n", r"run.txt:1: expected a number, got 'high'"),
        ("q Q0 p 1 2.0 t\nq Q0 p 2 1.0 t\n", r"run.txt:2: query 'q' and passage 'p' occur a second time"),
    ],
)
def test_broken_lines_are_named(text, message, tmp_path):
    (tmp_path / "run.txt").write_text(text)
    with pytest.raises(EvaluationError, match=message):
        read_trec_run(tmp_path / "run.txt")


def test_broken_grades_and_missing_files_are_named(tmp_path):
    (tmp_path / "qrels.txt").write_text("q 0 p 1.5\n")
    with pytest.raises(EvaluationError, match=r"qrels.txt:1: expected a whole number, got '1.5'"):
        read_trec_qrels(tmp_path / "qrels.txt")
    with pytest.raises(EvaluationError, match=r"none.txt does not exist"):
        read_trec_qrels(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("run", "tag", "message"),
    [
        ({"q 1": {"p": 1.0}}, "t", "'q 1' cannot be one"),
        ({"q": {"": 1.0}}, "t", "'' cannot be one"),
        ({"q": {"p": 1.0}}, "my run", "'my run' cannot be one"),
        ({"q": {"p": float("inf")}}, "t", "score inf of passage 'p' is not a finite float32"),
    ],
)
def test_what_trec_text_cannot_hold_is_refused(run, tag, message, tmp_path):
    with pytest.raises(EvaluationError, match=message):
        write_trec_run(run, tmp_path / "run.txt", tag)
