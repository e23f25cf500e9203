"""What ``mine_hard_negatives`` gets wrong without a word: each case green here and red there.

A case that the reference passes one day fails as XPASS: then the claim that it does not must go.
"""

from __future__ import annotations

import math

import pytest
from datasets import Dataset

from hardneg_plugin import mine

pytestmark = pytest.mark.integration


def hardneg(pairs, model, corpus, **options):
    options.setdefault("range_max", 20)
    options.pop("use_faiss", None)
    options.pop("cache_folder", None)
    return mine(Dataset.from_list(pairs), model, corpus=corpus, **options).dataset


def reference(pairs, model, corpus, **options):
    from sentence_transformers.util import mine_hard_negatives

    options.setdefault("range_max", 20)
    return mine_hard_negatives(Dataset.from_list(pairs), model, corpus=corpus, verbose=False, **options)


def here_and_there(reason):
    red = pytest.param(reference, marks=pytest.mark.xfail(strict=True, reason=reason))
    return pytest.mark.parametrize("miner", [hardneg, red])


def pair(query, positive):
    return {"query": query, "positive": positive}


def at(degrees, length=1.0):
    return [length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees))]


def negatives(rows):
    return [text for text in rows["negative"] if text is not None]


@here_and_there("the cache is keyed by a name that local checkpoints do not have")
def test_a_second_checkpoint_never_sees_the_vectors_of_the_first(miner, toy_model, tmp_path):
    texts = {"query": at(0), "positive": at(0), "near": at(10), "far": at(80)}
    swapped = {**texts, "near": at(80), "far": at(10)}
    found = []
    for vectors in (texts, swapped):
        model = toy_model(vectors)
        options = {"num_negatives": 1, "cache_folder": str(tmp_path / "cache")}
        found.append(negatives(miner([pair("query", "positive")], model, ["near", "far"], **options)))
    assert found == [["near"], ["far"]]


@here_and_there("with FAISS, cosine candidates are compared with negative distances")
def test_a_euclidean_model_is_mined_by_distance(miner, toy_model):
    vectors = {"query": [0, 0], "positive": [1, 0], "near": [2, 0], "far": [9, 0]}
    model = toy_model(vectors, "euclidean")
    rows = miner(
        [pair("query", "positive")], model, ["far", "near"], num_negatives=1, absolute_margin=0.5, use_faiss=True
    )
    assert negatives(rows) == ["near"]


@here_and_there("vectors are normalised before the search, whatever the model's similarity")
def test_a_dot_product_model_is_mined_by_dot_product(miner, toy_model):
    vectors = {"query": at(0), "positive": at(0, 10), "long": at(60, 8), "short": at(20, 1)}
    rows = miner([pair("query", "positive")], toy_model(vectors, "dot"), ["short", "long"], num_negatives=1)
    assert negatives(rows) == ["long"]


@here_and_there("the margin is measured from the lowest positive")
def test_one_bad_positive_does_not_cost_all_negatives(miner, toy_model):
    vectors = {"query": at(0), "good": at(5), "bad": at(175), "negative": at(60)}
    pairs = [pair("query", "good"), pair("query", "bad")]
    rows = miner(pairs, toy_model(vectors), ["negative"], num_negatives=1, relative_margin=0.05)
    assert set(negatives(rows)) == {"negative"}


@here_and_there("positives are told by their exact string")
def test_a_near_copy_of_the_positive_is_no_negative(miner, toy_model):
    copy = "The river Orma is 74 km long "
    vectors = {"query": at(0), "The river Orma is 74 km long.": at(10), copy: at(11), "Another river": at(40)}
    positive = "The river Orma is 74 km long."
    rows = miner([pair("query", positive)], toy_model(vectors), [copy, "Another river"], num_negatives=1)
    assert negatives(rows) == ["Another river"]


@here_and_there("nothing compares a candidate with the query")
def test_the_query_itself_is_no_negative(miner, toy_model):
    vectors = {"how long is the Orma": at(0), "positive": at(10), "other": at(40)}
    rows = miner(
        [pair("how long is the Orma", "positive")],
        toy_model(vectors),
        ["how long is the Orma", "other"],
        num_negatives=1,
    )
    assert negatives(rows) == ["other"]


def test_a_row_with_fewer_negatives_is_counted_filled_or_kept(toy_model):
    # The reference drops the n-tuple whole, and says nothing.
    model = toy_model({"query": at(0), "positive": at(5), "one": at(40), "two": at(50), "three": at(60)})
    pairs = Dataset.from_list([pair("query", "positive")])
    options = {"corpus": ["one", "two", "three"], "num_negatives": 3, "output_format": "n-tuple", "range_max": 3}
    assert [query.query for query in mine(pairs, model, **options).statistics.left_out_queries] == ["query"]
    (filled,) = mine(pairs, model, **options, on_few_negatives="fill").dataset
    assert [filled[f"negative_{number}"] for number in (1, 2, 3)] == ["one", "two", "three"]
    (kept,) = mine(pairs, model, **options, on_few_negatives="keep").dataset
    assert [kept["negative_1"], kept["negative_2"]] == ["one", "two"]


@here_and_there("range_min counts what survived the margin, not retrieval ranks")
def test_a_rank_window_skips_retrieval_ranks(miner, toy_model):
    # Retrieved in this order; the margin already drops the two above the positive.
    vectors = {"query": at(0), "above-1": at(1), "above-2": at(2), "positive": at(30), "hard": at(45), "easy": at(80)}
    rows = miner(
        [pair("query", "positive")], toy_model(vectors), ["above-1", "above-2", "hard", "easy"],
        num_negatives=1, range_min=2, relative_margin=0.05,
    )  # fmt: skip
    assert negatives(rows) == ["hard"]


@here_and_there("the draw uses the global random state and no seed")
def test_the_same_call_draws_the_same_negatives(miner, toy_model):
    vectors = {"query": at(0), "positive": at(1), **{f"passage {n}": at(20 + n) for n in range(40)}}
    model, corpus = toy_model(vectors), [f"passage {n}" for n in range(40)]
    options = {"num_negatives": 5, "range_max": 40, "sampling_strategy": "random"}
    draws = {tuple(sorted(negatives(miner([pair("query", "positive")], model, corpus, **options)))) for _ in range(5)}
    assert len(draws) == 1
