from math import comb

import numpy as np
import pytest

from hardneg_plugin.errors import EvaluationError, ParameterError
from hardneg_plugin.evaluation.significance import bootstrap_interval, compare, holm, randomisation_test


def column(*values):
    return np.array(values, dtype=np.float64)[:, None]


def per_query(*values, metric="RR@10"):
    return {metric: {f"q{number}": value for number, value in enumerate(values)}}


def skewed(queries=120, tests=1, seed=5):
    """Differences as metrics have them: mostly zero, a few large ones."""
    return np.random.default_rng(seed).choice([0, 0, 0, 0.1, -0.1, -0.25, 0.9], size=(queries, tests))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        # +++ and --- reach 6, of 8 flips.
        ((1, 2, 3), 2 / 8),
        # The sum is 4: of ±1±2±3 the sizes are 6, 4, 2, 0, each twice; 6 and 4 are as far.
        ((-1, 2, 3), 4 / 8),
        # The sum is 0, and nothing is nearer to zero.
        ((1, 2, -3), 1),
        # One difference: both flips are as far.
        ((0.5,), 1),
        # Zeros can be flipped without any effect, so they change nothing.
        ((0, 1, 0, 2, 3, 0), 2 / 8),
        ((0, 0), 1),
        # .1 + .2 is not .3 to a computer, and -.1-.2+.3 not 0: all 8 flips are as far as the observed 0.
        ((0.1, 0.2, -0.3), 1),
        # 16 differences on one side: 2 of 65,536.
        ((0.25,) * 16, 2 / 65536),
    ],
)
def test_few_differences_are_enumerated(differences, p):
    assert randomisation_test(column(*differences)).tolist() == [p]


def test_enumeration_ends_at_sixteen_differences_and_random_flips_count_the_observed_one():
    # 17 on one side: true p = 2 / 131,072; no such flip is among 99, so (0 + 1) / (99 + 1).
    assert randomisation_test(column(*[0.25] * 17), draws=99).tolist() == [0.01]
    # Zeros do not count: still enumerated.
    assert randomisation_test(column(*[0.25] * 3, *[0.0] * 50), draws=99).tolist() == [0.25]


def test_random_flips_are_near_the_truth():
    # 24 differences of one size, 17 up and 7 down: flips as far are the two tails of a binomial, 0.064.
    p = randomisation_test(column(*[0.5] * 17, *[-0.5] * 7), draws=10_000)
    truth = 2 * sum(comb(24, up) for up in range(17, 25)) / 2**24
    assert p[0] == pytest.approx(truth, abs=3 * (truth * (1 - truth) / 10_000) ** 0.5)


def test_agreement_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    few, many = rng.normal(0.3, 1, size=(12, 5)), rng.normal(0.1, 1, size=(200, 5))
    for differences, within in ((few, 1e-12), (many, 0.02)):
        expected = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", vectorized=True, axis=0, n_resamples=10_000, rng=rng
        )
        assert randomisation_test(differences) == pytest.approx(expected.pvalue, abs=within)


def test_equal_systems_are_called_different_as_often_as_the_level_says():
    # 2,000 tests of differences that are as often up as down; a share beyond 4 standard errors would be a bias.
    rng = np.random.default_rng(11)
    null = rng.choice([-1, 1], size=(60, 2000)) * np.abs(skewed(60, 2000))
    p = randomisation_test(null, draws=1999)
    for level in (0.01, 0.05, 0.2):
        share, error = np.mean(p <= level), (level * (1 - level) / 2000) ** 0.5
        # Many ties make the test a little too careful, never too bold.
        assert level - 6 * error < share < level + 4 * error


