from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hand_made import corpus_of, drop, found, kept, numbered_corpus, own_candidates, reasons
from haystack import Document

from hardneg_plugin import MiningExample
from hardneg_plugin.cache import entries
from hardneg_plugin.components.positive_aware_filter import PositiveAwareFilter
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import table_of, with_table
from hardneg_plugin.records.scores import with_scores
from hardneg_plugin.training.static_model import build_static_model

COLOURS = {"p1": "red apple", "p2": "green apple", "p3": "blue sky", "p4": "red wine", "p5": "grey sea"}


def scored(positives: Sequence[float], candidates: Sequence[float], name: str = "q") -> MiningExample:
    """An example with candidates p1, p2, … and scores by "m"."""
    documents = tuple(Document(id=f"+{number}", content=f"positive {number}") for number in range(len(positives)))
    example = MiningExample(name, "a query", documents)
    ids = [f"p{number + 1}" for number in range(len(candidates))]
    (example,) = found([example], numbered_corpus(12), [ids])
    values, reference = np.array(candidates, dtype=np.float32), np.array(positives, dtype=np.float32)
    return with_table([example], with_scores(table_of([example]), "m", values, reference))[0]


def filtered(example: MiningExample, **parameters) -> dict[str, str]:
    (after,) = PositiveAwareFilter(scorer="m", **parameters).run(examples=[example])["examples"]
    return reasons(after)


# Margins


def test_the_default_keeps_what_scores_at_most_95_percent_of_the_positive():
    # 0.5 is exact in float32, and so is the product: the threshold is 0.475.
    after = filtered(scored([0.5], [0.6, 0.5, 0.476, 0.474, -0.5]))
    assert after == {"p1": "margin: relative", "p2": "margin: relative", "p3": "margin: relative", "p4": "", "p5": ""}


def test_a_score_on_the_threshold_is_kept():
    assert filtered(scored([4.0], [3.0, 3.01]), relative_margin=0.25) == {"p1": "", "p2": "margin: relative"}
    assert filtered(scored([4.0], [3.0, 3.01]), relative_margin=None, absolute_margin=1.0) == {
        "p1": "",
        "p2": "margin: absolute",
    }


def test_the_relative_margin_is_right_for_negative_scores():
    # Negative distances: the positive is 10 away, so a negative must be 12.5 away. `positive * 0.75` would be -7.5,
    # above the positive, and keep even what is nearer than it.
    after = filtered(scored([-10.0], [-9.0, -10.0, -12.0, -12.5, -20.0]), relative_margin=0.25)
    assert list(after.values()) == ["margin: relative"] * 3 + ["", ""]


def test_a_margin_of_zero_drops_what_scores_above_the_positive():
    assert list(filtered(scored([1.0], [1.5, 1.0, 0.5]), relative_margin=0).values()) == ["margin: relative", "", ""]


def test_bounds_need_no_positive_and_have_reasons_of_their_own():
    after = filtered(scored([], [0.9, 0.5, 0.1]), relative_margin=None, max_score=0.8, min_score=0.2)
    assert after == {"p1": "score: above max", "p2": "", "p3": "score: below min"}


def test_all_rules_together_give_the_first_reason():
    after = filtered(
        scored([1.0], [0.96, 0.9, 0.6, 0.3, 0.1]),
        relative_margin=0.05,
        absolute_margin=0.2,
        max_score=0.5,
        min_score=0.2,
    )
    assert list(after.values()) == ["margin: relative", "margin: absolute", "score: above max", "", "score: below min"]


def test_without_a_positive_a_margin_can_keep_nothing():
    assert filtered(scored([], [0.1])) == {"p1": "margin: no positive"}


# Several positives


@pytest.mark.parametrize(
    ("reference", "kept_ids"), [("max", ["p2", "p3", "p4"]), ("mean", ["p3", "p4"]), ("min", ["p4"])]
)
def test_the_reference_of_several_positives_is_a_choice(reference, kept_ids):
    # Thresholds with a margin of 0.5: max 4, mean 2.5, min 1.
    example = scored([8.0, 2.0], [4.5, 3.5, 2.0, 0.5])
    (after,) = PositiveAwareFilter(scorer="m", relative_margin=0.5, reference=reference).run(examples=[example])[
        "examples"
    ]
    assert kept(after) == kept_ids


def test_one_bad_positive_does_not_remove_every_negative():
    example = scored([0.8, 0.01], [0.5, 0.4, 0.3])
    assert set(filtered(example).values()) == {""}
    assert set(filtered(example, reference="min").values()) == {"margin: relative"}


def test_examples_are_compared_with_their_own_positives():
    first, second = scored([1.0], [0.6, 0.2], "a"), scored([0.5, 0.4], [0.6, 0.2], "b")
    after = PositiveAwareFilter(scorer="m").run(examples=[first, second])["examples"]
    assert [kept(one) for one in after] == [["p1", "p2"], ["p2"]]
    alone = [PositiveAwareFilter(scorer="m").run(examples=[one])["examples"][0] for one in (first, second)]
    assert alone == after


# Scores that are there


def test_a_margin_can_be_applied_again_to_the_same_scores():
    example = scored([1.0], [0.94, 0.8, 0.5])
    (once,) = PositiveAwareFilter(scorer="m", relative_margin=0.05).run(examples=[example])["examples"]
    (twice,) = PositiveAwareFilter(scorer="m", relative_margin=0.3).run(examples=[once])["examples"]
    assert reasons(twice) == {"p1": "margin: relative", "p2": "margin: relative", "p3": ""}


