"""What a budget keeps, by numbers that can be checked by hand."""

import numpy as np
import pytest

from hardneg_plugin.evaluation.false_negative_budget import (
    budget_choices,
    choose_threshold,
    fewest_labels,
    kappa,
    upper_bound,
)


def each_its_own(count):
    return [f"q{number}" for number in range(count)]


def test_fewest_labels_by_hand():
    # 0.95^59 = .0485 and 0.95^58 = .0510; 0.9^29 = .0471 and 0.9^28 = .0523.
    assert [fewest_labels(0.05), fewest_labels(0.1)] == [59, 29]


def test_the_bound_without_a_false_negative_is_exact():
    # Clopper and Pearson: 1 - 0.05^(1/59).
    assert upper_bound(np.zeros(59, dtype=bool), each_its_own(59)) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(np.zeros(58, dtype=bool), each_its_own(58)) > 0.05


def test_labels_of_few_queries_are_worth_less():
    labels = np.array([True] * 5 + [False] * 95)
    together = [f"q{position // 5}" for position in range(100)]
    assert upper_bound(labels, together) > upper_bound(labels, each_its_own(100)) + 0.03
    assert upper_bound(labels, ["q"] * 100) == 1.0


def test_weights_count_pairs_and_widen():
    labels = np.array([True] + [False] * 99)
    heavy = np.array([20.0] + [1.0] * 99)
    # 20 of 119 pairs.
    assert upper_bound(labels, each_its_own(100), heavy) > 20 / 119
    assert upper_bound(labels, each_its_own(100), np.ones(100)) == upper_bound(labels, each_its_own(100))


def test_all_that_is_shown_to_be_clean_is_kept_and_no_more():
    probability = np.linspace(0, 1, 300)
    labels = np.arange(300) >= 150
    choice = choose_threshold(probability, labels, each_its_own(300), 0.1)
    assert choice is not None
    # Chains start at 58, 116 and 232 kept labels and share the error: .05 / 3 each. With 150 clean ones, x false ones
    # among 150 + x pass while the exact bound at that level is at most 10 %.
    assert 150 <= choice.labelled < 165
    assert choice.threshold == probability[choice.labelled - 1]
    assert choice.rate == (choice.labelled - 150) / choice.labelled
    assert choice.rate < choice.upper <= 0.1
    assert choice.lost == 0
    strict = choose_threshold(probability, labels, each_its_own(300), 0.05)
    assert strict is not None
    assert 118 <= strict.labelled <= choice.labelled


def test_equal_probabilities_are_kept_or_dropped_together():
    probability = np.repeat([0.1, 0.2, 0.9], 100)
    labels = np.repeat([False, False, True], 100)
    choice = choose_threshold(probability, labels, each_its_own(300), 0.05)
    assert (choice.labelled, choice.threshold, choice.rate) == (200, 0.2, 0)


def test_what_cannot_be_shown_is_not_kept():
    clean = np.zeros(57, dtype=bool)
    assert choose_threshold(np.linspace(0, 1, 57), clean, each_its_own(57), 0.1) is None
    dirty = np.arange(300) % 2 == 0
    assert choose_threshold(np.linspace(0, 1, 300), dirty, each_its_own(300), 0.1) is None
    choices = budget_choices(np.linspace(0, 1, 300), np.zeros(300, dtype=bool), each_its_own(300), (0.001, 0.1))
    assert choices[0.001] is None
    assert choices[0.1].labelled == 300


def test_the_bound_holds_for_the_threshold_that_is_chosen():
    # Labels that the probability says nothing of, a fifth of them false, and a budget of a little less: whatever is
    # chosen breaks the budget, so that one draw in twenty may choose at all.
    broken = 0
    for draw in range(200):
        random = np.random.default_rng(draw)
        choice = choose_threshold(random.random(600), random.random(600) < 0.2, each_its_own(600), 0.19)
        broken += choice is not None
    assert broken <= 20


def test_kappa_by_hand():
    # 8 of 10 agree; yes shares .5 and .5, chance .5: (.8 - .5) / .5.
    first = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    second = np.array([1, 1, 1, 1, 0, 1, 0, 0, 0, 0])
    assert kappa(first, second) == pytest.approx(0.6)
    assert kappa(first, first) == 1
    assert kappa(first, 1 - first) == pytest.approx(-1)
    assert kappa(np.ones(3), np.ones(3)) == 1
