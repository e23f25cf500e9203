"""The components inside Haystack pipelines: running, copying, failing, pausing."""

from __future__ import annotations

import asyncio
import copy
import json

import pytest
from component_cases import STAGES, named
from haystack import Pipeline, component
from haystack.core.errors import BreakpointException, DeserializationError, PipelineRuntimeError
from haystack.dataclasses.breakpoints import Breakpoint, PipelineSnapshot
from haystack.utils.base_serialization import _deserialize_value_with_schema

from hardneg_plugin import (
    BM25NegativeMiner,
    KnownPositiveFilter,
    MiningExample,
    NegativeSampler,
    RandomNegativeMiner,
    RetrievalEvaluator,
    SentenceTransformersTrainer,
    TripletBuilder,
)
from hardneg_plugin.errors import DatasetError, EvaluationError, ModelError, ParameterError, RecordError

every_stage = pytest.mark.parametrize("case", STAGES, ids=named)


@component
class Spy:
    """Remembers what it was given and hands it on."""

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]):
        self.seen = examples
        return {"examples": examples}


@component
class Broken:
    """Fails whatever it is given."""

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]):
        msg = "out of order"
        raise RuntimeError(msg)


def chain(*parts) -> Pipeline:
    """Connect components by their only socket, under their class names."""
    pipeline = Pipeline()
    for number, part in enumerate(parts):
        pipeline.add_component(type(part).__name__, part)
        if number:
            pipeline.connect(type(parts[number - 1]).__name__, type(part).__name__)
    return pipeline


def mining(spec: str) -> Pipeline:
    return chain(
        BM25NegativeMiner(spec),
        RandomNegativeMiner(spec, top_k=6),
        KnownPositiveFilter(),
        NegativeSampler(num_negatives=2, strategy="random", seed=1),
        TripletBuilder(ids=True),
    )


def by_hand(spec: str, examples: list[MiningExample]) -> list[dict]:
    for part in (
        BM25NegativeMiner(spec),
        RandomNegativeMiner(spec, top_k=6),
        KnownPositiveFilter(),
        NegativeSampler(num_negatives=2, strategy="random", seed=1),
    ):
        examples = part.run(examples=examples)["examples"]
    return TripletBuilder(ids=True).run(examples=examples)["triplets"].to_list()


def given(pipeline: Pipeline, examples: list[MiningExample]) -> dict:
    first = next(iter(pipeline.graph.nodes))
    return {first: {"examples": examples}}


# Running


def test_run_and_run_async_give_what_the_calls_give(spec, examples):
    expected = by_hand(spec, examples)
    ran = mining(spec).run(given(mining(spec), examples))
    ran_async = asyncio.run(mining(spec).run_async(given(mining(spec), examples)))
    assert ran["TripletBuilder"]["triplets"].to_list() == expected
    assert ran_async["TripletBuilder"]["triplets"].to_list() == expected
    assert [row["anchor_id"] for row in expected] == ["q1", "q2", "q3"]
    assert all(len(row["negative_ids"]) == 2 and row["positive_id"] not in row["negative_ids"] for row in expected)


def test_several_runs_of_one_pipeline_agree(spec, examples):
    pipeline = mining(spec)
    first, second = (pipeline.run(given(pipeline, examples))["TripletBuilder"]["triplets"].to_list() for _ in range(2))
    assert first == second


@every_stage
def test_each_stage_alone_in_a_pipeline(case, spec, mined):
    parameters = case.finding("new")
    direct = case.build(spec, **parameters).run(examples=mined)["examples"]
    pipeline = chain(case.build(spec, **parameters))
    assert pipeline.run(given(pipeline, mined))[case.name]["examples"] == direct
    assert asyncio.run(pipeline.run_async(given(pipeline, mined)))[case.name]["examples"] == direct


