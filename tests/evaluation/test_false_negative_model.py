"""The model of P(false negative): out of fold, calibrated, and its errors."""

import numpy as np
import pytest

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.false_negative_model import CrossFittedClassifier, reliability


def made(queries=60, of_each=10, seed=0):
    """Candidates whose first number tells the false negatives, with one in ten wrong; the second is noise."""
    random = np.random.default_rng(seed)
    ids = [f"q{number}" for number in range(queries) for _ in range(of_each)]
    signal = random.random(len(ids))
    labels = (signal > 0.7) ^ (random.random(len(ids)) < 0.1)
    features = np.column_stack([signal, random.random(len(ids)), np.where(signal > 0.5, np.nan, 1.0)])
    return features, labels, ids


def test_it_finds_what_there_is_to_find_and_is_calibrated():
    features, labels, ids = made()
    probability = CrossFittedClassifier(features, labels, ids).probability(features, ids)
    assert probability[features[:, 0] > 0.75].mean() > 0.8
    assert probability[features[:, 0] < 0.65].mean() < 0.2
    assert probability.mean() == pytest.approx(labels.mean(), abs=0.03)


def test_labels_of_a_query_do_not_touch_its_own_probabilities():
    # Labels that nothing foretells, the same for all candidates of a query that all look alike: a model that had seen
    # the query would know them.
    random = np.random.default_rng(0)
    looks = np.repeat(random.random((60, 3)), 10, axis=0)
    labels = np.repeat(random.random(60) < 0.5, 10)
    ids = [f"q{number}" for number in range(60) for _ in range(10)]
    model = CrossFittedClassifier(looks, labels, ids)
    probability = model.probability(looks, ids)
    assert abs(probability[labels].mean() - probability[~labels].mean()) < 0.15
    flipped = labels.copy()
    flipped[:10] = ~flipped[:10]
    again = CrossFittedClassifier(looks, flipped, ids).probability(looks[:10], ids[:10])
    np.testing.assert_array_equal(again, probability[:10])


def test_a_query_without_labels_has_a_fold_too_and_the_same_call_gives_the_same():
    features, labels, ids = made()
    model = CrossFittedClassifier(features, labels, ids)
    first = model.probability(features[:5], ["new"] * 5)
    assert len(set(model.folds(["new"] * 5).tolist())) == 1
    np.testing.assert_array_equal(
        first, CrossFittedClassifier(features, labels, ids).probability(features[:5], ["new"] * 5)
    )
    assert ((first > 0) & (first < 1)).all()


def test_too_few_labels_are_named():
    features, labels, ids = made(queries=8)
    with pytest.raises(EvaluationError, match="80 labelled candidates, .* of 8 queries: .* at least 10 queries"):
        CrossFittedClassifier(features, labels, ids)
    features, labels, ids = made()
    with pytest.raises(EvaluationError, match="0 of them false negatives, .* at least 10 false negatives"):
        CrossFittedClassifier(features, np.zeros(len(labels), dtype=bool), ids)


def test_false_negatives_of_one_query_alone_are_refused():
    features, labels, ids = made()
    alone = np.arange(len(labels)) < 10
    with pytest.raises(EvaluationError, match="label candidates of more queries"):
        CrossFittedClassifier(features, alone, ids)


def test_reliability_by_hand():
    rows = reliability(np.array([0.01, 0.01, 0.3, 0.3, 0.3, 1.0]), np.array([False, False, True, False, False, True]))
    assert [(row.low, row.high, row.count) for row in rows] == [(0.0, 0.02, 2), (0.2, 0.4, 3), (0.8, 1.0, 1)]
    assert [row.observed for row in rows] == [0, pytest.approx(1 / 3), 1]
    assert rows[1].predicted == pytest.approx(0.3)
    assert rows[1].observed_low < 1 / 3 < rows[1].observed_high
