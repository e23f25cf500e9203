"""Fingerprints cover every parameter: another default makes another stage, and another training."""

from __future__ import annotations

import inspect
import json

import pytest
from component_cases import CORPUS, STAGES, named
from haystack.core.serialization import component_to_dict

import hardneg_plugin
from hardneg_plugin import SentenceTransformersTrainer
from hardneg_plugin.components.registry import TABLE
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.identity import ADDED_LATER
from hardneg_plugin.recipe.chat_generator import GENERATORS
from hardneg_plugin.recipe.schema import Stage
from hardneg_plugin.recipe.stages import stage_fingerprint
from hardneg_plugin.run.training import TrainingRunner

SHORT = {row.name: row.stage for row in TABLE}
every_stage = pytest.mark.parametrize("case", STAGES, ids=named)


RECORDED = {
    "type": "hardneg_plugin.components.recorded_chat_generator.RecordedChatGenerator",
    "init_parameters": {"path": "answers.jsonl"},
}


def plain(name, value):
    """Return a value as a recipe has it; a model that is not there has a name of the hub."""
    if name in GENERATORS and value is not None:
        return RECORDED
    if name == "model" and value is not None:
        return value.replace(" ", "/")
    return json.loads(json.dumps(component_to_dict(value, name), default=str)) if name == "retriever" else value


def in_a_recipe(case, parameters):
    """Parameters as a recipe has them: nothing is opened for their sake."""
    given = {name: plain(name, value) for name, value in {**case.required, **parameters}.items()}
    return {**given, **({"labels": "verdicts"} if "labels" in given else {})}


def key_of(case, parameters):
    return stage_fingerprint(Stage(SHORT[case.name], {}), in_a_recipe(case, parameters), CORPUS, "before")


def with_default(monkeypatch, cls, name, value):
    """Give a constructor parameter another default."""
    function = inspect.unwrap(cls.__init__)
    parameters = inspect.signature(function).parameters
    if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY:
        monkeypatch.setitem(function.__kwdefaults__, name, value)
        return
    with_defaults = [
        one.name for one in parameters.values() if one.default is not one.empty and one.kind is not one.KEYWORD_ONLY
    ]
    defaults = list(function.__defaults__)
    defaults[with_defaults.index(name)] = value
    monkeypatch.setattr(function, "__defaults__", tuple(defaults))


def stage_keys(monkeypatch, case, name):
    """Return the keys before and after a default changes, among defaults or else among other values."""
    others = {key: value for key, value in case.custom.items() if key != name}
    for among in ({}, others):
        try:
            before = key_of(case, among)
            with monkeypatch.context() as patch:
                with_default(patch, getattr(hardneg_plugin, case.name), name, plain(name, case.custom[name]))
                return before, key_of(case, among)
        except HardnegError:
            # The value cannot work beside the other defaults.
            continue
    raise AssertionError(f"{case.name}.{name}: the changed default works neither way")


@every_stage
def test_another_default_makes_another_stage(case, monkeypatch):
    same = []
    for name in case.custom:
        if name in GENERATORS:
            # No object can be a default: one that is given counts.
            before, after = key_of(case, {}), key_of(case, {name: RECORDED})
        else:
            before, after = stage_keys(monkeypatch, case, name)
        same += [name] if before == after else []
    assert same == [name for name in case.custom if name in case.build().ignored_parameters()]


@every_stage
def test_a_parameter_at_its_default_may_be_left_out(case):
    assert key_of(case, {}) == key_of(case, case.defaults)


@every_stage
def test_other_rules_make_another_stage(case, monkeypatch):
    before = key_of(case, {})
    monkeypatch.setattr(getattr(hardneg_plugin, case.name), "version", 99)
    assert key_of(case, {}) != before


def test_a_later_parameter_keeps_what_was_mined_before_it(monkeypatch):
    (case,) = (case for case in STAGES if case.name == "BM25NegativeMiner")
    with monkeypatch.context() as patch:
        # What the key was without the parameter.
        patch.setitem(ADDED_LATER, case.name, {"language": "", "b": 0.5})
        before, other = key_of(case, {}), key_of(case, {"language": "ko"})
        assert before != other
        assert key_of(case, {"b": 0.5}) != before
    assert key_of(case, {}) != before


def training_key(**settings):
    trainings = TrainingRunner.__new__(TrainingRunner)
    return trainings._fingerprint("mined", 1, "start", {"base_model": "a/model", **settings})


def test_another_default_makes_another_training(monkeypatch):
    others = {
        "loss": "triplet",
        "loss_args": {"scale": 5.0},
        "epochs": 2,
        "max_steps": 9,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "warmup": 0.2,
        "max_length": 64,
        "pooling": "cls",
        "static_dims": 32,
        "vocabulary": 900,
        "arguments": {"weight_decay": 0.1},
        "encoders": "separate",
        "lora": {"r": 2},
        "prompts": {"query": "q: "},
        "language_exponent": 0.5,
        "batch_languages": "same",
        "refresh": {"every_steps": 5},
        "curriculum": {"stages": 2, "num_negatives": 1},
        "batch_clusters": 3,
    }
    shown = {"save_steps": 3, "progress": "none"}
    engine = {"output_dir", "base_model", "seed", "corpus"}
    assert {*others, *shown, *engine} == {*inspect.signature(SentenceTransformersTrainer.__init__).parameters} - {
        "self"
    }
    before = training_key()
    for name, value in {**others, **shown}.items():
        with monkeypatch.context() as patch:
            with_default(patch, SentenceTransformersTrainer, name, value)
            assert (training_key() == before) is (name in shown), name
    assert training_key(epochs=1) == before
    monkeypatch.setattr(SentenceTransformersTrainer, "version", 99)
    assert training_key() != before


def test_a_later_parameter_keeps_what_was_trained_before_it(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(ADDED_LATER, "SentenceTransformersTrainer", {"batch_clusters": None})
        before = training_key()
        assert training_key(batch_clusters=3) != before
    assert training_key() != before
