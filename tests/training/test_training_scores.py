from __future__ import annotations

import datasets
import pytest

from hardneg_plugin.errors import RecordError
from hardneg_plugin.training.columns import TrainingColumns, find_columns
from hardneg_plugin.training.scores import TeacherScores, find_scores, scores_digest

NUMBERED = TrainingColumns(("negative_1", "negative_2"))


def table(**columns: list[object]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"anchor": ["q", "r"], "positive": ["p", "o"], **columns})


def digest(dataset: datasets.Dataset) -> str:
    return scores_digest(dataset, find_scores(dataset, find_columns(dataset), "margin_mse"))


@pytest.mark.parametrize(
    ("negatives", "scores", "margins"),
    [
        (("a", "b"), [3.0, 1.0, 0.5], [2.0, 2.5]),
        (("a", None), [3.0, 1.0], [2.0]),
        (("a", None), [3.0, 1.0, None], [2.0]),
        ((None, "b"), [3.0, None, 0.5], [2.5]),
        ((None, "b"), [3.0, 9.0, 0.5], [2.5]),
        ((None, "b"), [3, 5], [-2.0]),
    ],
)
def test_margins_over_the_negatives_that_are_there(negatives, scores, margins):
    row = {"negative_1": negatives[0], "negative_2": negatives[1], "scores": scores}
    assert TeacherScores("scores", NUMBERED).margins_of(row) == margins


def test_margins_of_lists_and_of_single_numbers():
    listed = TeacherScores("scores", TrainingColumns(("negatives",), listed=True))
    assert listed.margins_of({"negatives": ["a", "b"], "scores": [1.0, 0.75, 0.5]}) == [0.25, 0.5]
    assert TeacherScores("score", TrainingColumns(("negative",))).margins_of({"negative": "a", "score": 4}) == [4.0]


def test_the_digest_is_of_the_margins():
    triplets = {"negative": ["a", "b"]}
    first = digest(table(**triplets, scores=[[3.0, 1.0], [2.0, 1.0]]))
    assert digest(table(**triplets, score=[2.0, 1.0])) == first
    assert digest(table(**triplets, score=[1.0, 2.0])) != first


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "the loss 'margin_mse' learns a teacher's scores: .* has the columns"),
        ({"score": [1.0, 2.0], "scores": [[1.0, 2.0]] * 2}, "it has both"),
        ({"scores": [[1.0, 2.0], [1.0]]}, "row 1 of the training table: .* of 1 negatives, got 1 scores"),
        ({"scores": [[1.0, 2.0], None]}, "row 1 .* got 0 scores"),
        ({"scores": [[1.0, None], [1.0, 2.0]]}, "row 0 .* finite numbers, got None"),
        ({"score": [1.0, float("nan")]}, "row 1 .* finite numbers, got nan"),
        ({"score": ["high", "low"]}, "row 0 .* got 'high'"),
    ],
)
def test_scores_that_do_not_fit_name_their_row(columns, message):
    with pytest.raises(RecordError, match=message):
        digest(table(negative=["a", "b"], **columns))


def test_one_margin_cannot_be_over_two_negatives():
    with pytest.raises(RecordError, match="row 0 .* the margin over one negative, but there are 2; give 'scores'"):
        digest(table(negatives=[["a", "b"], ["c"]], score=[1.0, 2.0]))
