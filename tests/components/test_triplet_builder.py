from __future__ import annotations

import pytest
from hand_made import drop, found, numbered_corpus, own_candidates
from haystack import Document

from hardneg_plugin import MiningExample, TripletBuilder
from hardneg_plugin.errors import RecordError
from hardneg_plugin.mining import text_columns


def query(name: str, *positives: str) -> MiningExample:
    documents = tuple(Document(id=f"{name}+{number}", content=text) for number, text in enumerate(positives))
    return MiningExample(name, f"query {name}", positives=documents)


def rows(examples: list[MiningExample], **parameters) -> list[dict]:
    return TripletBuilder(**parameters).run(examples=examples)["triplets"].to_list()


@pytest.fixture
def three() -> list[MiningExample]:
    """A query with two candidates left, one with none left of two, and one with one left."""
    mined = found(
        [query("a", "yes a"), query("b", "yes b"), query("c", "yes c")],
        numbered_corpus(4),
        [["p2", "p1", "p3"], ["p1", "p2"], ["p4"]],
    )
    return [drop(mined[0], {"p1": "x"}), drop(mined[1], {"p1": "x", "p2": "y"}), mined[2]]


def test_n_tuples_are_filled_up_with_none(three):
    built = TripletBuilder().run(examples=three)["triplets"]
    assert built.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert built.to_list() == [
        {"anchor": "query a", "positive": "yes a", "negative_1": "passage number 2", "negative_2": "passage number 3"},
        {"anchor": "query b", "positive": "yes b", "negative_1": None, "negative_2": None},
        {"anchor": "query c", "positive": "yes c", "negative_1": "passage number 4", "negative_2": None},
    ]


def test_n_tuples_with_ids(three):
    built = TripletBuilder(ids=True).run(examples=three)["triplets"]
    assert built.column_names[4:] == ["anchor_id", "positive_id", "negative_ids"]
    assert [tuple(row[name] for name in built.column_names[4:]) for row in built] == [
        ("a", "a+0", ["p2", "p3"]),
        ("b", "b+0", []),
        ("c", "c+0", ["p4"]),
    ]


def test_triplets_have_a_row_for_each_negative_and_one_for_a_pair_without(three):
    built = TripletBuilder(shape="triplet", ids=True).run(examples=three)["triplets"]
    assert built.column_names == ["anchor", "positive", "negative", "anchor_id", "positive_id", "negative_ids"]
    assert [(row["anchor_id"], row["positive"], row["negative"], row["negative_ids"]) for row in built] == [
        ("a", "yes a", "passage number 2", ["p2"]),
        ("a", "yes a", "passage number 3", ["p3"]),
        ("b", "yes b", None, []),
        ("c", "yes c", "passage number 4", ["p4"]),
    ]


def test_labeled_lists_put_the_positive_first(three):
    built = TripletBuilder(shape="labeled-list", ids=True).run(examples=three)["triplets"]
    assert built.column_names == ["anchor", "passages", "labels", "anchor_id", "positive_id", "negative_ids"]
    assert built.remove_columns(["anchor_id", "positive_id", "negative_ids"]).to_list() == [
        {
            "anchor": "query a",
            "passages": ["yes a", "passage number 2", "passage number 3"],
            "labels": [1, 0, 0],
        },
        {"anchor": "query b", "passages": ["yes b"], "labels": [1]},
        {"anchor": "query c", "passages": ["yes c", "passage number 4"], "labels": [1, 0]},
    ]


def test_negatives_are_limited(three):
    assert [row["negative_1"] for row in rows(three, num_negatives=1)] == [
        "passage number 2",
        None,
        "passage number 4",
    ]
    assert "negative_2" not in rows(three, num_negatives=1)[0]


def test_the_best_rank_comes_first_over_all_sources():
    corpus = numbered_corpus(4)
    one = found([query("a", "yes")], corpus, [["p3", "p1", "p2"]], source="first")
    two = found(one, corpus, [["p2", "p4"]], source="second")
    # Best ranks: p3 1 (first), p2 1 (second), p1 2 (first), p4 2 (second); equal ones stay in their order.
    assert rows(two, ids=True)[0]["negative_ids"] == ["p3", "p2", "p1", "p4"]


def test_candidates_without_a_rank_come_last():
    generated = own_candidates([Document(id="g", content="made up")])
    example = MiningExample("a", "query a", positives=(Document(id="p", content="yes"),), candidates=generated)
    mined = found([example], numbered_corpus(2), [["p2", "p1"]])
    assert rows(mined, ids=True)[0]["negative_ids"] == ["p2", "p1", "g"]
    assert rows(mined)[0]["negative_3"] == "made up"


