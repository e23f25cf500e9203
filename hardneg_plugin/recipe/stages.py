"""Build the component of a recipe's stage, and fingerprint everything that determines its result."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from haystack.core.serialization import component_from_dict

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import STAGES, stage_class
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.corpus_parameter import open_corpus
from hardneg_plugin.identity import counted
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.recipe.chat_generator import (
    CHAT_GENERATOR,
    GENERATORS,
    answer_identity,
    generator_of,
    with_generators,
)
from hardneg_plugin.recipe.schema import Recipe, Stage
from hardneg_plugin.training.base_model import STATIC, base_model_identity
from hardneg_plugin.validation import parameters_of, signature_defaults


def filled_parameters(recipe: Recipe) -> dict[str, Any]:
    """Return what stages of a recipe get that take it and do not say otherwise."""
    model = str(recipe.train["base_model"]) if recipe.train else ""
    filled: dict[str, Any] = {"corpus": recipe.data.spec, "language": recipe.data.language}
    # A static model from scratch has nothing to mine with before it is trained.
    if model not in ("", STATIC):
        filled["model"] = model
    if recipe.llm is not None:
        filled[CHAT_GENERATOR] = generator_of(recipe.llm)
    return filled


def stage_params(stage: Stage, filled: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage's parameters with those that the engine fills in where the recipe does not give them.

    :param stage: The stage.
    :param filled: ``corpus``, ``seed``, ``language``, ``model`` and ``chat_generator``. A model is filled in only where
        a component cannot do without one: to a filter it is a choice.
    """
    taken = parameters_of(stage_class(stage.name))
    choices = [
        name
        for name in ("model", CHAT_GENERATOR)
        if name in taken and taken[name].default is not inspect.Parameter.empty
    ]
    params = {**{name: filled[name] for name in filled if name in taken and name not in choices}, **stage.params}
    return with_generators(params, filled.get(CHAT_GENERATOR))


def build_stage(name: str, params: Mapping[str, Any]) -> StageComponent:
    """Return the component of a stage.

    :param name: Short name of the stage.
    :param params: All constructor parameters; nested objects as Haystack writes them.
    """
    cls = stage_class(name)
    # Some of Haystack's own objects are built in place of what they were written as.
    written = {"type": f"{cls.__module__}.{cls.__name__}", "init_parameters": deepcopy(dict(params))}
    built: StageComponent = component_from_dict(cls, written, name)
    return built


def _corpus_identity(name: str, params: Mapping[str, Any]) -> str:
    """Return what tells the passages of a stage's own corpus: a document store may hold others by now."""
    if isinstance(params["corpus"], str):
        return open_corpus(params["corpus"]).key
    built: Any = build_stage(name, params)
    return open_corpus(built.corpus, built.filters, built.meta_fields).reference


def stage_fingerprint(stage: Stage, params: Mapping[str, Any], data_corpus: str, before: str) -> str:
    """Return the fingerprint of a stage's result.

    All parameters count, those at their default too: a default that changes makes another stage.

    :param stage: The stage.
    :param params: Its parameters; those that are left out are at their default.
    :param data_corpus: Spec of the recipe's own corpus, whose content ``before`` stands for.
    :param before: Fingerprint of the stage before, or of the data.
    """
    cls = stage_class(stage.name)
    every = counted(cls.__name__, {**signature_defaults(cls), **params})
    component = build_stage(stage.name, params)
    for name in component.ignored_parameters():
        every.pop(name, None)
    # Paths stand for what is there now.
    every.update(component.identity_of_inputs())
    if every.get("corpus") == data_corpus:
        every["corpus"] = "data"
    elif every.get("corpus") is not None:
        every["corpus"] = _corpus_identity(stage.name, params)
    if isinstance(every.get("prompt"), str):
        every["prompt"] = load_prompt(every["prompt"]).fingerprint
    for name in GENERATORS:
        if isinstance(every.get(name), Mapping):
            every[name] = answer_identity(every[name])
    if isinstance(every.get("model"), str):
        every["model"] = base_model_identity(every["model"], f"{stage.name}.model")
    return fingerprint([STAGES[stage.name], cls.version, cls.depends_on(), every, before])
