from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hand_made import corpus_of, drop, found, numbered_corpus, own_candidates, reasons
from haystack import Document, Pipeline, component

from hardneg_plugin import BM25NegativeMiner, MiningExample, RandomNegativeMiner
from hardneg_plugin.components.example_joiner import ExampleJoiner
from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import table_of, with_table
from hardneg_plugin.records.scores import with_scores


def joined(*examples: MiningExample) -> list[MiningExample]:
    return ExampleJoiner().run(examples=list(examples))["examples"]


def sources(example: MiningExample) -> dict[str, dict[str, tuple[int, float | None]]]:
    return {
        one.id: {name: tuple(vars(position).values()) for name, position in one.sources.items()}
        for one in example.candidates
    }


def query(name: str = "q", **values) -> MiningExample:
    return MiningExample(name, f"query {name}", **values)


def test_one_passage_of_two_branches_becomes_one_candidate_of_both():
    corpus = numbered_corpus(4)
    words, dense = (
        found([query()], corpus, [ids], name) for ids, name in ((["p1", "p2"], "words"), (["p2", "p3"], "dense"))
    )
    (one,) = joined(*words, *dense)
    assert sources(one) == {
        "p1": {"words": (1, 10.0)},
        "p2": {"words": (2, 9.0), "dense": (1, 10.0)},
        "p3": {"dense": (2, 9.0)},
    }


def test_examples_come_in_the_order_of_their_first_appearance():
    corpus = numbered_corpus(5)
    words = found([query("b"), query("a")], corpus, [["p1"], ["p2"]], "words")
    dense = found([query("a"), query("c"), query("b")], corpus, [["p3"], ["p4"], ["p1", "p5"]], "dense")
    after = joined(*words, *dense)
    assert [one.id for one in after] == ["b", "a", "c"]
    assert [list(sources(one)) for one in after] == [["p1", "p5"], ["p2", "p3"], ["p4"]]
    assert sources(after[0])["p1"] == {"words": (1, 10.0), "dense": (1, 10.0)}


def test_joining_gives_what_mining_in_a_row_gives(spec, examples):
    bm25, chance = BM25NegativeMiner(spec), RandomNegativeMiner(spec, top_k=4)
    in_a_row = chance.run(examples=bm25.run(examples=examples)["examples"])["examples"]
    parallel = [*bm25.run(examples=examples)["examples"], *chance.run(examples=examples)["examples"]]
    assert joined(*parallel) == in_a_row


def test_examples_of_one_branch_come_out_as_they_went_in(mined):
    assert joined(*mined) == mined
    assert joined(*mined, *mined) == mined


def test_what_one_branch_dropped_is_dropped():
    corpus = numbered_corpus(3)
    (words,) = found([query()], corpus, [["p1", "p2"]], "words")
    (dense,) = found([query()], corpus, [["p2", "p3"]], "dense")
    (one,) = joined(drop(words, {"p1": "first"}), drop(dense, {"p2": "second", "p3": "third"}))
    assert reasons(one) == {"p1": "first", "p2": "second", "p3": "third"}
    (one,) = joined(drop(words, {"p2": "first"}), drop(dense, {"p2": "second"}))
    assert reasons(one)["p2"] == "first"


def test_an_own_document_with_the_id_of_a_corpus_passage_is_that_passage():
    corpus = corpus_of({"p1": "text one", "p2": "text two"})
    (words,) = found([query()], corpus, [["p1"]], "words")
    store = query(candidates=own_candidates([Document(id="p1", content="text one"), Document(id="x", content="other")]))
    (one,) = joined(store, words)
    assert sources(one) == {"p1": {"words": (1, 10.0)}, "x": {}}
    assert [candidate.text for candidate in one.candidates] == ["text one", "other"]


def test_own_documents_are_one_by_their_id():
    one, other = (query(candidates=own_candidates([Document(id="g", content="made up")])) for _ in range(2))
    assert len(joined(one, other)[0].candidates) == 1


