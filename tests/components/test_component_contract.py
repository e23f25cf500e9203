"""What Haystack asks of every component, driven by the table in component_cases.py."""

from __future__ import annotations

import copy
import inspect
import json
import shutil

import pytest
from component_cases import CASES, CORPUS, MINERS, STAGES, TAKES_CORPUS, TAKES_EXAMPLES, named
from hand_made import own_candidates
from haystack import Document, Pipeline, component
from haystack.core.errors import DeserializationError, PipelineConnectError
from haystack.core.serialization import component_from_dict, component_to_dict
from haystack.document_stores.in_memory import InMemoryDocumentStore

import hardneg_plugin
import hardneg_plugin.components
from hardneg_plugin import MiningExample
from hardneg_plugin.errors import DatasetError, ParameterError, RecordError

every = pytest.mark.parametrize("case", CASES, ids=named)
every_stage = pytest.mark.parametrize("case", STAGES, ids=named)
every_miner = pytest.mark.parametrize("case", MINERS, ids=named)
every_taker = pytest.mark.parametrize("case", TAKES_EXAMPLES, ids=named)
every_corpus = pytest.mark.parametrize("case", TAKES_CORPUS, ids=named)


def round_trip(instance):
    written = component_to_dict(instance, "it")
    return component_from_dict(type(instance), written, "it")


def parameters_of(instance, case):
    return {name: getattr(instance, name) for name in [*case.required, *case.defaults]}


def test_the_table_has_every_component():
    assert {case.name: case.module for case in CASES} == dict(hardneg_plugin.components._FILES)
    assert {case.name for case in STAGES} == set(hardneg_plugin.components.STAGES.values())


# Construction


@every
def test_parameters_are_those_of_the_table_in_order(case):
    parameters = dict(inspect.signature(type(case.build()).__init__).parameters)
    del parameters["self"]
    assert list(parameters) == [*case.required, *case.defaults]
    assert {name: parameters[name].default for name in case.defaults} == case.defaults


@every
def test_defaults_are_kept_under_their_own_names(case):
    assert parameters_of(case.build(), case) == {**case.required, **case.defaults}


@every
def test_custom_values_are_kept_under_their_own_names(case):
    assert set(case.custom) == set(case.defaults)
    assert all(case.custom[name] != case.defaults[name] for name in case.defaults)
    assert parameters_of(case.build(**case.custom), case) == {**case.required, **case.custom}


@pytest.mark.parametrize(
    ("case", "parameters", "message"),
    [(case, parameters, message) for case in CASES for parameters, message in case.bad],
    ids=[f"{case.name}-{parameters}" for case in CASES for parameters, _ in case.bad],
)
def test_bad_parameters_are_refused(case, parameters, message):
    with pytest.raises(ParameterError) as caught:
        case.build(**parameters)
    assert message in str(caught.value)


@every
def test_construction_opens_nothing(case, cache_folder):
    case.build("beir:no/such/folder")
    assert not cache_folder.exists()


# Serialisation


@every
def test_the_written_form_is_exact(case):
    assert component_to_dict(case.build(), "it") == {
        "type": case.type,
        "init_parameters": {**case.required, **case.defaults},
    }


@every
def test_custom_values_survive_a_round_trip_through_json(case):
    first = case.build(**case.custom)
    written = json.loads(json.dumps(component_to_dict(first, "it")))
    second = component_from_dict(type(first), written, "it")
    assert parameters_of(second, case) == parameters_of(first, case) == {**case.required, **case.custom}


@every
def test_reading_leaves_its_input_alone(case):
    written = component_to_dict(case.build(**case.custom), "it")
    before = copy.deepcopy(written)
    component_from_dict(type(case.build()), written, "it")
    assert written == before


