"""What Haystack asks of every component, driven by the table in component_cases.py."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json

import pytest
from component_cases import CASES, STAGES, TAKES_CORPUS, TAKES_EXAMPLES, named
from hand_made import own_candidates, with_scores_by_m
from haystack import Document, Pipeline, component
from haystack.core.errors import DeserializationError, PipelineConnectError
from haystack.core.serialization import component_from_dict, component_to_dict
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import MiningExample
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.registry import TABLE
from hardneg_plugin.errors import ParameterError

every = pytest.mark.parametrize("case", CASES, ids=named)
every_stage = pytest.mark.parametrize("case", STAGES, ids=named)
every_taker = pytest.mark.parametrize("case", TAKES_EXAMPLES, ids=named)
every_corpus = pytest.mark.parametrize("case", TAKES_CORPUS, ids=named)


def parameters_of(instance, case):
    return {name: getattr(instance, name) for name in [*case.required, *case.defaults]}


def written_form(parameters):
    """Parameters as YAML has them: objects as dictionaries."""
    return {name: value.to_dict() if hasattr(value, "to_dict") else value for name, value in parameters.items()}


def test_the_table_has_every_component():
    table = [row for row in TABLE if row.kind != "chat generator"]
    assert {case.name: case.module for case in CASES} == {row.name: row.module for row in table}
    assert {case.name for case in STAGES} == {row.name for row in table if row.stage}


# Construction


@every
def test_parameters_are_those_of_the_table_in_order(case):
    parameters = dict(inspect.signature(type(case.build()).__init__).parameters)
    # The last two are what a class without an __init__ of its own has.
    parameters = {name: parameters[name] for name in parameters if name not in ("self", "args", "kwargs")}
    assert list(parameters) == [*case.required, *case.defaults]
    assert {name: parameters[name].default for name in case.defaults} == dict(case.defaults)


@every
def test_defaults_are_kept_under_their_own_names(case):
    assert parameters_of(case.build(), case) == {**case.required, **case.defaults}


@every
def test_custom_values_are_kept_under_their_own_names(case):
    assert set(case.custom) == set(case.defaults) - set(case.in_place_of_required)
    assert all(case.custom[name] != case.defaults[name] for name in case.custom)
    assert parameters_of(case.build(**case.custom), case) == {**case.required, **case.defaults, **case.custom}


@pytest.mark.parametrize(
    ("case", "parameters", "message"),
    [(case, parameters, message) for case in CASES for parameters, message in case.bad],
    ids=[f"{case.name}-{parameters}" for case in CASES for parameters, _ in case.bad],
)
def test_bad_parameters_are_refused(case, parameters, message):
    with pytest.raises(ParameterError) as caught:
        case.build(**parameters)
    assert message in str(caught.value)
    # The settings of a training are checked in the package below, which knows no component.
    assert str(caught.value).startswith(f"{case.name}: ") or case.name == "SentenceTransformersTrainer"


@every
def test_construction_opens_nothing(case, cache_folder):
    case.build("beir:no/such/folder")
    assert not cache_folder.exists()


# Serialisation


@every
def test_the_written_form_is_exact(case):
    assert component_to_dict(case.build(), "it") == {
        "type": case.type,
        "init_parameters": written_form({**case.required, **case.defaults}),
    }


@every
def test_custom_values_survive_a_round_trip_through_json(case):
    first = case.build(**case.custom)
    written = json.loads(json.dumps(component_to_dict(first, "it")))
    second = component_from_dict(type(first), written, "it")
    expected = written_form({**case.required, **case.defaults, **case.custom})
    assert written_form(parameters_of(second, case)) == written_form(parameters_of(first, case)) == expected


@every
def test_reading_leaves_its_input_alone(case):
    if case.name == "RetrieverNegativeMiner" or "chat_generator" in {**case.required, **case.custom}:
        pytest.skip("Haystack's own retrievers and its mock of a chat generator build themselves in place")
    written = component_to_dict(case.build(**case.custom), "it")
    before = copy.deepcopy(written)
    component_from_dict(type(case.build()), written, "it")
    assert written == before


@every
def test_an_unknown_parameter_is_refused_by_name(case):
    written = component_to_dict(case.build(), "it")
    written["init_parameters"]["top_q"] = 3
    with pytest.raises(TypeError, match="top_q|takes no arguments"):
        component_from_dict(type(case.build()), written, "it")


@every_corpus
def test_a_document_store_is_written_nested_and_built_again(case):
    store = InMemoryDocumentStore(bm25_algorithm="BM25Plus")
    instance = case.build(**{"corpus": store})
    written = component_to_dict(instance, "it")
    before = copy.deepcopy(written)
    assert written["init_parameters"]["corpus"] == store.to_dict()
    assert set(written["init_parameters"]["corpus"]) == {"type", "init_parameters"}
    again = component_from_dict(type(instance), written, "it")
    assert written == before
    assert isinstance(again.corpus, InMemoryDocumentStore)
    assert again.corpus.to_dict() == store.to_dict()
    assert component_to_dict(again, "it") == before


@every
def test_a_pipeline_of_one_is_dumped_and_loaded(case):
    pipeline = Pipeline()
    pipeline.add_component("it", case.build(**case.custom))
    text = pipeline.dumps()
    assert f"type: {case.type}" in text
    assert Pipeline.loads(text).dumps() == text


@every
def test_loading_needs_the_allow_list(case, monkeypatch):
    pipeline = Pipeline()
    pipeline.add_component("it", case.build())
    text = pipeline.dumps()
    monkeypatch.delenv("HAYSTACK_DESERIALIZATION_ALLOWLIST")
    with pytest.raises(DeserializationError, match="not on the trusted-module allowlist"):
        Pipeline.loads(text)
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "hardneg_plugin")
    assert Pipeline.loads(text).dumps() == text


# Sockets


@every
def test_sockets_are_those_of_the_table(case):
    pipeline = Pipeline()
    pipeline.add_component("it", case.build())
    inputs, outputs = pipeline.inputs()["it"], pipeline.outputs(include_components_with_connected_outputs=True)["it"]
    assert tuple(inputs) == case.inputs
    optional = [name for name, socket in inputs.items() if not socket["is_mandatory"]]
    assert tuple(optional) == case.optional
    assert tuple(outputs) == case.outputs


@every_taker
def test_examples_are_typed_on_the_socket(case):
    pipeline = Pipeline()
    pipeline.add_component("it", case.build())
    assert pipeline.inputs()["it"]["examples"]["type"] == list[MiningExample]
    pipeline.add_component("documents", DocumentsOut())
    with pytest.raises(PipelineConnectError):
        pipeline.connect("documents.documents", "it.examples")


@component
class DocumentsOut:
    @component.output_types(documents=list[Document])
    def run(self):
        return {"documents": []}


# Running


@every_taker
def test_no_examples_give_every_output_and_open_nothing(case, cache_folder):
    result = case.build("beir:no/such/folder").run(examples=[])
    assert set(result) == set(case.outputs)
    assert all(len(value) == 0 for value in result.values())
    assert not cache_folder.exists()


@every_taker
def test_every_declared_output_is_there(case, spec, examples):
    assert set(case.build(spec).run(examples=examples)) == set(case.outputs)


@every_stage
def test_examples_come_back_in_order_with_everything_but_candidates_unchanged(case, spec, mined):
    after = case.build(spec, **case.finding("new")).run(examples=mined)["examples"]
    assert [(one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in after] == [
        (one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in mined
    ]
    assert all(one.candidates.table is after[0].candidates.table for one in after)


@every_taker
def test_inputs_are_not_changed(case, spec, mined):
    before = [example.to_dict() for example in mined]
    given = list(mined)
    case.build(spec, **case.finding("new")).run(examples=given)
    assert given == mined
    assert all(one is other for one, other in zip(given, mined, strict=True))
    assert [example.to_dict() for example in mined] == before


@every_taker
def test_the_same_input_gives_the_same_output(case, spec, examples):
    first, second = (case.build(spec).run(examples=examples) for _ in range(2))
    assert plain(first) == plain(second)


@every_stage
def test_examples_one_by_one_give_what_all_at_once_give(case, spec, examples, mined):
    given = examples if case.finding("new") else mined
    instance = case.build(spec)
    at_once = instance.run(examples=given)["examples"]
    one_by_one = [instance.run(examples=[example])["examples"][0] for example in given]
    reverse = instance.run(examples=given[::-1])["examples"][::-1]
    assert at_once == one_by_one == reverse


@every_stage
def test_examples_of_different_runs_may_be_mixed(case, spec, mined):
    # Their candidates lie in two tables; one example brings candidates of its own.
    parts = [*case.build(spec, **case.finding("a")).run(examples=mined[:2])["examples"]]
    generated = [MiningExample("g", "a generated one", candidates=own_candidates([Document(content="made up")]))]
    generated = with_scores_by_m(generated)
    instance = case.build(spec, **case.finding("b"))
    after = instance.run(examples=[*generated, parts[1], mined[2], parts[0]])["examples"]
    assert [one.id for one in after] == ["g", "q2", "q3", "q1"]
    assert after[0].candidates[0].text == "made up"
    assert [one.id for one in after[1].candidates][: len(mined[1].candidates)] == ["p2", "p9", "p4", "p3"]


def plain(values):
    """Inputs or outputs as plain values: lists of records, a dataset, a text."""
    return {
        name: [one.to_dict() for one in value] if isinstance(value, list) else value.to_dict()
        for name, value in values.items()
        if not isinstance(value, str)
    }


def inputs_of(case, examples):
    if case in TAKES_EXAMPLES:
        return {"examples": examples}
    documents = [Document(id="d1", content="found"), Document(id="d2", content="also found", score=1.5)]
    return {"query": "a query", "documents": documents, "positives": documents[:1]}


@pytest.mark.parametrize("case", [case for case in CASES if "model" not in case.outputs + case.inputs], ids=named)
def test_run_and_run_async_of_a_pipeline_give_what_the_call_gives(case, spec, mined):
    inputs = inputs_of(case, mined)
    before = copy.deepcopy(plain(inputs))
    expected = plain(case.build(spec, **case.finding("new")).run(**inputs))
    pipeline = Pipeline()
    pipeline.add_component("it", case.build(spec, **case.finding("new")))
    loaded = Pipeline.loads(pipeline.dumps())
    assert set(expected) == set(case.outputs)
    assert plain(loaded.run({"it": inputs})["it"]) == expected
    assert plain(asyncio.run(pipeline.run_async({"it": inputs}))["it"]) == expected
    assert plain(inputs) == before


@every_stage
def test_what_the_engine_asks_for_is_there(case):
    stage = case.build()
    assert isinstance(stage, StageComponent)
    assert type(stage.version) is int
    assert stage.asks_model is (case.name in ("LLMNegativeClassifier", "LLMNegativeGenerator"))
    assert set(stage.ignored_parameters()) <= {*case.required, *case.defaults}
    assert set(stage.replayable or ()) <= {*case.required, *case.defaults}
    assert stage.kept_candidates(1) == 1
    # What adds candidates names their source; one that leaves their number to a retriever has no number.
    adds = {"top_k", "num_passages"} & {*case.required, *case.defaults}
    assert stage.added_candidates == sum(getattr(stage, name) for name in adds)
    assert bool(stage.added_source) is (case.finding("new").keys() == {"source"}) or case.name == "LLMNegativeGenerator"


@every_stage
def test_the_halves_of_a_stage_make_the_whole(case, spec, examples, mined):
    given = examples if case.finding("new") else mined
    stage = case.build(spec)
    assert stage.add(given, stage.search(given)) == stage.run(examples=given)["examples"]


@every_stage
def test_a_stage_that_is_told_how_many_come_gives_the_same(case, spec, examples, mined):
    given = examples if case.finding("new") else mined
    told = case.build(spec)
    told.expect(1_000)
    assert told.run(examples=given)["examples"] == case.build(spec).run(examples=given)["examples"]


@every_stage
def test_the_engine_s_questions_are_answered(case):
    stage = case.build()
    assert stage.needs_all_examples is (case.name in ("QualityFilter", "AnswerSwapGenerator", "FalseNegativeBudget"))
