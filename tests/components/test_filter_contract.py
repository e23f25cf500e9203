"""What Haystack asks of the filters, the joiner and the builders."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from component_cases import Case, named, whole
from haystack import Document, Pipeline
from haystack.core.serialization import component_from_dict, component_to_dict
from test_fresh_process import run_clean

from hardneg_plugin import MiningExample
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import table_of, with_table
from hardneg_plugin.records.scores import with_scores


def number(name: str, wanted: str, got: object) -> tuple[dict[str, Any], str]:
    return {name: got}, f"{name} must be a number {wanted}, got {got!r}"


CASES = (
    Case(
        name="PositiveAwareFilter",
        module="positive_aware_filter",
        stage=True,
        # One of the two is needed.
        required={"model": None, "scorer": "m"},
        defaults={
            "relative_margin": 0.05,
            "absolute_margin": None,
            "max_score": None,
            "min_score": None,
            "reference": "max",
            "batch_size": 64,
        },
        custom={
            "relative_margin": None,
            "absolute_margin": 0.1,
            "max_score": 0.9,
            "min_score": -2,
            "reference": "min",
            "batch_size": 8,
        },
        bad=(
            ({"scorer": None}, "give `model`, which scores candidates and positives, or `scorer`"),
            ({"scorer": " "}, "scorer must be a name, got ' '"),
            ({"model": ""}, "model must be a name, got ''"),
            ({"relative_margin": None}, "no rule is on; give one of relative_margin, absolute_margin, max_score, min"),
            number("relative_margin", "of at least 0", -0.1),
            number("absolute_margin", "of at least 0", "0.1"),
            ({"max_score": float("nan")}, "max_score must be a number, got nan"),
            ({"min_score": True}, "min_score must be a number, got True"),
            ({"reference": "median"}, "reference must be one of min, mean, max; got 'median'"),
            whole("batch_size", 1, 0),
        ),
    ),
    Case(
        name="QualityFilter",
        module="quality_filter",
        stage=True,
        required={},
        defaults={
            "min_query_chars": 10,
            "max_query_chars": 512,
            "min_passage_chars": 20,
            "max_passage_chars": 2048,
            "dense_weight": 2.0,
            "duplicates": True,
            "near_duplicate": 0.9,
            "duplicate_candidates": True,
            "equal_to_positive": True,
            "mojibake": "report",
            "control_characters": True,
            "script_share": 0.2,
        },
        custom={
            "min_query_chars": 2,
            "max_query_chars": 100,
            "min_passage_chars": None,
            "max_passage_chars": 500,
            "dense_weight": 1,
            "duplicates": False,
            "near_duplicate": None,
            "duplicate_candidates": False,
            "equal_to_positive": False,
            "mojibake": "repair",
            "control_characters": False,
            "script_share": None,
        },
        bad=(
            whole("min_query_chars", 1, 0),
            whole("max_passage_chars", 1, 2.5),
            ({"min_query_chars": 600}, "min_query_chars=600 is above max_query_chars=512"),
            number("dense_weight", "of at least 1", 0.5),
            number("near_duplicate", "from 0 to 1", 1.5),
            ({"near_duplicate": 0}, "near_duplicate must be above 0; None turns the rule off"),
            ({"script_share": 0}, "script_share must be above 0; None turns the rule off"),
            ({"mojibake": "off"}, "mojibake must be one of report, repair, None; got 'off'"),
            ({"mojibake": False}, "mojibake must be one of report, repair, None; got False"),
        ),
        outputs=("examples", "rejected"),
    ),
    Case(
        name="ParentDocumentFilter",
        module="parent_document_filter",
        stage=True,
        # Exactly one of the two is needed.
        required={"parent_key": None, "id_pattern": r"^(.*)#\d+$"},
        defaults={},
        custom={},
        bad=(
            ({"id_pattern": None}, "give either parent_key or id_pattern, got None and None"),
            ({"parent_key": "source_id"}, "give either parent_key or id_pattern, got 'source_id' and "),
            ({"parent_key": " ", "id_pattern": None}, "parent_key must be a name, got ' '"),
            ({"id_pattern": "("}, "id_pattern '(' is no regular expression: "),
            ({"id_pattern": 7}, "id_pattern 7 is no regular expression: "),
            ({"id_pattern": "a"}, "id_pattern must have exactly one group, the parent's id; 'a' has 0"),
        ),
    ),
    Case(
        name="ExampleJoiner",
        module="example_joiner",
        stage=False,
        required={},
        defaults={},
        custom={},
        bad=(),
    ),
    Case(
        name="ExampleBuilder",
        module="example_builder",
        stage=False,
        required={},
        defaults={"source": "retriever"},
        custom={"source": "words"},
        bad=(({"source": " "}, "source must be a name, got ' '"),),
        inputs=("query", "documents", "positives", "query_id", "language"),
    ),
    Case(
        name="NegativeDocumentBuilder",
        module="negative_document_builder",
        stage=False,
        required={},
        defaults={},
        custom={},
        bad=(),
        outputs=("documents", "dropped"),
    ),
)
STAGES = tuple(case for case in CASES if case.stage)
TAKES_EXAMPLES = tuple(case for case in CASES if case.inputs == ("examples",))

every = pytest.mark.parametrize("case", CASES, ids=named)
every_stage = pytest.mark.parametrize("case", STAGES, ids=named)
every_taker = pytest.mark.parametrize("case", TAKES_EXAMPLES, ids=named)


def class_of(case: Case) -> Any:
    return getattr(import_module(f"hardneg_plugin.components.{case.module}"), case.name)


def build(case: Case, **parameters: Any) -> Any:
    return class_of(case)(**{**case.required, **parameters})


def parameters_of(instance: Any, case: Case) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in [*case.required, *case.defaults]}


def alone(component: Any) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("it", component)
    return pipeline


@pytest.fixture
def given(mined) -> list[MiningExample]:
    """Mined examples with scores by "m"; those of the positives are 1."""
    table = table_of(mined)
    scores = np.linspace(1.2, -1, len(table.passages)).astype(np.float32)
    positives = np.ones(int(table.positive_offsets[-1]), dtype=np.float32)
    return with_table(mined, with_scores(table, "m", scores, positives))


def inputs_of(case: Case, examples: list[MiningExample]) -> dict[str, Any]:
    if case in TAKES_EXAMPLES:
        return {"examples": examples}
    documents = [Document(id="d1", content="found"), Document(id="d2", content="also found", score=1.5)]
    return {"query": "a query", "documents": documents, "positives": documents[:1]}


# Construction and serialisation


@every
def test_parameters_are_those_of_the_table_in_order(case):
    parameters = dict(inspect.signature(class_of(case).__init__).parameters)
    parameters = {name: parameters[name] for name in parameters if name not in ("self", "args", "kwargs")}
    assert list(parameters) == [*case.required, *case.defaults]
    assert {name: parameters[name].default for name in case.defaults} == case.defaults
    assert parameters_of(build(case), case) == {**case.required, **case.defaults}
    assert parameters_of(build(case, **case.custom), case) == {**case.required, **case.custom}


@pytest.mark.parametrize(
    ("case", "parameters", "message"),
    [(case, parameters, message) for case in CASES for parameters, message in case.bad],
    ids=[f"{case.name}-{parameters}" for case in CASES for parameters, _ in case.bad],
)
def test_bad_parameters_are_refused(case, parameters, message):
    with pytest.raises(ParameterError) as caught:
        build(case, **parameters)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{case.name}: ")


@every
def test_the_written_form_is_exact(case):
    assert component_to_dict(build(case), "it") == {
        "type": f"hardneg_plugin.components.{case.module}.{case.name}",
        "init_parameters": {**case.required, **case.defaults},
    }


@every
def test_custom_values_survive_a_round_trip_that_leaves_its_input_alone(case):
    first = build(case, **case.custom)
    written = json.loads(json.dumps(component_to_dict(first, "it")))
    before = copy.deepcopy(written)
    second = component_from_dict(class_of(case), written, "it")
    assert written == before
    assert parameters_of(second, case) == parameters_of(first, case) == {**case.required, **case.custom}
    text = alone(first).dumps()
    assert Pipeline.loads(text).dumps() == text


@every
def test_an_unknown_parameter_is_refused(case):
    written = component_to_dict(build(case), "it")
    written["init_parameters"]["top_q"] = 3
    with pytest.raises(TypeError, match="top_q|takes no arguments"):
        component_from_dict(class_of(case), written, "it")


LOAD = """
import sys
import hardneg_plugin
from haystack import Pipeline
for text in sys.argv[1:]:
    pipeline = Pipeline.loads(text)
    print(pipeline.dumps() == text)
