from __future__ import annotations

import numpy as np
import pytest
from dense_models import saved_cross_encoder
from hand_made import corpus_of, found, reasons
from haystack import Document

from hardneg_plugin import CrossEncoderFilter, MiningExample, PositiveAwareFilter
from hardneg_plugin.errors import ParameterError, RecordError

PASSAGES = {"p1": "red apple", "p2": "green sea", "p3": "a blue sky", "p4": "tea"}


@pytest.fixture
def folder(tmp_path):
    return saved_cross_encoder(tmp_path / "reader")


def examples():
    queries = [
        MiningExample("a", "which apple", (Document(id="x", content="red apples"),)),
        MiningExample("b", "what sea", (Document(id="y", content="a green sea"), Document(id="z", content="sea"))),
    ]
    return found(queries, corpus_of(PASSAGES), [["p1", "p2", "p3"], ["p2", "p4"]])


def by_hand(folder, query, passages):
    """Logits of the model, one pair at a time."""
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(folder)
    scores = [model.predict([(query, text)], activation_fn=torch.nn.Identity())[0] for text in passages]
    return np.array(scores, dtype=np.float64)


def test_scores_are_the_models_logits_and_decide(folder):
    scores = by_hand(folder, "which apple", [PASSAGES[name] for name in ("p1", "p2", "p3")])
    (positive,) = by_hand(folder, "which apple", ["red apples"])
    middle = float(np.median(scores)) + 1e-3
    component = CrossEncoderFilter(folder, scorer="reader", absolute_margin=None, max_score=middle)
    (first, _) = component.run(examples=examples())["examples"]
    assert [one.scores["reader"] for one in first.candidates] == pytest.approx(scores, abs=2e-4)
    assert first.candidates.positive_scores["reader"] == pytest.approx([positive], abs=2e-4)
    expected = ["score: above max" if score > middle else "" for score in scores]
    assert list(reasons(first).values()) == expected
    assert sorted(expected) == ["", "", "score: above max"]


def test_another_margin_needs_no_model(folder):
    scored = CrossEncoderFilter(folder, scorer="reader", absolute_margin=None, min_score=-1e9).run(examples=examples())
    again = PositiveAwareFilter(scorer="reader", relative_margin=None, absolute_margin=0.0).run(**scored)["examples"]
    at_once = CrossEncoderFilter(folder, scorer="reader", absolute_margin=0.0).run(examples=examples())["examples"]
    assert [reasons(one) for one in again] == [reasons(one) for one in at_once]


def test_all_pairs_are_scored_in_one_call_and_each_once(folder):
    calls = []

    class Counting:
        """Gives the length of a pair's texts."""

        def predict(self, pairs, **options):
            calls.append(list(pairs))
            return [float(len(query) + len(text)) for query, text in pairs]

    component = CrossEncoderFilter(folder, absolute_margin=0.0)
    component._encoder = Counting()
    same = examples()[0]
    component.run(examples=[same, MiningExample("c", same.query, same.positives, candidates=same.candidates)])
    ((pairs),) = calls
    assert pairs == [("which apple", text) for text in ("red apple", "green sea", "a blue sky", "red apples")]


def test_scores_of_the_same_name_are_refused(folder):
    once = CrossEncoderFilter(folder, scorer="reader", absolute_margin=None, min_score=-1e9).run(examples=examples())
    with pytest.raises(RecordError, match="reader"):
        CrossEncoderFilter(folder, scorer="reader").run(**once)


def test_a_model_that_is_none_is_named(tmp_path):
    with pytest.raises(ParameterError, match="no cross-encoder can be loaded from"):
        CrossEncoderFilter(str(tmp_path)).warm_up()
    folder = saved_cross_encoder(tmp_path / "classes", outputs=3)
    with pytest.raises(ParameterError, match="has 3 outputs, expected one score"):
        CrossEncoderFilter(folder).warm_up()
