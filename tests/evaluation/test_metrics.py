import random

import pytest
import pytrec_eval

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.metrics import METRICS, by_language, parse_metrics, score

QRELS = {"q1": {"a": 1}, "q2": {"b": 2, "c": 1}, "q3": {"d": 1}}
RUN = {
    "q1": {"x": 0.9, "y": 0.8, "a": 0.7},
    "q2": {"c": 5.0, "x": 4.0, "b": 3.0},
}


def test_fractions_worked_by_hand():
    scores = score(RUN, QRELS, ("RR@10", "R@1", "R@5", "RR@2"))
    assert scores.per_query["RR@10"] == pytest.approx({"q1": 1 / 3, "q2": 1, "q3": 0})
    assert scores.per_query["R@1"] == pytest.approx({"q1": 0, "q2": 1 / 2, "q3": 0})
    assert scores.per_query["R@5"] == pytest.approx({"q1": 1, "q2": 1, "q3": 0})
    assert scores.means == pytest.approx({"RR@10": 4 / 9, "R@1": 1 / 6, "R@5": 2 / 3, "RR@2": 1 / 3})


def test_ndcg_worked_by_hand():
    # Gain 1 at rank 1 and 2 at rank 3 (discount log2(4) = 2); ideal: 2 at rank 1 and 1 at rank 2 (log2(3)).
    found = score(RUN, {"q2": QRELS["q2"]}, ["nDCG@10"]).means["nDCG@10"]
    assert found == pytest.approx((1 + 2 / 2) / (2 + 1 / 1.5849625007))


def test_queries_without_results_or_judgements_are_counted():
    scores = score({**RUN, "q3": {}, "stranger": {"a": 1.0}}, QRELS, ["RR@10"])
    assert (scores.queries, scores.unanswered, scores.unjudged, scores.without_relevant) == (3, 1, 1, 0)
    assert "stranger" not in scores.per_query["RR@10"]


def test_graded_threshold_names_itself_and_leaves_ndcg_alone():
    scores = score(RUN, QRELS, ("RR@10", "nDCG@10", "R@5"), relevance=2)
    assert scores.metrics == ("RR(rel=2)@10", "nDCG@10", "R(rel=2)@5")
    assert scores.per_query["RR(rel=2)@10"] == pytest.approx({"q1": 0, "q2": 1 / 3, "q3": 0})
    assert scores.per_query["nDCG@10"] == pytest.approx(score(RUN, QRELS, ["nDCG@10"]).per_query["nDCG@10"])
    assert (scores.relevance, scores.without_relevant) == (2, 2)


@pytest.mark.parametrize(("first", "expected"), [("relevant", 1), ("other", 1 / 2)])
def test_equal_scores_keep_our_order_in_every_metric(first, expected):
    second = {"relevant": "other", "other": "relevant"}[first]
    scores = score({"q": {first: 0.5, second: 0.5}}, {"q": {"relevant": 1}}, ("RR@10", "RR", "R@1"))
    assert scores.means == pytest.approx({"RR@10": expected, "RR": expected, "R@1": float(first == "relevant")})


def test_a_run_that_is_not_in_order_is_sorted_by_score():
    assert score({"q": {"a": 1.0, "b": 2.0}}, {"q": {"b": 1}}, ["R@1"]).means == {"R@1": 1.0}


def random_run(generator):
    """A run with many ties and unanswered queries, already in the order that trec_eval gives ties."""
    queries = [f"q{i}" for i in range(12)]
    passages = [f"p{i}" for i in range(150)]
    qrels = {query: {p: generator.randint(0, 3) for p in generator.sample(passages, 20)} for query in queries}
    run = {}
    for query in generator.sample(queries, 10):
        results = {p: float(generator.randint(0, 8)) for p in generator.sample(passages, 120)}
        run[query] = dict(sorted(results.items(), key=lambda item: (item[1], item[0]), reverse=True))
    return run, qrels


@pytest.mark.parametrize("relevance", [1, 2])
@pytest.mark.parametrize("seed", range(50))
def test_agrees_with_pytrec_eval_on_random_runs(seed, relevance):
    run, qrels = random_run(random.Random(seed))
    names = {"recip_rank": "RR", "recall_5": "R@5", "recall_100": "R@100", "ndcg_cut_10": "nDCG@10", "map": "AP"}
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(names), relevance_level=relevance).evaluate(run)
    measures = parse_metrics(list(names.values()), relevance)
    found = score(run, qrels, list(names.values()), relevance)
    for name, measure in zip(names, measures, strict=True):
        wanted = {query: expected.get(query, {}).get(name, 0.0) for query in qrels}
        assert found.per_query[str(measure)] == pytest.approx(wanted, abs=1e-6)
    top = {query: dict(list(results.items())[:10]) for query, results in run.items()}
    cut = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}, relevance_level=relevance).evaluate(top)
    wanted = {query: cut.get(query, {}).get("recip_rank", 0.0) for query in qrels}
    (reciprocal,) = score(run, qrels, ["RR@10"], relevance).per_query.values()
    assert reciprocal == pytest.approx(wanted, abs=1e-6)


def test_languages_are_averaged_apart():
    languages = {"q1": "sw", "q2": "ko", "q3": "ko", "unused": "en"}
    found = by_language(score(RUN, QRELS, ["RR@10"]), languages)
    assert list(found) == ["ko", "sw"]
    assert (found["ko"].queries, found["ko"].means["RR@10"]) == (2, pytest.approx(1 / 2))
    assert (found["sw"].queries, found["sw"].means["RR@10"]) == (1, pytest.approx(1 / 3))


def test_a_judged_query_without_a_language_is_an_error():
    with pytest.raises(EvaluationError, match="2 judged queries, the first is 'q2'"):
        by_language(score(RUN, QRELS, ["RR@10"]), {"q1": "sw"})


def test_default_metrics_keep_their_names_and_aliases_are_resolved():
    assert [str(measure) for measure in parse_metrics(METRICS)] == list(METRICS)
    assert [str(measure) for measure in parse_metrics(["MRR@10", "RR@10"])] == ["RR@10"]


def test_a_metric_that_sets_its_own_threshold_keeps_it():
    assert [str(measure) for measure in parse_metrics(["RR(rel=3)@10"], 2)] == ["RR(rel=3)@10"]


def test_all_bad_names_are_reported_at_once():
    with pytest.raises(EvaluationError) as caught:
        parse_metrics(["RR@10", "nDGC@10", "R", "nDCG@0", "NumRet", "RR(depth=3)@1", "alpha_nDCG@10"])
    message = str(caught.value)
    for bad in ("nDGC@10", "R", "nDCG@0", "NumRet", "RR(depth=3)@1", "alpha_nDCG@10"):
        assert f"'{bad}' (" in message
    assert "'RR@10'" not in message
    assert message.count("needs a cutoff of at least 1") == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: parse_metrics([]), "no metrics were named"),
        (lambda: parse_metrics(METRICS, 0), "at least 1, got 0"),
        (lambda: score(RUN, {}), "no judgements"),
        (lambda: score({"q1": {"a": float("nan")}}, QRELS), "query 'q1': the score of passage 'a' is not a number"),
    ],
)
def test_what_cannot_be_scored_is_named(call, message):
    with pytest.raises(EvaluationError, match=message):
        call()
