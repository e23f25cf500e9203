from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hand_made import drop, found, kept, numbered_corpus, own_candidates, reasons
from haystack import Document

from hardneg_plugin import MiningExample, NegativeSampler
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import table_of, with_table
from hardneg_plugin.records.scores import with_scores

# SimANS


def scored(names: list[str], scores: list[float], positives: tuple[float, ...] = (1.0,)) -> list[MiningExample]:
    """Queries with p1, p2, … and scores by "m"."""
    documents = [Document(id=f"+{number}", content="right") for number in range(len(positives))]
    ids = [f"p{number + 1}" for number in range(len(scores))]
    queries = [MiningExample(name, "a query", documents) for name in names]
    mined = found(queries, numbered_corpus(len(scores)), [ids] * len(names))
    values = [np.array(numbers * len(names), dtype=np.float32) for numbers in (scores, list(positives))]
    return with_table(mined, with_scores(table_of(mined), "m", *values))


def drawn(examples: list[MiningExample], **parameters) -> list[list[str]]:
    sampler = NegativeSampler(**{"num_negatives": 1, "strategy": "simans", "scorer": "m"} | parameters)
    return [kept(one) for one in sampler.run(examples=examples)["examples"]]


def test_candidates_are_drawn_by_their_weights():
    # Gaps to the positive of 0, 1 and 2, shifted by b = -1: weights exp(-1), 1 and exp(-1), with a = 1.
    names = [f"q{number}" for number in range(3000)]
    counts = Counter(one for (one,) in drawn(scored(names, [1.0, 0.0, -1.0]), simans_b=-1.0))
    total = 1 + 2 * math.exp(-1)
    for name, weight in (("p1", math.exp(-1)), ("p2", 1.0), ("p3", math.exp(-1))):
        share = weight / total
        # Five standard deviations.
        assert abs(counts[name] - 3000 * share) < 5 * math.sqrt(3000 * share * (1 - share)), counts


def test_the_second_draw_is_by_the_weights_that_are_left():
    names = [f"q{number}" for number in range(3000)]
    weights = {"p1": 1.0, "p2": math.exp(-1), "p3": math.exp(-4)}
    pairs = Counter(tuple(one) for one in drawn(scored(names, [1.0, 0.0, -1.0]), num_negatives=2))
    total = sum(weights.values())
    # p1 and p2 in either order.
    share = weights["p1"] / total * weights["p2"] / (total - weights["p1"])
    share += weights["p2"] / total * weights["p1"] / (total - weights["p2"])
    assert abs(pairs["p1", "p2"] - 3000 * share) < 5 * math.sqrt(3000 * share * (1 - share)), pairs


def test_a_sharp_weight_takes_the_nearest_to_the_positive_on_either_side():
    examples = scored(["a", "b"], [5.0, 1.2, 0.9, 0.0])
    assert drawn(examples, simans_a=1e9) == [["p3"], ["p3"]]
    assert drawn(examples, simans_a=1e9, simans_b=4.0) == [["p1"], ["p1"]]


def test_without_sharpness_the_draw_is_the_random_one():
    examples = scored([f"q{number}" for number in range(50)], [3.0, 2.0, 1.0, 0.0, -1.0])
    flat = [set(one) for one in drawn(examples, simans_a=0, num_negatives=2)]
    counts = Counter(name for one in flat for name in one)
    assert len(counts) == 5


def test_an_infinite_score_is_drawn_as_any_other_where_scores_do_not_weigh():
    examples = scored([f"q{number}" for number in range(60)], [math.inf, 0.0, -math.inf])
    assert set(Counter(one for (one,) in drawn(examples, simans_a=0))) == {"p1", "p2", "p3"}
    assert drawn(examples, simans_a=1, num_negatives=1) == [["p2"]] * 60


def test_the_best_of_several_positives_counts():
    examples = scored(["a"], [4.0, 1.0], positives=(1.0, 4.0))
    assert drawn(examples, simans_a=1e9) == [["p1"]]


def test_a_weighted_draw_depends_on_neither_batch_nor_order():
    names = [f"q{number}" for number in range(20)]
    examples = scored(names, [1.0, 0.9, 0.5, 0.1, 0.0])
    at_once = drawn(examples, seed=3, num_negatives=2)
    assert [drawn([one], seed=3, num_negatives=2)[0] for one in examples] == at_once
    assert drawn(examples[::-1], seed=3, num_negatives=2)[::-1] == at_once
    assert drawn(examples, seed=4, num_negatives=2) != at_once


