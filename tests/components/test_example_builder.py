from __future__ import annotations

from dataclasses import replace

import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

from hardneg_plugin import KnownPositiveFilter, MiningExample
from hardneg_plugin.components.example_builder import ExampleBuilder
from hardneg_plugin.components.negative_document_builder import NegativeDocumentBuilder
from hardneg_plugin.errors import ParameterError, RecordError

NILE = Document(id="nile", content="The Nile flows north.", score=3.0)
AMAZON = Document(id="amazon", content="The Amazon flows east.", meta={"page": 4}, score=2.0)
RHINE = Document(id="rhine", content="The Rhine flows north, too.")


def built(**inputs) -> MiningExample:
    inputs = {"query": "which way does the Nile flow", "documents": [], "positives": []} | inputs
    (example,) = ExampleBuilder(source="store").run(**inputs)["examples"]
    return example


def test_documents_become_candidates_with_rank_and_score():
    example = built(documents=[NILE, AMAZON, RHINE], positives=[NILE], query_id="7", language="en")
    assert (example.id, example.language, example.positives) == ("7", "en", (NILE,))
    found = [(one.id, one.text, *vars(one.sources["store"]).values()) for one in example.candidates]
    assert found == [
        ("nile", NILE.content, 1, 3.0),
        ("amazon", AMAZON.content, 2, 2.0),
        ("rhine", RHINE.content, 3, None),
    ]


def test_a_document_that_came_twice_counts_at_its_better_place():
    example = built(documents=[NILE, AMAZON, NILE, RHINE])
    assert [(one.id, one.sources["store"].rank) for one in example.candidates] == [
        ("nile", 1),
        ("amazon", 2),
        ("rhine", 3),
    ]


def test_the_id_of_a_query_is_the_same_every_time_and_another_for_another():
    assert built().id == built(documents=[NILE]).id != built(query="another").id


def test_an_example_without_documents_or_positives():
    assert len(built().candidates) == 0
    assert built(positives=[NILE, RHINE]).positives == (NILE, RHINE)


def test_an_empty_query_is_an_error():
    with pytest.raises(RecordError, match="the query must be a text"):
        built(query=" ")


def test_a_blank_source_is_refused():
    with pytest.raises(ParameterError, match="ExampleBuilder: source must be a name, got ' '"):
        ExampleBuilder(source=" ")


def test_the_way_back_gives_kept_and_dropped_documents_with_provenance():
    example = built(documents=[RHINE, NILE, AMAZON], positives=[NILE], query_id="7")
    (filtered,) = KnownPositiveFilter().run(examples=[example])["examples"]
    result = NegativeDocumentBuilder().run(examples=[filtered])
    assert [(one.meta["passage_id"], one.content, one.score) for one in result["documents"]] == [
        ("rhine", RHINE.content, None),
        ("amazon", AMAZON.content, 2.0),
    ]
    assert result["documents"][1].meta == {
        "page": 4,
        "example_id": "7",
        "passage_id": "amazon",
        "rank": 3,
        "rank_store": 3,
        "score_store": 2.0,
        "dropped": "",
    }
    assert [(one.meta["passage_id"], one.meta["dropped"]) for one in result["dropped"]] == [("nile", "positive: id")]
    assert AMAZON.meta == {"page": 4}


def test_a_plain_haystack_flow_goes_through():
    store = InMemoryDocumentStore()
    store.write_documents([Document(id=one.id, content=one.content) for one in (NILE, AMAZON, RHINE)])
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("examples", ExampleBuilder())
    pipeline.add_component("positives", KnownPositiveFilter())
    pipeline.add_component("negatives", NegativeDocumentBuilder())
    pipeline.connect("retriever.documents", "examples.documents")
    pipeline.connect("examples.examples", "positives.examples")
    pipeline.connect("positives.examples", "negatives.examples")
    question = "which way does the Nile flow north"
    result = pipeline.run({"retriever": {"query": question}, "examples": {"query": question, "positives": [NILE]}})
    assert [one.meta["passage_id"] for one in result["negatives"]["documents"]] == ["rhine", "amazon"]
    assert [one.meta["passage_id"] for one in result["negatives"]["dropped"]] == ["nile"]


def test_a_passage_that_is_negative_for_several_examples_is_a_document_of_each():
    examples = [built(query=f"query {number}", documents=[NILE, AMAZON], query_id=str(number)) for number in range(3)]
    store = InMemoryDocumentStore()
    store.write_documents(NegativeDocumentBuilder().run(examples=examples)["documents"], DuplicatePolicy.OVERWRITE)
    written = store.filter_documents()
    assert sorted((one.meta["example_id"], one.meta["passage_id"]) for one in written) == sorted(
        (example, passage) for example in "012" for passage in ("amazon", "nile")
    )


def test_the_meta_of_negatives_is_flat_and_lacks_what_is_not_known():
    nested = Document(id="n", content="text", meta={"page": {"from": 1}, "tags": ["a"], "none": None})
    (written,) = NegativeDocumentBuilder().run(examples=[built(documents=[nested], query_id="7")])["documents"]
    assert written.meta == {
        "page": '{"from": 1}',
        "tags": '["a"]',
        "example_id": "7",
        "passage_id": "n",
        "rank": 1,
        "rank_store": 1,
        "dropped": "",
    }


# The direction of scores, texts that are missing


def test_distances_become_negative_numbers():
    near, far = replace(NILE, score=0.25), replace(AMAZON, score=1.5)
    assert [one.sources["store"].score for one in built(documents=[near, far]).candidates] == [-0.25, -1.5]
    assert [one.sources["store"].score for one in built(documents=[far, near]).candidates] == [1.5, 0.25]


def test_a_direction_that_the_order_contradicts_is_refused():
    builder = ExampleBuilder(higher_is_better=True)
    documents = [replace(NILE, score=0.25), replace(AMAZON, score=1.5)]
    with pytest.raises(RecordError, match="higher_is_better is true, but the scores of source 'retriever' rise down"):
        builder.run(query="?", documents=documents, positives=[])
    with pytest.raises(ParameterError, match="higher_is_better must be true or false, got 'yes'"):
        ExampleBuilder(higher_is_better="yes")


def test_one_document_says_nothing_about_the_direction_unless_it_is_given():
    (example,) = ExampleBuilder(higher_is_better=False).run(query="?", documents=[NILE], positives=[])["examples"]
    assert example.candidates[0].sources["retriever"].score == -3.0
    assert built(documents=[NILE]).candidates[0].sources["store"].score == 3.0


def test_a_positive_known_by_its_id_alone_gets_the_text_of_the_document():
    example = built(documents=[NILE, AMAZON], positives=[Document(id="nile"), Document(id="elsewhere")])
    assert [one.content for one in example.positives] == [NILE.content, None]


def test_a_document_without_content_is_dropped_with_a_reason():
    example = built(documents=[NILE, Document(id="image"), Document(id="blank", content=" ")])
    assert [one.dropped for one in example.candidates] == ["", "content: missing", "content: missing"]
