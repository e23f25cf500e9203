"""From a stage of a recipe to its component, and the fingerprint of all that decides over its result."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from haystack.core.serialization import component_from_dict

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import STAGES, stage_class
from hardneg_plugin.components.corpus_parameter import open_corpus
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.recipe.chat_generator import (
    CHAT_GENERATOR,
    GENERATORS,
    answer_identity,
    generator_of,
    with_generators,
)
from hardneg_plugin.recipe.check import parameters_of, signature_defaults
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, Recipe, Stage
from hardneg_plugin.run.workspace import Workspace
from hardneg_plugin.training.base_model import STATIC, base_model_identity


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


def with_trained_model(params: Mapping[str, Any], workspace: Workspace, seed: int) -> dict[str, Any]:
    """Return a stage's parameters with the folder of the model that an earlier system of the run has trained.

    :param params: All parameters; ``model`` may be ``system:NAME``.
    :param workspace: The run folder.
    :param seed: Seed of the run.
    :raises WorkspaceError: If the model is not trained yet.
    """
    model = params.get("model")
    if not isinstance(model, str) or not model.startswith(SYSTEM_PREFIX):
        return dict(params)
    return {**params, "model": workspace.trained_model(model.removeprefix(SYSTEM_PREFIX), seed)}


def build_stage(name: str, params: Mapping[str, Any]) -> Any:
    """Return the component of a stage.

    :param name: Short name of the stage.
    :param params: All constructor parameters; nested objects as Haystack writes them.
    """
    cls = stage_class(name)
    return component_from_dict(cls, {"type": f"{cls.__module__}.{cls.__name__}", "init_parameters": dict(params)}, name)


def _corpus_identity(name: str, params: Mapping[str, Any]) -> str:
    """Return what tells the passages of a stage's own corpus: a document store may hold others by now."""
    if isinstance(params["corpus"], str):
        return open_corpus(params["corpus"]).key
    built = build_stage(name, params)
    return open_corpus(built.corpus, built.filters, built.meta_fields).reference


def stage_fingerprint(stage: Stage, params: Mapping[str, Any], data_corpus: str, before: str) -> str:
    """Return the fingerprint of a stage's result.

    :param stage: The stage.
    :param params: All its parameters.
    :param data_corpus: Spec of the recipe's own corpus, whose content ``before`` stands for.
    :param before: Fingerprint of the stage before, or of the data.
    """
    cls = stage_class(stage.name)
    # A parameter at its default does not count: a new one must not throw away what was mined before it existed.
    defaults = signature_defaults(cls)
    changed = {name: value for name, value in params.items() if name not in defaults or defaults[name] != value}
    if hasattr(cls, "ignored_parameters"):
        for name in build_stage(stage.name, params).ignored_parameters():
            changed.pop(name, None)
    # Paths stand for what is there now.
    if hasattr(cls, "identity_of_inputs"):
        changed.update(build_stage(stage.name, params).identity_of_inputs())
    if changed.get("corpus") == data_corpus:
        changed["corpus"] = "data"
    elif changed.get("corpus") is not None:
        changed["corpus"] = _corpus_identity(stage.name, params)
    if isinstance(changed.get("prompt"), str):
        changed["prompt"] = load_prompt(changed["prompt"]).fingerprint
    for name in GENERATORS:
        if isinstance(changed.get(name), Mapping):
            changed[name] = answer_identity(changed[name])
    if isinstance(changed.get("model"), str):
        changed["model"] = base_model_identity(changed["model"])
    rules = cls.depends_on() if hasattr(cls, "depends_on") else []
    return fingerprint([STAGES[stage.name], cls.version, rules, changed, before])