"""


@pytest.mark.integration
def test_every_component_is_loaded_in_a_fresh_process():
    texts = [alone(build(case, **values)).dumps() for case in CASES for values in ({}, case.custom)]
    assert run_clean(LOAD, *texts).split() == ["True"] * len(texts)


# Running


@every
def test_sockets_are_those_of_the_table(case):
    pipeline = alone(build(case))
    outputs = pipeline.outputs(include_components_with_connected_outputs=True)["it"]
    assert tuple(pipeline.inputs()["it"]) == case.inputs
    assert tuple(outputs) == case.outputs


@every_taker
def test_no_examples_give_every_output_and_open_nothing(case, cache_folder):
    assert build(case).run(examples=[]) == {name: [] for name in case.outputs}
    assert not cache_folder.exists()


@every
def test_run_and_run_async_give_what_the_call_gives(case, given):
    inputs = inputs_of(case, given)
    expected = build(case).run(**inputs)
    assert set(expected) == set(case.outputs)
    pipeline = alone(build(case))
    filled = {name: expected[name] for name in expected}
    assert pipeline.run({"it": inputs})["it"] == filled
    assert asyncio.run(pipeline.run_async({"it": inputs}))["it"] == filled


@every
def test_inputs_are_not_changed(case, given):
    inputs = inputs_of(case, given)
    before = {name: plain(value) for name, value in inputs.items()}
    build(case).run(**inputs)
    assert {name: plain(value) for name, value in inputs.items()} == before


def plain(value: Any) -> Any:
    return copy.deepcopy([one.to_dict() for one in value]) if isinstance(value, list) else value


@every_stage
def test_examples_come_back_in_order_with_everything_but_candidates_unchanged(case, given):
    after = build(case).run(examples=given)["examples"]
    assert [(one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in after] == [
        (one.id, one.query, one.positives, one.language, one.answers, one.meta) for one in given
    ]
    assert all(one.candidates.table is after[0].candidates.table for one in after)


@every_stage
def test_examples_one_by_one_give_what_all_at_once_give(case, given):
    stage = build(case)
    at_once = stage.run(examples=given)["examples"]
    assert [stage.run(examples=[example])["examples"][0] for example in given] == at_once
    assert stage.run(examples=given[::-1])["examples"][::-1] == at_once


@every
def test_what_the_engine_asks_for_is_there(case):
    component = build(case)
    assert isinstance(component.version, int)
    assert component.needs_all_examples is (case.name == "QualityFilter")