def test_each_positive_gets_a_row_with_the_same_negatives():
    mined = found([query("a", "first", "second"), query("b", "third")], numbered_corpus(2), [["p1"], ["p2"]])
    assert [(row["anchor"], row["positive"], row["negative_1"]) for row in rows(mined)] == [
        ("query a", "first", "passage number 1"),
        ("query a", "second", "passage number 1"),
        ("query b", "third", "passage number 2"),
    ]


def test_a_query_without_a_positive_has_no_row():
    mined = found([query("a"), query("b", "yes")], numbered_corpus(2), [["p1", "p2"], ["p2"]])
    assert rows(mined) == [{"anchor": "query b", "positive": "yes", "negative_1": "passage number 2"}]


@pytest.mark.parametrize("shape", ["n-tuple", "triplet"])
def test_without_any_candidate_there_are_pairs(shape):
    assert rows([query("a", "yes")], shape=shape) == [{"anchor": "query a", "positive": "yes"}]


@pytest.mark.parametrize(
    ("shape", "columns"),
    [
        ("n-tuple", ["anchor", "positive"]),
        ("triplet", ["anchor", "positive"]),
        ("labeled-list", ["anchor", "passages", "labels"]),
    ],
)
@pytest.mark.parametrize("ids", [False, True])
def test_no_examples_give_the_columns_of_examples_without_candidates(shape, columns, ids):
    empty = TripletBuilder(shape=shape, ids=ids).run(examples=[])["triplets"]
    pairs = TripletBuilder(shape=shape, ids=ids).run(examples=[query("a", "yes")])["triplets"]
    assert len(empty) == 0
    assert empty.column_names == columns + (["anchor_id", "positive_id", "negative_ids"] if ids else [])
    assert empty.features == pairs.features


def test_texts_of_all_scripts_arrive_unchanged():
    texts = [
        "한강은 서울을 지나",
        "يجري نهر النيل",
        "ไม่มีช่องว่าง",
        "emoji 👩🏽‍🚀 and \u200bzero width",
        "e\u0301 stays",
        "a\tb\nc",
    ]
    examples = [query(f"q{number} {text}", text) for number, text in enumerate(texts)]
    built = rows(examples, ids=True)
    assert [row["positive"] for row in built] == texts
    assert [row["anchor_id"] for row in built] == [example.id for example in examples]


@pytest.mark.parametrize("shape", ["n-tuple", "triplet"])
@pytest.mark.parametrize("most", [None, 1, 2])
@pytest.mark.parametrize("at_once", [1, 40, 1 << 30])
def test_texts_alone_are_those_that_stand_beside_ids(three, shape, most, at_once, monkeypatch):
    monkeypatch.setattr(text_columns, "_BYTES_AT_ONCE", at_once)
    generated = own_candidates([Document(id="g", content="made up"), Document(id="h", content="as well")])
    positives = (Document(id="p", content="yes"), Document(id="q", content="so"))
    own = MiningExample("d", "query d", positives=positives, candidates=generated)
    for examples in (three, [query("e"), *three, query("f", "yes f", "and")], [own, query("g", "yes g")]):
        alone = TripletBuilder(shape=shape, num_negatives=most).run(examples=examples)["triplets"]
        beside = TripletBuilder(shape=shape, num_negatives=most, ids=True).run(examples=examples)["triplets"]
        assert alone.to_list() == beside.select_columns(alone.column_names).to_list()
        assert beside.column_names == [*alone.column_names, "anchor_id", "positive_id", "negative_ids"]


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("content", [None, ""])
def test_a_positive_without_text_is_an_error(content, ids):
    example = MiningExample("a", "query", positives=(Document(id="p", content=content),))
    with pytest.raises(RecordError, match="example 'a': positive 'p' has no text"):
        rows([example], ids=ids)


@pytest.mark.parametrize("shape", ["n-tuple", "labeled-list"])
def test_a_kept_candidate_without_text_is_an_error_and_a_dropped_one_is_not(shape):
    documents = [Document(id="g", content=None), Document(id="h", content="made up")]
    example = MiningExample(
        "a", "query", positives=(Document(id="p", content="yes"),), candidates=own_candidates(documents)
    )
    with pytest.raises(RecordError, match="example 'a': candidate 'g' has no text"):
        rows([example], shape=shape)
    assert rows([drop(example, {"g": "empty"})]) == [{"anchor": "query", "positive": "yes", "negative_1": "made up"}]


def test_the_language_of_the_query_stands_last_where_it_is_asked_for():
    example = MiningExample("q", "질문", (Document(id="p", content="답"),), language="ko")
    for shape in ("n-tuple", "triplet", "labeled-pair", "labeled-list"):
        triplets = TripletBuilder(shape=shape, ids=True, language=True).run(examples=[example])["triplets"]
        assert triplets.column_names[-1] == "language"
        assert set(triplets["language"]) == {"ko"}
    assert "language" not in TripletBuilder().run(examples=[example])["triplets"].column_names
