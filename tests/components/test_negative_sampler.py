from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hand_made import drop, found, kept, numbered_corpus, own_candidates, reasons
from haystack import Document

from hardneg_plugin import MiningExample, NegativeSampler
from hardneg_plugin.components import negative_sampler
from hardneg_plugin.errors import RecordError


def ten(*names: str) -> list[MiningExample]:
    """Queries with p1 … p10 at ranks 1 … 10."""
    queries = [MiningExample(name, f"query {name}") for name in names]
    return found(queries, numbered_corpus(10), [[f"p{number}" for number in range(1, 11)]] * len(names))


def sampled(examples: list[MiningExample], **parameters) -> list[list[str]]:
    return [kept(one) for one in NegativeSampler(**parameters).run(examples=examples)["examples"]]


def test_the_best_ranks_are_taken_by_default():
    after = NegativeSampler().run(examples=ten("q"))["examples"][0]
    assert reasons(after) == {
        "p1": "",
        "p2": "",
        "p3": "",
        **{f"p{number}": "not sampled" for number in range(4, 11)},
    }


def test_top_goes_by_rank_not_by_position():
    corpus = numbered_corpus(3)
    one = found([MiningExample("q", "query")], corpus, [["p1", "p2", "p3"]], source="first")
    two = found(one, corpus, [["p3", "p2", "p1"]], source="second")
    assert sampled(two, num_negatives=1, source="second") == [["p3"]]
    assert sampled(two, num_negatives=1, source="first") == [["p1"]]
    # Best ranks over both: p1 and p3 have 1, p2 has 2.
    assert sampled(two, num_negatives=2) == [["p1", "p3"]]


@pytest.mark.parametrize("strategy", ["top", "random"])
@pytest.mark.parametrize("number", [1, 3, 10, 70])
def test_the_compiled_loop_and_sorting_take_the_same(strategy, number, monkeypatch):
    examples = [drop(ten("q")[0], {"p3": "positive: id"}), *ten("r", "s")]
    sorted_ones = sampled(examples, num_negatives=number, strategy=strategy)
    monkeypatch.setattr(negative_sampler, "COMPILED_FROM_ROWS", 0)
    assert sampled(examples, num_negatives=number, strategy=strategy) == sorted_ones
    monkeypatch.setattr(negative_sampler, "COMPILED_UP_TO", 100)
    assert sampled(examples, num_negatives=number, strategy=strategy) == sorted_ones
    assert [len(one) for one in sorted_ones] == [min(number, 9), min(number, 10), min(number, 10)]


def test_a_window_counts_what_was_retrieved_not_what_is_left():
    one = drop(ten("q")[0], {"p1": "positive: id", "p4": "positive: text"})
    after = NegativeSampler(num_negatives=2, rank_from=3, rank_to=6).run(examples=[one])["examples"][0]
    assert reasons(after) == {
        "p1": "positive: id",
        "p2": "rank window",
        "p3": "",
        "p4": "positive: text",
        "p5": "",
        "p6": "not sampled",
        "p7": "rank window",
        "p8": "rank window",
        "p9": "rank window",
        "p10": "rank window",
    }


def test_a_window_without_an_end():
    assert sampled(ten("q"), num_negatives=99, rank_from=8) == [["p8", "p9", "p10"]]


def test_a_window_of_one_rank():
    assert sampled(ten("q"), num_negatives=3, rank_from=4, rank_to=4) == [["p4"]]


def test_an_example_with_fewer_keeps_what_it_has():
    assert sampled(ten("q"), num_negatives=11, strategy="random") == [[f"p{number}" for number in range(1, 11)]]
    assert sampled(ten("q"), num_negatives=3, rank_from=11) == [[]]


def test_examples_with_different_numbers_of_candidates():
    queries = [MiningExample(name, "query") for name in "abc"]
    mined = found(queries, numbered_corpus(4), [["p4", "p3", "p2"], [], ["p1"]])
    assert sampled(mined, num_negatives=2) == [["p4", "p3"], [], ["p1"]]


def test_a_source_of_its_own_drops_what_it_did_not_find():
    corpus = numbered_corpus(4)
    one = found([MiningExample("q", "query")], corpus, [["p1", "p2"]], source="bm25")
    two = found(one, corpus, [["p2", "p3", "p4"]], source="dense")
    after = NegativeSampler(num_negatives=2, source="dense").run(examples=two)["examples"][0]
    assert reasons(after) == {"p1": "rank window", "p2": "", "p3": "", "p4": "not sampled"}


@pytest.mark.parametrize("strategy", ["top", "random"])
def test_an_unknown_source_is_an_error_that_names_the_known_ones(strategy):
    with pytest.raises(RecordError, match="no source 'dense' among the candidates; known sources: bm25"):
        NegativeSampler(source="dense", strategy=strategy).run(examples=ten("q"))