def test_two_miners_may_feed_one_socket(spec, examples):
    # Haystack concatenates the lists; each example then comes twice and is filtered twice.
    pipeline = Pipeline()
    pipeline.add_component("fork", Spy())
    pipeline.add_component("bm25", BM25NegativeMiner(spec))
    pipeline.add_component("random", RandomNegativeMiner(spec))
    pipeline.add_component("filter", KnownPositiveFilter())
    for miner in ("bm25", "random"):
        pipeline.connect("fork.examples", f"{miner}.examples")
        pipeline.connect(f"{miner}.examples", "filter.examples")
    after = pipeline.run({"fork": {"examples": examples}})["filter"]["examples"]
    assert [one.id for one in after] == ["q1", "q2", "q3"] * 2
    assert all("positive: id" in {candidate.dropped for candidate in one.candidates} for one in after[:3])


# Copying


def test_a_pipeline_hands_on_the_examples_themselves(examples):
    spies = Spy(), KnownPositiveFilter(), NegativeSampler()
    pipeline = chain(*spies)
    pipeline.run(given(pipeline, examples))
    assert all(one is other for one, other in zip(spies[0].seen, examples, strict=True))


@every_stage
def test_deep_copies_of_what_a_stage_returns_are_the_same_objects(case, spec, mined):
    parameters = case.finding("new")
    after = case.build(spec, **parameters).run(examples=mined)["examples"]
    copied = copy.deepcopy(after)
    assert copied is not after
    assert all(one is other for one, other in zip(copied, after, strict=True))
    assert all(one.candidates.table is after[0].candidates.table for one in after)


# Failing


@every_stage
def test_examples_survive_in_the_snapshot_of_a_failed_run(case, spec, mined):
    stage = case.build(spec, **case.finding("new"))
    expected = stage.run(examples=mined)["examples"]
    pipeline = chain(stage, Broken())
    with pytest.raises(PipelineRuntimeError, match="out of order") as caught:
        pipeline.run(given(pipeline, mined))
    snapshot = through_json(caught.value.pipeline_snapshot)
    state = _deserialize_value_with_schema(snapshot.pipeline_state.inputs)
    assert state["Broken"]["examples"] == [{"sender": case.name, "value": expected}]
    original = _deserialize_value_with_schema(snapshot.original_input_data)
    assert original == {case.name: {"examples": mined}}


def failing(name: str, spec: str, tmp_path) -> tuple[Pipeline, type[Exception], str]:
    """A pipeline whose component of that name fails on candidates of BM25, and how."""
    no_model = SentenceTransformersTrainer(str(tmp_path / "m"), "no/such/base/model")
    return {
        "BM25NegativeMiner": (chain(BM25NegativeMiner(spec)), RecordError, "already have a source 'bm25'"),
        "RandomNegativeMiner": (chain(RandomNegativeMiner(spec, source="bm25")), RecordError, "already have a source"),
        "NegativeSampler": (chain(NegativeSampler(source="dense")), RecordError, "no source 'dense'"),
        "SentenceTransformersTrainer": (chain(TripletBuilder(), no_model), ModelError, "no/such/base/model"),
    }[name]


@pytest.mark.parametrize(
    "name", ["BM25NegativeMiner", "RandomNegativeMiner", "NegativeSampler", "SentenceTransformersTrainer"]
)
def test_the_error_is_the_component_s_own(name, spec, mined, tmp_path):
    pipeline, kind, message = failing(name, spec, tmp_path)
    with pytest.raises(PipelineRuntimeError, match=message) as caught:
        pipeline.run(given(pipeline, mined))
    assert isinstance(caught.value.__cause__, kind)
    assert message in str(caught.value.__cause__)
    assert caught.value.component_name == name
    # The snapshot was made: no error of its own took the place of the component's.
    assert through_json(caught.value.pipeline_snapshot).break_point.component_name == name


