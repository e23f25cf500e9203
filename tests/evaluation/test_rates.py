"""Rates of false negatives: hand-computed intervals, and how often they cover."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.rates import corrected_rate, design_effect, gold_rate, judge_rate, wilson

NAN = float("nan")


def test_wilson_by_hand():
    # No label is true of ten: z² / (n + z²) with z = 1.95996.
    assert wilson(0.0, 10) == (0.0, pytest.approx(3.841459 / 13.841459, abs=1e-6))
    # Half of ten: 1/2 -+ z / (1 + z²/n) * sqrt(1/40 + z²/400).
    assert wilson(0.5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert wilson(1.0, 10)[1] == 1.0


def test_gold_rate_counts_labels():
    estimate = gold_rate([True, False, False, False, True, False, False, False, False, False])
    assert (estimate.rate, estimate.samples, estimate.gold, estimate.method) == (0.2, 10, 10, "gold")
    assert (estimate.low, estimate.high) == wilson(0.2, 10)
    assert gold_rate(np.array([1, 0]), "qrels").method == "qrels"


def test_judge_rate_claims_no_gold():
    estimate = judge_rate([True, True, False, False])
    assert (estimate.rate, estimate.samples, estimate.gold, estimate.method) == (0.5, 4, 0, "judge")


def test_corrected_rate_weighs_the_strata_by_the_verdicts():
    # 60 of 100 verdicts say false negative. Of 10 labels there 6 are true, of 10 labels among the others 1:
    # 0.6 * 0.6 + 0.4 * 0.1 = 0.4.
    verdicts = np.array([True] * 60 + [False] * 40)
    gold = np.full(100, NAN)
    gold[:10] = [1] * 6 + [0] * 4
    gold[60:70] = [1] + [0] * 9
    estimate = corrected_rate(verdicts, gold)
    assert estimate.rate == pytest.approx(0.4)
    assert estimate.low < 0.4 < estimate.high
    assert (estimate.samples, estimate.gold, estimate.method) == (100, 20, "corrected")


def test_corrected_rate_corrects_a_judge_that_always_errs():
    verdicts = np.array([True, False] * 100)
    gold = np.where(np.arange(200) < 60, ~verdicts, np.nan)
    estimate = corrected_rate(verdicts, gold)
    assert estimate.rate == pytest.approx(0.5)
    # The labels say all there is to know of each stratum; its size comes from 200 verdicts.
    assert estimate.high - estimate.low < gold_rate(gold[:60].astype(bool)).high - gold_rate(gold[:60] == 1).low


def test_a_population_that_is_known_whole_leaves_no_doubt():
    verdicts, gold = np.array([True, True, False, False]), np.array([1.0, 0.0, 0.0, 0.0])
    estimate = corrected_rate(verdicts, gold, population=4)
    assert (estimate.low, estimate.rate, estimate.high) == (0.25, 0.25, 0.25)


def test_a_stratum_without_labels_widens_the_interval():
    verdicts = np.array([True] * 50 + [False] * 50)
    gold = np.where(np.arange(100) < 20, 1.0, NAN)
    estimate = corrected_rate(verdicts, gold)
    assert estimate.rate == pytest.approx(0.75)
    assert estimate.low < 0.53
    assert estimate.high > 0.97


def test_the_estimate_is_inside_its_interval_where_no_label_is_true():
    estimate = corrected_rate(np.array([True, False] * 20), np.zeros(40))
    assert estimate.low == estimate.rate == 0
    assert 0.03 < estimate.high < 0.15


def test_design_effect_by_hand():
    # Two queries that are all alike inside: 4 values count as hardly more than 2. Deviations -.5, -.5, .5, .5;
    # sums by query -1, 1: 2 * (2/1) * (3/4) / 1 = 3.
    assert design_effect(np.array([0.0, 0.0, 1.0, 1.0]), ["a", "a", "b", "b"]) == pytest.approx(3)
    assert design_effect(np.array([0.0, 1.0, 0.0, 1.0]), ["a", "a", "b", "b"]) == 1
    assert design_effect(np.array([0.0, 1.0]), None) == 1
    wide, narrow = gold_rate([False, False, True, True], queries=["a", "a", "b", "b"]), gold_rate([0, 0, 1, 1])
    assert (wide.low, wide.high) == wilson(0.5, 4 / 3)
    assert wide.low < narrow.low


def test_the_corrected_interval_covers_where_little_is_known():
    # A judge that passes 60 % of the pairs, of which 1 % are false negatives; 4 % of the rest: few labels are true.
    covered = 0
    for draw in range(200):
        random = np.random.default_rng(draw)
        verdicts = random.random(200) < 0.6
        true = random.random(200) < np.where(verdicts, 0.04, 0.01)
        estimate = corrected_rate(verdicts, np.where(np.arange(200) < 50, true, np.nan), seed=draw)
        covered += estimate.low <= 0.028 <= estimate.high
    assert covered >= 180


@pytest.mark.parametrize(
    ("verdicts", "gold", "message"),
    [
        ([True], [NAN], "none of 1 verdicts has a gold label"),
        ([True, False], [0.0], r"got shapes \(2,\) and \(1,\)"),
        ([], [], "at least 1"),
        ([True], [0.5], "gold labels must be 0, 1 or NaN, got 0.5"),
    ],
)
def test_what_cannot_be_corrected(verdicts, gold, message):
    with pytest.raises(EvaluationError, match=message):
        corrected_rate(np.array(verdicts), np.array(gold))


def test_other_mistakes():
    with pytest.raises(EvaluationError, match="a sample of 3 pairs cannot come from a population of 2"):
        corrected_rate([True] * 3, [1.0] * 3, population=2)
    with pytest.raises(EvaluationError, match="labels must be true or false, got"):
        gold_rate([0, 2])
    with pytest.raises(EvaluationError, match="at least one"):
        judge_rate([])
    with pytest.raises(EvaluationError, match="2 pairs, but queries of 1"):
        gold_rate([True, False], queries=["a"])
    with pytest.raises(EvaluationError, match="all pairs are of one query"):
        gold_rate([True, False], queries=["a", "a"])


@pytest.mark.integration
def test_recorded_verdicts_and_fifty_labels_cover_the_truth_on_dl19(shared, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2] / "benchmarks")])
    from false_negative_rate import coverage, mined_pairs

    for pairs in mined_pairs(shared).values():
        found = coverage(pairs, draws=40)
        held, width, _ = found["corrected, four levels"]
        # A right interval holds the truth in fewer than 33 of 40 draws about once in a thousand times.
        assert held >= 33
        assert width < found["50 labels alone"][1]
        # The judge alone is far off here: what the correction is for.
        assert found["judge alone"][0] == 0
