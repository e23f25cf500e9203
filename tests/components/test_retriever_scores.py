"""The order and the direction of what retrievers find: distances, sorting wrappers, SuperComponents."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hand_made import found, numbered_corpus
from haystack import Document, Pipeline, SuperComponent, component, default_to_dict, super_component
from haystack.components.retrievers import MultiRetriever, TextEmbeddingRetriever

from hardneg_plugin import FusionRanker, MiningExample, PositiveAwareFilter
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import table_of, with_scores, with_table

COUNT = 12


@component
class OneNumber:
    """Embeds a text that is a number; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        self.calls += 1
        return {"embedding": [float(text)]}


@component
class Line:
    """A store of the numbers below 12 whose score is the distance, or its negative; nearest first."""

    def __init__(self, sign: int = 1) -> None:
        self.sign = sign

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, sign=self.sign)

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = 10
    ) -> dict[str, Any]:
        near = sorted(range(COUNT), key=lambda number: (abs(number - query_embedding[0]), number))[:top_k]
        documents = [
            Document(id=f"d{n}", content=f"number {n}", score=self.sign * abs(n - query_embedding[0])) for n in near
        ]
        return {"documents": documents}


@component
class Upside(Line):
    """The same with the farthest of them first."""

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = 10
    ) -> dict[str, Any]:
        return {"documents": Line.run(self, query_embedding, filters, top_k)["documents"][::-1]}


@component
class HeldBack(Line):
    """A retriever that requires more than a vector."""

    @component.output_types(documents=list[Document])
    def run(self, query_embedding: list[float], query_sparse_embedding: dict[str, Any]) -> dict[str, Any]:
        return Line.run(self, query_embedding)


def asked(count: int = COUNT) -> list[MiningExample]:
    return [MiningExample(f"q{n}", str(n), (Document(id=f"d{n}", content=f"number {n}"),)) for n in range(count)]


def mined(retriever: Any, examples: list[MiningExample] | None = None, **parameters: Any) -> list[MiningExample]:
    miner = RetrieverNegativeMiner(retriever, source="line", **{"top_k": 6} | parameters)
    return miner.run(examples=examples or asked())["examples"]


def ranked(example: MiningExample) -> list[tuple[str, float | None]]:
    candidates = sorted(example.candidates, key=lambda one: one.sources["line"].rank)
    return [(one.id, one.sources["line"].score) for one in candidates]


def straight(sign: int = 1) -> SuperComponent:
    """Text embedder and retriever in a pipeline, which sorts nothing."""
    pipeline = Pipeline()
    pipeline.add_component("embedder", OneNumber())
    pipeline.add_component("retriever", Line(sign))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    return SuperComponent(
        pipeline,
        input_mapping={"query": ["embedder.text"], "top_k": ["retriever.top_k"]},
        output_mapping={"retriever.documents": "documents"},
    )


# Order and direction


def wrapped(sign: int) -> dict[str, Any]:
    return {"retriever": TextEmbeddingRetriever(retriever=Line(sign), text_embedder=OneNumber())}


def parts(sign: int) -> dict[str, Any]:
    return {"retriever": Line(sign), "text_embedder": OneNumber()}


@pytest.mark.parametrize("made", [wrapped, parts, lambda sign: {"retriever": straight(sign)}])
@pytest.mark.parametrize("sign", [1, -1], ids=["distance", "similarity"])
def test_the_nearest_come_first_and_a_larger_score_is_better(made, sign):
    assert ranked(mined(**made(sign))[5]) == [("d5", 0), ("d4", -1), ("d6", -1), ("d3", -2), ("d7", -2), ("d2", -3)]


async def test_the_same_asynchronously():
    miner = RetrieverNegativeMiner(**wrapped(1), source="line", top_k=6)
    assert (await miner.run_async(examples=asked()))["examples"] == mined(**wrapped(1))


def test_what_turns_distances_around_inside_a_retriever_is_named():
    inside = MultiRetriever(retrievers={"dense": wrapped(1)["retriever"]})
    message = (
        "inside MultiRetriever a TextEmbeddingRetriever sorts by score, highest first, but the scores of Line are "
        "distances.* SuperComponent of a pipeline text embedder → retriever"
    )
    with pytest.raises(ParameterError, match=message):
        mined(inside)
    similar = mined(MultiRetriever(retrievers={"dense": wrapped(-1)["retriever"]}))
    assert ranked(similar[5])[0][0] == "d5"
    assert ranked(mined(MultiRetriever(retrievers={"dense": straight(1)}))[5])[0][0] == "d5"


def test_known_positives_that_stand_last_end_in_an_error():
    with pytest.raises(RecordError, match="in 12 of 12 examples the known positive stands among the last of what Up"):
        mined(Upside(), text_embedder=OneNumber())
    # Nine examples are too few to tell.
    assert ranked(mined(Upside(), asked(9), text_embedder=OneNumber())[5])[-1][0] == "d5"