@every
def test_an_unknown_parameter_is_refused_by_name(case):
    written = component_to_dict(case.build(), "it")
    written["init_parameters"]["top_q"] = 3
    with pytest.raises(TypeError, match="top_q"):
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
    assert all(socket["is_mandatory"] for socket in inputs.values())
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
    after = case.build(spec, **({"source": "new"} if case in MINERS else {})).run(examples=mined)["examples"]
    assert [(one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in after] == [
        (one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in mined
    ]


@every_taker
def test_inputs_are_not_changed(case, spec, mined):
    before = [example.to_dict() for example in mined]
    given = list(mined)
    case.build(spec, **({"source": "new"} if case in MINERS else {})).run(examples=given)
    assert given == mined
    assert all(one is other for one, other in zip(given, mined, strict=True))
    assert [example.to_dict() for example in mined] == before


@every_taker
def test_the_same_input_gives_the_same_output(case, spec, examples):
    first, second = (case.build(spec).run(examples=examples) for _ in range(2))
    assert plain(first) == plain(second)


@every_stage
def test_examples_one_by_one_give_what_all_at_once_give(case, spec, examples, mined):
    given = examples if case in MINERS else mined
    instance = case.build(spec)
    at_once = instance.run(examples=given)["examples"]
    one_by_one = [instance.run(examples=[example])["examples"][0] for example in given]
    reverse = instance.run(examples=given[::-1])["examples"][::-1]
    assert at_once == one_by_one == reverse


@every_stage
def test_examples_of_different_runs_may_be_mixed(case, spec, mined):
    # Their candidates lie in two tables; one example brings candidates of its own.
    parts = [*case.build(spec, **({"source": "a"} if case in MINERS else {})).run(examples=mined[:2])["examples"]]
    generated = MiningExample("g", "a generated one", candidates=own_candidates([Document(content="made up")]))
    instance = case.build(spec, **({"source": "b"} if case in MINERS else {}))
    after = instance.run(examples=[generated, parts[1], mined[2], parts[0]])["examples"]
    assert [one.id for one in after] == ["g", "q2", "q3", "q1"]
    assert after[0].candidates[0].text == "made up"
    assert [one.id for one in after[1].candidates][: len(mined[1].candidates)] == ["p2", "p9", "p4", "p3"]


def plain(outputs):
    """Outputs as plain values."""
    return {
        name: [one.to_dict() for one in value] if isinstance(value, list) else value.to_dict()
        for name, value in outputs.items()
    }


# Corpora


@every_miner
def test_warming_up_twice_opens_the_corpus_once(case, spec, tiny_beir, examples):
    instance = case.build(spec)
    instance.warm_up()
    shutil.rmtree(tiny_beir)
    instance.warm_up()
    assert all(len(example.candidates) for example in instance.run(examples=examples)["examples"])


@every_miner
def test_a_missing_corpus_is_named_when_warming_up(case, tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        case.build(f"beir:{tmp_path / 'nothing'}").warm_up()


@every_miner
def test_a_document_store_gives_the_candidates_that_a_spec_gives(case, tmp_path, make_beir):
    passages = [
        {"_id": f"{number:02}", "text": text}
        for number, text in enumerate(["red apple", "green apple", "blue sky", "grey sea"])
    ]
    # A store's documents are put in the order of their ids: here that of the file.
    spec = f"beir:{make_beir(passages, [{'_id': 'q', 'text': 'apple'}], {'train': [('q', '00', 1)]})}"
    store = InMemoryDocumentStore()
    documents = [Document(id=passage["_id"], content=passage["text"]) for passage in reversed(passages)]
    store.write_documents(documents)
    example = MiningExample("q", "a red apple")
    from_spec, from_store = (
        case.build(corpus, top_k=2).run(examples=[example])["examples"][0] for corpus in (spec, store)
    )
    assert list(map(repr, from_store.candidates)) == list(map(repr, from_spec.candidates))
    assert len(from_store.candidates) == 2
    assert from_store.candidates[0].document.content in [passage["text"] for passage in passages]


@every_miner
@pytest.mark.parametrize(
    ("content", "fault"), [(None, "the text is empty"), (" \n", "the text is empty"), ("a\x00b", "a NUL byte")]
)
def test_a_document_without_a_sound_text_is_named(case, content, fault):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="good", content="text"), Document(id="bad", content=content)])
    with pytest.raises(DatasetError, match=f"InMemoryDocumentStore: document 'bad' cannot be in a corpus: .*{fault}"):
        case.build(store).warm_up()


@every_miner
def test_an_empty_document_store_is_an_error(case):
    with pytest.raises(DatasetError, match="the store has no documents"):
        case.build(InMemoryDocumentStore()).warm_up()


@every_miner
def test_the_language_of_a_store_s_documents_is_kept(case):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="k", content="한강은 서울을 지나 서해로 흐른다", meta={"language": "ko"})])
    example = case.build(store).run(examples=[MiningExample("q", "한강은 어디로 흐르나")])["examples"][0]
    assert example.candidates[0].document.meta == {"language": "ko"}


@every_miner
def test_a_second_source_of_the_same_name_is_refused(case, spec, examples):
    once = case.build(spec).run(examples=examples)["examples"]
    with pytest.raises(RecordError, match="already have a source"):
        case.build(spec).run(examples=once)


@every_miner
def test_candidates_of_another_corpus_are_refused(case, spec, examples):
    store = InMemoryDocumentStore()
    store.write_documents([Document(content="a river of words")])
    once = case.build(spec, source="first").run(examples=examples)["examples"]
    with pytest.raises(RecordError, match="corpus"):
        case.build(store).run(examples=once)


def test_placeholders_are_never_read():
    # The table's stand-in for a corpus must not be a spec by accident.
    with pytest.raises(DatasetError):
        MINERS[0].build(CORPUS).warm_up()