def test_a_dataset_survives_in_the_snapshot_of_a_failed_training(spec, mined, tmp_path):
    pipeline, _, message = failing("SentenceTransformersTrainer", spec, tmp_path)
    with pytest.raises(PipelineRuntimeError, match=message) as caught:
        pipeline.run(given(pipeline, mined))
    state = through_json(caught.value.pipeline_snapshot).pipeline_state.inputs
    rows = state["serialized_data"]["SentenceTransformersTrainer"]["triplets"][0]["value"]
    assert rows["anchor"] == [example.query for example in mined]


# What is wrong is found before anything runs


def test_a_missing_corpus_stops_a_pipeline_before_its_first_component(tmp_path, mined, spec):
    spy = Spy()
    pipeline = chain(spy, BM25NegativeMiner(f"beir:{tmp_path / 'nowhere'}"))
    with pytest.raises(DatasetError, match="no such folder"):
        pipeline.run(given(pipeline, mined))
    assert not hasattr(spy, "seen")


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"learning_rate": -1.0}, ParameterError, "learning_rate must be auto or a number above 0, got -1.0"),
        ({"seed": -1}, ParameterError, "seed must be a whole number from 0"),
        ({"save_steps": -1}, ParameterError, "save_steps must be 0"),
        ({"arguments": {"weight_decai": 0.1}}, ParameterError, "no training argument 'weight_decai'"),
        ({"arguments": {"max_steps": 3}}, ParameterError, "max_steps cannot be passed through"),
    ],
)
def test_a_wrong_training_stops_a_pipeline_before_its_first_component(parameters, kind, message, mined, tmp_path):
    spy = Spy()
    trainer = SentenceTransformersTrainer(str(tmp_path / "m"), "models/base", **parameters)
    pipeline = chain(spy, TripletBuilder(), trainer)
    with pytest.raises(kind, match=message):
        pipeline.run(given(pipeline, mined))
    assert not hasattr(spy, "seen")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"metrics": ["Accuracy@ten"]}, EvaluationError, "Accuracy@ten"),
        ({"split": "dev"}, DatasetError, "no split 'dev'; splits: test, train"),
    ],
)
def test_a_wrong_evaluation_is_found_when_warming_up(parameters, kind, message, spec):
    with pytest.raises(kind, match=message):
        RetrievalEvaluator(spec, **parameters).warm_up()


# Pausing


def through_json(snapshot: PipelineSnapshot) -> PipelineSnapshot:
    return PipelineSnapshot.from_dict(json.loads(json.dumps(snapshot.to_dict())))


def paused(pipeline: Pipeline, examples: list[MiningExample], at: str) -> PipelineSnapshot:
    with pytest.raises(BreakpointException) as caught:
        pipeline.run(given(pipeline, examples), break_point=Breakpoint(component_name=at))
    return through_json(caught.value.pipeline_snapshot)


@pytest.mark.parametrize("at", ["RandomNegativeMiner", "KnownPositiveFilter", "NegativeSampler", "TripletBuilder"])
def test_a_paused_pipeline_goes_on_from_its_snapshot(at, spec, examples):
    snapshot = paused(mining(spec), examples, at)
    resumed = mining(spec).run({}, pipeline_snapshot=snapshot)
    assert resumed["TripletBuilder"]["triplets"].to_list() == by_hand(spec, examples)


def test_going_on_needs_the_allow_list(spec, examples, monkeypatch):
    snapshot = paused(mining(spec), examples, "NegativeSampler")
    monkeypatch.delenv("HAYSTACK_DESERIALIZATION_ALLOWLIST")
    with pytest.raises(DeserializationError, match=r"hardneg_plugin\.records"):
        mining(spec).run({}, pipeline_snapshot=snapshot)


def test_a_snapshot_names_the_corpus_and_holds_no_text_of_it(spec, examples):
    snapshot = paused(mining(spec), examples, "KnownPositiveFilter")
    text = json.dumps(snapshot.pipeline_state.to_dict(), ensure_ascii=False)
    assert "Honey bees dance" in text  # a positive
    assert "The Nile flows north" not in text  # a candidate


def test_telemetry_is_off_in_tests():
    from haystack.telemetry import _telemetry

    assert _telemetry.telemetry is None