def test_candidates_without_a_rank_come_last_and_are_in_every_window():
    generated = own_candidates([Document(id="g1", content="made up"), Document(id="g2", content="as well")])
    mined = found([MiningExample("q", "query", candidates=generated)], numbered_corpus(2), [["p1", "p2"]])
    assert sampled(mined, num_negatives=2) == [["p1", "p2"]]
    assert sampled(mined, num_negatives=3) == [["g1", "p1", "p2"]]
    assert sampled(mined, num_negatives=3, rank_from=2) == [["g1", "g2", "p2"]]
    assert sampled(mined, num_negatives=3, source="bm25") == [["p1", "p2"]]


# The random draw


def test_a_draw_depends_on_neither_batch_nor_order():
    names = [f"q{number}" for number in range(40)]
    examples = ten(*names)
    at_once = sampled(examples, strategy="random", seed=3)
    assert [sampled([one], strategy="random", seed=3)[0] for one in examples] == at_once
    assert sampled(examples[::-1], strategy="random", seed=3)[::-1] == at_once
    mixed = list(range(40))
    random.Random(0).shuffle(mixed)
    assert sampled([examples[n] for n in mixed], strategy="random", seed=3) == [at_once[n] for n in mixed]
    assert len({tuple(draw) for draw in at_once}) > 20


def test_a_draw_depends_on_seed_and_query():
    examples = ten("a", "b")
    draws = {seed: sampled(examples, strategy="random", seed=seed) for seed in range(12)}
    assert draws[5] == sampled(examples, strategy="random", seed=5)
    assert len({tuple(first) for first, _ in draws.values()}) > 6
    assert any(first != second for first, second in draws.values())


def test_a_draw_does_not_depend_on_the_other_candidates():
    one = ten("q")[0]
    chosen = sampled([one], strategy="random", seed=1)[0]
    for other in [f"p{number}" for number in range(1, 11) if f"p{number}" not in chosen]:
        assert sampled([drop(one, {other: "a filter"})], strategy="random", seed=1)[0] == chosen
    replaced = sampled([drop(one, {chosen[0]: "a filter"})], strategy="random", seed=1)[0]
    assert set(chosen[1:]) < set(replaced)


def test_a_draw_is_uniform_over_queries():
    # 3 of 10 in 2,000 draws: 600 expected each, a standard deviation of 20.5; five of these.
    draws = sampled(ten(*[f"q{number}" for number in range(2000)]), strategy="random")
    counts = Counter(identifier for draw in draws for identifier in draw)
    assert len(counts) == 10
    assert all(abs(count - 600) < 103 for count in counts.values()), counts


def test_a_draw_is_uniform_over_seeds():
    # 3 of 10 in 500 draws: 150 expected, a standard deviation of 10.2.
    one = ten("q")
    draws = [sampled(one, strategy="random", seed=seed)[0] for seed in range(500)]
    counts = Counter(identifier for draw in draws for identifier in draw)
    assert len(counts) == 10
    assert all(abs(count - 150) < 52 for count in counts.values()), counts


def test_every_pair_is_drawn_about_as_often():
    # Draws within one query must not hang together: 2 of 5 gives 10 pairs, 200 of 2,000 draws each, deviation 13.4.
    queries = [MiningExample(f"q{number}", "query") for number in range(2000)]
    mined = found(queries, numbered_corpus(5), [[f"p{number}" for number in range(1, 6)]] * 2000)
    counts = Counter(tuple(draw) for draw in sampled(mined, num_negatives=2, strategy="random"))
    assert len(counts) == 10
    assert all(abs(count - 200) < 68 for count in counts.values()), counts


def test_own_documents_are_drawn_by_their_id():
    documents = [Document(id=f"g{number}", content=f"made up {number}") for number in range(8)]
    forwards = MiningExample("q", "query", candidates=own_candidates(documents))
    backwards = MiningExample("q", "query", candidates=own_candidates(documents[::-1]))
    draws = [sampled([one], strategy="random", seed=2)[0] for one in (forwards, backwards)]
    assert sorted(draws[0]) == sorted(draws[1])
    assert len(draws[0]) == 3


def test_a_window_narrows_the_draw():
    draws = sampled(ten(*"abcdefgh"), num_negatives=2, strategy="random", rank_from=5, rank_to=7)
    assert {identifier for draw in draws for identifier in draw} == {"p5", "p6", "p7"}


def test_however_sharply_simans_weighs_no_dropped_candidate_takes_a_place():
    gap = np.array([-3e9, 0.0, 2.0, np.inf])
    order = negative_sampler.simans_order(np.arange(4, dtype=np.int64) << 40, gap, 1e300, 0.5)
    assert np.isfinite(order).all()
    last = negative_sampler.mask_last(np.array([True, False, True, True]), order)
    assert np.argsort(last, kind="stable")[-1] == 1
    ranks = np.array([3, 1, 2], np.int64)
    assert np.argsort(negative_sampler.mask_last(np.array([True, False, True]), ranks)).tolist() == [2, 0, 1]