def test_scores_of_candidates_and_positives_are_put_together():
    corpus = numbered_corpus(3)
    documents = {name: Document(id=name, content=name) for name in "abc"}

    def branch(
        source: str, ids: list[str], positives: str, scores: list[float], of_positives: list[float]
    ) -> MiningExample:
        (one,) = found([query(positives=[documents[name] for name in positives])], corpus, [ids], source)
        values = (np.array(numbers, dtype=np.float32) for numbers in (scores, of_positives))
        return with_table([one], with_scores(table_of([one]), "m", *values))[0]

    (one,) = joined(
        branch("words", ["p1", "p2"], "ab", [1, 2], [7, 8]), branch("dense", ["p3", "p2"], "cb", [3, 2], [9, 8])
    )
    assert [document.id for document in one.positives] == ["a", "b", "c"]
    assert one.candidates.positive_scores == {"m": [7.0, 8.0, 9.0]}
    assert {candidate.id: candidate.scores["m"] for candidate in one.candidates} == {"p1": 1, "p2": 2, "p3": 3}
    with pytest.raises(RecordError, match="example 'q': a positive has two different values of 'm'"):
        joined(branch("words", ["p1"], "a", [1], [7]), branch("dense", ["p2"], "a", [1], [6]))


def test_two_miners_of_one_name_must_agree():
    corpus = numbered_corpus(3)
    first, second = (found([query("z"), query()], corpus, [["p3"], ids]) for ids in (["p1", "p2"], ["p2", "p1"]))
    with pytest.raises(RecordError, match="example 'q': a candidate has two different values of 'bm25'"):
        joined(*first, *second)


def test_facts_are_put_together():
    one = query(answers=("x", "y"), meta={"a": 1}, language="en")
    other = query(answers=("y", "z"), meta={"a": 1, "b": [2]})
    (after,) = joined(other, one)
    assert (after.answers, dict(after.meta), after.language) == (("y", "z", "x"), {"a": 1, "b": [2]}, "en")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (MiningExample("q", "another"), "differ in its query: 'query q' and 'another'"),
        (query(language="de"), "differ in its language: 'en' and 'de'"),
        (query(meta={"a": 2}), "differ in its meta 'a': 1 and 2"),
        (query(positives=[Document(id="p", content="new")]), "differ in its positive 'p': 'old' and 'new'"),
    ],
)
def test_examples_that_contradict_each_other_are_an_error(other, message):
    one = query(language="en", meta={"a": 1}, positives=[Document(id="p", content="old")])
    with pytest.raises(RecordError, match=f"example 'q': two branches {message}"):
        joined(one, other)


def test_different_corpora_are_an_error():
    first, second = (found([query()], numbered_corpus(size), [["p1"]], f"of {size}") for size in (2, 3))
    with pytest.raises(RecordError, match="different corpora"):
        joined(*first, *second)


@component
class Fork:
    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]):
        return {"examples": examples}


def test_two_branches_of_a_pipeline_are_joined(spec, examples):
    pipeline = Pipeline()
    pipeline.add_component("fork", Fork())
    pipeline.add_component("bm25", BM25NegativeMiner(spec))
    pipeline.add_component("random", RandomNegativeMiner(spec))
    pipeline.add_component("join", ExampleJoiner())
    for miner in ("bm25", "random"):
        pipeline.connect("fork.examples", f"{miner}.examples")
        pipeline.connect(f"{miner}.examples", "join.examples")
    data = {"fork": {"examples": examples}}
    ran, ran_async = pipeline.run(data)["join"]["examples"], asyncio.run(pipeline.run_async(data))["join"]["examples"]
    assert [one.id for one in ran] == ["q1", "q2", "q3"]
    assert all(set(one.candidates.table.ranks) == {"bm25", "random"} for one in ran)
    assert {one.id: sources(one) for one in ran} == {one.id: sources(one) for one in ran_async}