def test_blocks_of_draws_are_one_sample(monkeypatch):
    differences = skewed()
    whole = randomisation_test(differences, draws=2000)[0]
    monkeypatch.setattr("hardneg_plugin.evaluation.significance._BLOCK", 1000)
    parts = randomisation_test(differences, draws=2000)[0]
    assert whole == pytest.approx(parts, abs=0.04)
    low, high = bootstrap_interval(differences, draws=2000)
    assert low[0] < differences.mean() < high[0]


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04; the last may not fall below the one before.
    assert holm([0.03, 0.01, 0.04, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([0.2]).tolist() == [0.2]


def test_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    differences = skewed()
    expected = stats.bootstrap(
        (differences[:, 0],), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = bootstrap_interval(differences, draws=20_000)
    # A fiftieth of its width is the noise of the draws.
    tolerance = 0.02 * (expected.high - expected.low)
    assert (low[0], high[0]) == (
        pytest.approx(expected.low, abs=tolerance),
        pytest.approx(expected.high, abs=tolerance),
    )


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    # The mean of the population that `skewed` draws from is .65 / 7.
    low, high = bootstrap_interval(skewed(queries=150, tests=500, seed=2), draws=500)
    assert 0.92 < np.mean((low <= 0.65 / 7) & (high >= 0.65 / 7)) < 0.98


def test_interval_of_equal_differences_has_no_width():
    low, high = bootstrap_interval(np.array([[0.25, 0.1 + 0.2], [0.25, 0.3]]))
    assert low.tolist() == high.tolist() == [0.25, pytest.approx(0.3)]


def test_few_draws_on_one_side_have_an_interval():
    low, high = bootstrap_interval(skewed(tests=20), draws=1)
    assert low.tolist() == high.tolist()


def test_systems_are_compared_within_each_metric():
    def system(first, second):
        return per_query(*first) | per_query(*second, metric="R@5")

    zeros = (0, 0, 0, 0)
    compared = compare(
        {"up": system((1, 1, 1, 0), zeros), "base": system(zeros, zeros), "more": system((1, 1, 1, 1), zeros)}, "base"
    )
    assert [(found.metric, found.system, found.baseline, found.queries) for found in compared] == [
        ("RR@10", "up", "base", 4),
        ("RR@10", "more", "base", 4),
        ("R@5", "up", "base", 4),
        ("R@5", "more", "base", 4),
    ]
    assert [found.difference for found in compared] == [0.75, 1, 0, 0]
    # 2 of 8 and 2 of 16 flips; the smaller twice, the larger then as it is, because 2 × 1/8 is 1/4 as well.
    assert [found.p for found in compared] == [1 / 4, 1 / 8, 1, 1]
    assert [found.p_holm for found in compared] == [1 / 4, 1 / 4, 1, 1]
    assert compared[0].low < 0.75 < compared[0].high
    assert (compared[1].low, compared[1].high) == (1, 1)


def test_a_difference_is_that_of_the_system_minus_the_baseline():
    (found,) = compare({"base": per_query(1, 0.5), "worse": per_query(0.5, 0.5)}, "base")
    assert (found.difference, found.high) == (-0.25, 0)


def test_results_do_not_depend_on_other_systems_or_on_the_order_of_queries():
    rng = np.random.default_rng(4)
    base, first, second = (per_query(*rng.random(60)) for _ in range(3))
    turned = {"RR@10": dict(reversed(first["RR@10"].items()))}
    (alone,) = compare({"base": base, "first": turned}, "base", draws=500)
    beside = compare({"second": second, "first": first, "base": base}, "base", draws=500)[1]
    assert (alone.p, alone.difference) == (beside.p, pytest.approx(beside.difference))
    assert (alone.low, alone.high) == (pytest.approx(beside.low), pytest.approx(beside.high))
    (other_seed,) = compare({"base": base, "first": first}, "base", draws=500, seed=1)
    assert other_seed.p != alone.p


def test_values_that_differ_in_the_last_digit_are_equal():
    (found,) = compare({"base": per_query(0.3, 1.0), "same": per_query(0.1 + 0.2, 1.0)}, "base")
    assert (found.difference, found.p) == (0, 1)


def test_a_baseline_alone_has_nothing_to_compare():
    assert compare({"base": per_query(1, 0)}, "base") == []


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"a": per_query(1)}, "the baseline 'base' is not among the systems a"),
        (
            {"base": per_query(1, 0), "a": per_query(1)},
            r"system 'a' and the baseline 'base' .* scored on different queries in RR@10: 1 differ, the first is 'q1'",
        ),
        ({"base": per_query(1), "a": per_query(1, metric="R@5")}, "scored differently: R@5, and RR@10"),
        ({"base": per_query(1), "a": per_query(float("nan"))}, "'a' .* value of query 'q0' in RR@10 is nan"),
        ({"base": per_query(float("inf")), "a": per_query(1)}, "'base' .* value of query 'q0' in RR@10 is inf"),
        ({"base": per_query(), "a": per_query()}, r"at least one query, got \(0, 1\)"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(scores, message):
    with pytest.raises(EvaluationError, match=message):
        compare(scores, "base")


@pytest.mark.parametrize("function", [randomisation_test, bootstrap_interval])
def test_wrong_parameters_and_shapes_are_refused(function):
    for wrong in ({"draws": 0}, {"seed": -1}):
        with pytest.raises(ParameterError, match="draws must be at least 1 and seed at least 0, got"):
            function(column(1), **wrong)
    with pytest.raises(EvaluationError, match=r"shape \(queries, tests\) with at least one query, got \(2,\)"):
        function(np.zeros(2))
    with pytest.raises(EvaluationError, match="query 1 in test 0 is not a finite number: nan"):
        function(column(1, float("nan")))
