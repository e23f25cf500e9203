from __future__ import annotations

import numpy as np
import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import pair_scores
from hardneg_plugin.search.dense.pair_scores import score_pairs


class Points:
    """Encodes "x y" as the point (x, y), and remembers what it was asked for."""

    def __init__(self, similarity: str = "dot") -> None:
        self.similarity_fn_name = similarity
        self.queries: list[str] = []
        self.passages: list[str] = []

    def encode_query(self, inputs, *, batch_size, show_progress_bar):
        self.queries += inputs
        return np.array([text.split() for text in inputs], dtype=np.float32)

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        self.passages += inputs
        return np.array([text.split() for text in inputs], dtype=np.float32)


QUERIES = ["1 0", "0 2", "9 9"]
PASSAGES = {7: "3 4", -1: "0 1", 20: "0 0"}


def scores(model: Points, *pairs: tuple[int, int]) -> list[float]:
    query, passage = (np.array(numbers, dtype=np.int64) for numbers in zip(*pairs, strict=True))
    return score_pairs(model, QUERIES, lambda rows: [PASSAGES[row] for row in rows.tolist()], (query, passage)).tolist()


PAIRS = ((0, 7), (1, 7), (1, -1), (0, 20), (0, 7))


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("dot", [3, 8, 2, 0, 3]),
        ("cosine", [0.6, 0.8, 1, 0, 0.6]),
        ("euclidean", [-(20**0.5), -(13**0.5), -1, -1, -(20**0.5)]),
    ],
)
def test_pairs_are_scored_by_the_models_similarity(similarity, expected):
    assert scores(Points(similarity), *PAIRS) == pytest.approx(expected)


def test_every_text_is_encoded_once_and_only_those_that_are_asked_for(monkeypatch):
    monkeypatch.setattr(pair_scores, "_TEXT_BLOCK", 2)
    model = Points()
    assert scores(model, *PAIRS) == [3, 8, 2, 0, 3]
    assert sorted(model.passages) == sorted(PASSAGES.values())
    assert model.queries == ["1 0", "0 2"]


def test_no_pairs_encode_nothing():
    nothing = np.zeros(0, dtype=np.int64)
    assert score_pairs(Points(), QUERIES, lambda rows: [], (nothing, nothing)).shape == (0,)


def test_an_unknown_similarity_and_broken_vectors_are_errors():
    with pytest.raises(ParameterError, match="manhattan"):
        scores(Points("manhattan"), (0, 7))
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ParameterError, match="NaN, infinite or huge"):
        score_pairs(Points(), QUERIES, lambda rows: ["nan 0"], (one, one))