def test_a_candidate_without_a_score_is_an_error_that_names_its_source_and_the_remedy():
    example = scored([1.0], [0.5, 0.4])
    (mixed,) = found([example], example.candidates.table.corpus, [["p2", "p9"]], source="words")
    message = "1 kept candidates have no score by 'm'; the first is of example 'q', found by words; set `model`"
    with pytest.raises(RecordError, match=message):
        PositiveAwareFilter(scorer="m").run(examples=[mixed])
    # One that was dropped before needs no score.
    (after,) = PositiveAwareFilter(scorer="m").run(examples=[drop(mixed, {"p9": "a filter"})])["examples"]
    assert reasons(after) == {"p1": "", "p2": "", "p9": "a filter"}


def test_an_unknown_scorer_is_an_error_that_names_the_known_ones():
    with pytest.raises(RecordError, match="no scores by 'n' among the candidates; known scorers: m; set `model`"):
        PositiveAwareFilter(scorer="n").run(examples=[scored([1.0], [0.5])])


def test_a_positive_without_a_score_is_an_error():
    with pytest.raises(RecordError, match="example 'q': a positive has no score by 'm'"):
        filtered(scored([1.0, np.nan], [0.5]))


def test_examples_without_candidates_need_no_scores():
    (after,) = PositiveAwareFilter(scorer="m").run(examples=[MiningExample("q", "a query")])["examples"]
    assert len(after.candidates) == 0


# One model for all sources


@pytest.fixture
def model(tmp_path) -> str:
    folder = tmp_path / "model"
    build_static_model([*COLOURS.values()], dims=8, vocabulary=200, seed=0).save(str(folder))
    return str(folder)


def similarities(model: str, query: str, texts: Sequence[str]) -> list[float]:
    """What sentence-transformers itself says."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model)
    return loaded.similarity(loaded.encode_query([query]), loaded.encode_document(list(texts)))[0].tolist()


def mixed_pool() -> list[MiningExample]:
    """Two queries; corpus passages found by two sources, and a generated one."""
    corpus = corpus_of(COLOURS)
    made = own_candidates([Document(id="g", content="a blue apple")])
    first = MiningExample("q1", "red apple", (Document(id="+1", content="an apple"),), made)
    second = MiningExample("q2", "sea", (Document(id="+2", content="the sky"), Document(id="+3", content="sea")))
    once = found([first, second], corpus, [["p1", "p2"], ["p5", "p3"]], source="words")
    return found(once, corpus, [["p2", "p4"], ["p1"]], source="random")


def scores_of(example: MiningExample, name: str) -> Mapping[str, float]:
    return {candidate.id: candidate.scores[name] for candidate in example.candidates}


def test_the_model_scores_candidates_of_all_sources_and_all_positives(model):
    stage = PositiveAwareFilter(model=model, relative_margin=None, min_score=-2.0)
    after = stage.run(examples=mixed_pool())["examples"]
    name = f"model:{model}"
    for example in after:
        expected = similarities(model, example.query, [candidate.text for candidate in example.candidates])
        assert list(scores_of(example, name).values()) == pytest.approx(expected, abs=1e-6)
        expected = similarities(model, example.query, [document.content for document in example.positives])
        assert example.candidates.positive_scores[name] == pytest.approx(expected, abs=1e-6)
    assert [len(example.candidates) for example in after] == [4, 3]
    # A later stage needs the scores only.
    again = PositiveAwareFilter(scorer=name, relative_margin=0.3).run(examples=after)["examples"]
    assert again == PositiveAwareFilter(model=model, relative_margin=0.3).run(examples=mixed_pool())["examples"]


def test_scores_do_not_depend_on_the_batch(model):
    stage = PositiveAwareFilter(model=model, scorer="one")
    pool = mixed_pool()
    at_once = stage.run(examples=pool)["examples"]
    assert [stage.run(examples=[example])["examples"][0] for example in pool] == at_once


def test_a_corpus_that_will_be_needed_again_and_again_is_encoded_once(model):
    """The first example has three of five passages: with two such examples or more, all five are worth keeping."""
    pool = mixed_pool()
    expected = PositiveAwareFilter(model=model, scorer="one").run(examples=pool[:1])["examples"]
    for examples, kept_in_cache in ((1, 0), (2, 1)):
        stage = PositiveAwareFilter(model=model, scorer="one")
        stage.expect(examples)
        assert stage.run(examples=pool[:1])["examples"] == expected
        assert len([entry for entry in entries() if entry.kind == "embeddings"]) == kept_in_cache


def test_dropped_candidates_are_not_scored(model):
    example = drop(mixed_pool()[0], {"p1": "a filter"})
    (after,) = PositiveAwareFilter(model=model, scorer="one").run(examples=[example])["examples"]
    assert {candidate.id: bool(candidate.scores) for candidate in after.candidates} == {
        "g": True,
        "p1": False,
        "p2": True,
        "p4": True,
    }


def test_scores_of_another_model_are_never_written_over(model):
    once = PositiveAwareFilter(model=model, scorer="one", relative_margin=0).run(examples=mixed_pool())["examples"]
    with pytest.raises(RecordError, match="already have scores of 'one'"):
        PositiveAwareFilter(model=model, scorer="one").run(examples=once)


def test_the_similarity_is_the_models_own(tmp_path):
    built = build_static_model([*COLOURS.values()], dims=8, vocabulary=200, seed=0)
    built.similarity_fn_name = "euclidean"
    built.save(str(tmp_path / "far"))
    (after, _) = PositiveAwareFilter(model=str(tmp_path / "far"), scorer="m").run(examples=mixed_pool())["examples"]
    scores = scores_of(after, "m")
    assert scores["p1"] == pytest.approx(0, abs=1e-6)  # the query's own text
    assert max(scores.values()) == scores["p1"]
    assert min(scores.values()) < -0.1


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ParameterError, match=re.escape(str(tmp_path / "nothing"))):
        PositiveAwareFilter(model=str(tmp_path / "nothing")).warm_up()