def test_a_direction_that_is_given_is_checked_against_the_order():
    assert ranked(mined(**parts(1), higher_is_better=False)[0])[1] == ("d1", -1)
    assert ranked(mined(**parts(-1), higher_is_better=True)[0])[1] == ("d1", -1)
    with pytest.raises(RecordError, match="higher_is_better is true, but the scores of source 'line' rise down"):
        mined(**parts(1), higher_is_better=True)
    with pytest.raises(RecordError, match="higher_is_better is false, but the scores of source 'line' fall down"):
        mined(**parts(-1), higher_is_better=False)


def test_with_one_candidate_a_query_a_given_direction_counts():
    assert {ranked(example)[0][1] for example in mined(**parts(1), top_k=1, higher_is_better=False)} == {0}


# What a retriever takes


def test_a_decorated_super_component_is_a_retriever():
    @super_component
    class Rewriting:
        def __init__(self) -> None:
            self.pipeline = straight(1).pipeline
            self.input_mapping = {"query": ["embedder.text"]}
            self.output_mapping = {"retriever.documents": "documents"}

    # It takes no top_k: its own ten are cut.
    assert [len(example.candidates) for example in mined(Rewriting(), top_k=4)] == [4] * COUNT


def test_inputs_that_a_query_alone_does_not_give_are_named():
    message = "HeldBack also requires query_sparse_embedding, which a query alone does not give; wrap it in a Super"
    with pytest.raises(ParameterError, match=message):
        RetrieverNegativeMiner(HeldBack(), text_embedder=OneNumber())


def test_sockets_with_other_names_are_named():
    pipeline = straight().pipeline
    named = {"input_mapping": {"text": ["embedder.text"]}, "output_mapping": {"retriever.documents": "documents"}}
    with pytest.raises(ParameterError, match="got SuperComponent, whose inputs are text; .* input_mapping"):
        RetrieverNegativeMiner(SuperComponent(pipeline, **named))
    named = {"input_mapping": {"query": ["embedder.text"]}, "output_mapping": {"retriever.documents": "found"}}
    with pytest.raises(ParameterError, match="must answer with `documents`, its outputs are found"):
        RetrieverNegativeMiner(SuperComponent(straight().pipeline, **named))
    with pytest.raises(ParameterError, match="filters: SuperComponent takes none"):
        RetrieverNegativeMiner(straight(), filters={"field": "id", "operator": "==", "value": "d1"})


def test_an_embedder_too_many_and_a_class_are_refused():
    with pytest.raises(ParameterError, match="the TextEmbeddingRetriever has one already"):
        RetrieverNegativeMiner(**wrapped(1), text_embedder=OneNumber())
    with pytest.raises(ParameterError, match="which takes a query itself; leave text_embedder out"):
        RetrieverNegativeMiner(straight(), text_embedder=OneNumber())
    with pytest.raises(ParameterError, match="got the class OneNumber; give an instance of it"):
        RetrieverNegativeMiner(Line(), text_embedder=OneNumber)


# What must not take distances for similarities


def distances(examples: list[MiningExample]) -> list[MiningExample]:
    """Examples of a corpus with three candidates each, ranked by the distances 1, 2 and 3."""
    given = found(examples, numbered_corpus(6), [["p1", "p2", "p3"]] * len(examples))
    given = found(given, numbered_corpus(6), [["p3", "p4", "p1"]] * len(examples), source="far")
    table = table_of(given)
    ranks = table.ranks["far"]
    scores = np.where(ranks > 0, ranks, np.nan).astype(np.float32)
    return with_table(given, table.__class__(**vars(table) | {"source_scores": {**table.source_scores, "far": scores}}))


def test_fusion_adds_no_distances():
    examples = distances([MiningExample("q", "?")])
    with pytest.raises(RecordError, match="the scores of source 'far' are distances: they rise .* use reciprocal_rank"):
        FusionRanker(method="score_sum").run(examples=examples)
    FusionRanker().run(examples=examples)


@pytest.mark.parametrize("count", [19, 20])
def test_no_margin_is_applied_to_distances(count):
    positives = (Document(id="pos", content="positive"),)
    examples = distances([MiningExample(f"q{n}", "?", positives) for n in range(count)])
    table = table_of(examples)
    scored = with_scores(table, "judge", np.full(len(table.passages), 2, np.float32), np.full(count, 1, np.float32))
    examples = with_table(examples, scored)
    if count < 20:
        after = PositiveAwareFilter(scorer="judge").run(examples=examples)["examples"]
        assert {one.dropped for example in after for one in example.candidates} == {"margin: relative"}
        return
    with pytest.raises(RecordError, match="'judge' put the positive below nearly all candidates in 20 of 20 examples"):
        PositiveAwareFilter(scorer="judge").run(examples=examples)


def test_the_direction_is_said_once_it_is_learned(caplog):
    with caplog.at_level(logging.INFO):
        mined(**parts(1))
    assert "the scores of source line are distances; they are kept as negative numbers" in caplog.text
