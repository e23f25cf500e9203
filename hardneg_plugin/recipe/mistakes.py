"""Every mistake in the values of a recipe, each with its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardneg_plugin.components import SentenceTransformersTrainer, stage_class
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.recipe.chat_generator import (
    CHAT_GENERATOR,
    generator_errors,
    generator_of,
    llm_errors,
    with_generators,
)
from hardneg_plugin.recipe.outlook import Outlook
from hardneg_plugin.recipe.ranges import (
    checked_stage,
    evaluate_errors,
    memory_errors,
    seed_errors,
    spec_errors,
    train_errors,
)
from hardneg_plugin.recipe.schema import (
    BM25_LINE,
    OWN_TRAINING,
    RUN_PREFIX,
    SYSTEM_PREFIX,
    UNTRAINED_LINE,
    DataSection,
    EngineName,
    EvaluateSection,
    LLMSection,
    Stage,
)
from hardneg_plugin.recipe.shapes import name_errors, system_name_errors
from hardneg_plugin.recipe.targets import dataset_errors
from hardneg_plugin.validation import parameters_of, section_mistakes, unknown_key, value_mistakes

# What the engine fills in where a stage or the trainer takes it.
FILLED_STAGE = ("corpus", "seed", "language", "model", CHAT_GENERATOR)
FILLED_TRAIN = ("output_dir", "seed", "corpus")


def mistakes_of_values(resolved: dict[str, Any]) -> list[str]:
    """Return what is wrong with the values of a recipe.

    :param resolved: The recipe with its defaults; every section and stage has the right shape.
    """
    data = resolved["data"]
    errors = name_errors("name", resolved["name"])
    errors += value_mistakes(list[int], resolved["seed"], "seed") or seed_errors(resolved["seed"])
    errors += memory_errors(resolved["memory"]) + value_mistakes(EngineName, resolved["engine"], "engine")
    errors += section_mistakes(DataSection, data, "data") or spec_errors(data)
    for system in resolved["systems"]:
        errors += system_name_errors(system) + _system_errors(resolved, system)
    errors += _start_errors(resolved)
    if resolved["llm"] is not None:
        errors += section_mistakes(LLMSection, resolved["llm"], "llm") or llm_errors(resolved["llm"])
    if resolved["train"] is not None:
        wrong = section_mistakes(SentenceTransformersTrainer, resolved["train"], "train", FILLED_TRAIN)
        errors += wrong or train_errors(resolved["train"])
    errors += _own_training_errors(resolved)
    if resolved["evaluate"] is not None:
        wrong = section_mistakes(EvaluateSection, resolved["evaluate"], "evaluate")
        errors += wrong or [*evaluate_errors(resolved["evaluate"]), *_line_errors(resolved)]
        errors += _prompt_errors(resolved["evaluate"])
    return errors


def badly_written_data(resolved: Mapping[str, Any]) -> bool:
    """Tell whether the datasets of a recipe are written so that they cannot be looked for."""
    evaluate = resolved["evaluate"]
    wrong = section_mistakes(DataSection, resolved["data"], "data") or spec_errors(resolved["data"])
    measured = evaluate is not None and section_mistakes(EvaluateSection, evaluate, "evaluate")
    return bool(wrong or measured or (evaluate and dataset_errors(evaluate)))


def _system_errors(resolved: dict[str, Any], system: str) -> list[str]:
    """Check the stages of a system, each by itself and by what those before it write."""
    errors, outlook = [], Outlook()
    for number, stage in enumerate(resolved["systems"][system]):
        ((name, params),) = stage.items()
        path = f"systems.{system}[{number}].{name}"
        built = _checked_stage(Stage(name, params), resolved, path)
        if isinstance(built, list):
            errors += built
            outlook.pass_stage(None, params)
        else:
            errors += outlook.mistakes(built, path)
            outlook.pass_stage(built, params)
        errors += _model_errors(resolved, stage_class(name), params, system, path)
    return errors


def _checked_stage(stage: Stage, resolved: dict[str, Any], path: str) -> StageComponent | list[str]:
    missing = generator_errors(stage, resolved["llm"], path)
    if missing:
        return missing
    llm = resolved["llm"]
    # What is wrong with the section itself is reported there.
    wrong = llm is not None and (section_mistakes(LLMSection, llm, "llm") or llm_errors(llm))
    generator = None if llm is None else generator_of(LLMSection() if wrong else LLMSection(**llm))
    stage = Stage(stage.name, with_generators(stage.params, generator))
    return section_mistakes(stage_class(stage.name), stage.params, path, FILLED_STAGE) or checked_stage(
        stage, resolved, path, generator
    )


def _start_errors(resolved: Mapping[str, Any]) -> list[str]:
    """Check that a system goes on from one that is trained before it, or one of another run."""
    systems, errors = list(resolved["systems"]), []
    if resolved["start_from"] and resolved["train"] is None:
        errors.append("start_from: nothing is trained; give `train`")
    for system, earlier in resolved["start_from"].items():
        if system not in systems:
            errors.append(unknown_key("start_from", system, systems))
        elif isinstance(earlier, str) and earlier.startswith(RUN_PREFIX):
            errors += [f"start_from.{system}: {error}" for error in _other_run_errors(earlier)]
        elif earlier not in systems[: systems.index(system)]:
            before = ", ".join(systems[: systems.index(system)]) or "none"
            errors.append(f"start_from.{system}: {earlier!r} is none of the systems before it: {before}")
    return errors


def _own_training_errors(resolved: Mapping[str, Any]) -> list[str]:
    """Check what single systems have for themselves of the trainer's parameters."""
    errors = []
    for system, own in resolved["train_by_system"].items():
        path = f"train_by_system.{system}"
        if system not in resolved["systems"]:
            errors.append(unknown_key("train_by_system", system, list(resolved["systems"])))
        elif resolved["train"] is None:
            errors.append(f"{path}: nothing is trained; give `train`")
        elif not isinstance(own, dict):
            errors.append(f"{path}: expected a mapping, got {own!r}")
        elif unknown := [name for name in own if name not in OWN_TRAINING]:
            errors.append(unknown_key(path, unknown[0], OWN_TRAINING))
        else:
            train = {**resolved["train"], **own}
            wrong = section_mistakes(SentenceTransformersTrainer, train, path, FILLED_TRAIN) or train_errors(train)
            errors += [
                error.replace("train:", f"{path}:", 1) if error.startswith("train:") else error for error in wrong
            ]
    return errors