def test_a_window_and_dropped_candidates_are_respected():
    example = drop(scored(["a"], [1.0, 1.0, 1.0, 1.0])[0], {"p3": "a filter"})
    after = NegativeSampler(4, "simans", rank_from=2, scorer="m").run(examples=[example])["examples"][0]
    assert reasons(after) == {"p1": "rank window", "p2": "", "p3": "a filter", "p4": ""}


def test_a_weighted_draw_needs_scores():
    with pytest.raises(ParameterError, match="strategy simans weighs candidates by a score; name it with scorer"):
        NegativeSampler(strategy="simans")
    (example,) = scored(["a"], [1.0])
    (mixed,) = found([example], numbered_corpus(1), [["p1"]], source="words")
    assert drawn([mixed]) == [["p1"]]
    with pytest.raises(RecordError, match="NegativeSampler: no scores by 'n' among the candidates; known scorers: m"):
        drawn([mixed], scorer="n")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"simans_a": -1}, "simans_a must be a number of at least 0, got -1"),
        ({"simans_b": float("inf")}, "simans_b must be a number, got inf"),
        ({"quotas": {}}, "quotas must be a mapping of source to number, got {}"),
        ({"quotas": ["bm25"]}, "quotas must be a mapping of source to number, got "),
        ({"quotas": {"bm25": -1}}, "quotas['bm25'] must be a whole number of at least 0, got -1"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(ParameterError) as caught:
        NegativeSampler(**parameters)
    assert message in str(caught.value)


# Quotas


def two_sources() -> MiningExample:
    """Words: p1 p2 p3 p4; dense: p3 p5 p6."""
    corpus = numbered_corpus(6)
    once = found([MiningExample("q", "a query")], corpus, [["p1", "p2", "p3", "p4"]], "words")
    return found(once, corpus, [["p3", "p5", "p6"]], "dense")[0]


def with_quotas(quotas: dict[str, int], number: int = 9, **parameters) -> MiningExample:
    sampler = NegativeSampler(num_negatives=number, quotas=quotas, **parameters)
    return sampler.run(examples=[two_sources()])["examples"][0]


def test_each_source_gives_its_best():
    assert kept(with_quotas({"words": 2, "dense": 1})) == ["p1", "p3", "p5"]
    assert reasons(with_quotas({"words": 2, "dense": 1}))["p6"] == "source quota"


def test_a_candidate_of_two_sources_counts_for_the_first_named():
    # Best ranks: p3 has 1 by dense, so it is among the two best of words as well.
    assert kept(with_quotas({"words": 9, "dense": 0})) == ["p1", "p2", "p3", "p4"]
    assert kept(with_quotas({"dense": 0, "words": 9})) == ["p1", "p2", "p4"]


def test_the_number_of_negatives_still_holds():
    after = with_quotas({"words": 3, "dense": 3}, number=2)
    assert kept(after) == ["p1", "p3"]
    assert set(reasons(after).values()) == {"", "source quota", "not sampled"}


def test_a_source_without_a_quota_is_an_error():
    with pytest.raises(RecordError, match="quotas must name every source; dense found candidates and are not there"):
        with_quotas({"words": 2})


def test_a_quota_of_a_source_that_found_nothing_is_none():
    assert kept(with_quotas({"words": 1, "dense": 1, "generated": 3})) == ["p1", "p5"]


def test_candidates_without_a_source_have_no_quota():
    made = own_candidates([Document(id="g", content="made up")])
    (example,) = found([MiningExample("q", "a query", candidates=made)], numbered_corpus(2), [["p1", "p2"]], "words")
    (after,) = NegativeSampler(num_negatives=9, quotas={"words": 1}).run(examples=[example])["examples"]
    assert kept(after) == ["g", "p1"]


def test_quotas_work_with_random_draws():
    for seed in range(5):
        after = kept(with_quotas({"dense": 1, "words": 2}, strategy="random", seed=seed))
        assert len(after) == 3
        assert len({"p3", "p5", "p6"} & set(after)) == 1