def _other_run_errors(start: str) -> list[str]:
    run, slash, system = start.removeprefix(RUN_PREFIX).partition("/")
    return [*name_errors("run", run), *name_errors("system", system)] if slash else ["expected run:NAME/SYSTEM"]


def _model_errors(
    resolved: dict[str, Any], cls: type[Any], params: dict[str, Any], system: str, path: str
) -> list[str]:
    """Check that a stage's model can be had when its turn comes."""
    parameter = parameters_of(cls).get("model")
    if parameter is None:
        return []
    train, model = resolved["train"], params.get("model")
    if model is None and parameter.default is parameter.empty and (train or {}).get("base_model", "static") == "static":
        return [f"{path}.model: missing; the base model is no model to mine with, name one or system:NAME"]
    if isinstance(model, str) and model.startswith(SYSTEM_PREFIX):
        earlier = list(resolved["systems"])[: list(resolved["systems"]).index(system)] if train else []
        if model.removeprefix(SYSTEM_PREFIX) not in earlier:
            return [f"{path}.model: {model!r} is none of the trained systems before it: {', '.join(earlier) or 'none'}"]
    return []


def _line_errors(resolved: Mapping[str, Any]) -> list[str]:
    """Check that the systems of a table have distinct names and that the baseline is among them."""
    errors = []
    for name in resolved["evaluate"]["models"] or {}:
        errors += system_name_errors(name, "evaluate.models")
        if name in resolved["systems"]:
            errors.append(f"evaluate.models.{name}: a system has that name, choose another")
    return [*errors, *_baseline_errors(resolved)]


def _prompt_errors(evaluate: Mapping[str, Any]) -> list[str]:
    """Check that prompts are for models of the section; parts that are not mappings have their own mistakes."""
    models, prompts = evaluate["models"] or {}, evaluate["prompts"] or {}
    if not isinstance(models, Mapping) or not isinstance(prompts, Mapping):
        return []
    known = ", ".join(map(str, models)) or "none"
    return [f"evaluate.prompts.{name}: none of evaluate.models: {known}" for name in prompts if name not in models]


def _baseline_errors(resolved: Mapping[str, Any]) -> list[str]:
    baseline = resolved["evaluate"]["baseline"]
    models = resolved["evaluate"]["models"] or {}
    lines = [BM25_LINE, *models, *([UNTRAINED_LINE, *resolved["systems"]] if resolved["train"] else [])]
    if baseline is None or baseline in lines:
        return []
    return [f"evaluate.baseline: {baseline!r} is no line of the table; lines: {', '.join(lines)}"]
