"""Loading a recipe: defaults filled in, overrides applied, every mistake collected before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.components import SentenceTransformersTrainer, stage_class
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.chat_generator import (
    CHAT_GENERATOR,
    generator_errors,
    generator_of,
    llm_errors,
    with_generators,
)
from hardneg_plugin.recipe.check import check_call, check_type, parameters_of, signature_defaults, unknown_key
from hardneg_plugin.recipe.find import builtin_recipes, find_recipe
from hardneg_plugin.recipe.overrides import apply_overrides
from hardneg_plugin.recipe.paths import resolve_paths
from hardneg_plugin.recipe.ranges import (
    data_errors,
    evaluate_errors,
    memory_errors,
    seed_errors,
    stage_errors,
    train_errors,
)
from hardneg_plugin.recipe.schema import (
    BM25_LINE,
    LOCAL,
    OWN_TRAINING,
    RUN_PREFIX,
    SYSTEM_PREFIX,
    UNTRAINED_LINE,
    DataSection,
    EngineName,
    EvaluateSection,
    LLMSection,
    Recipe,
    Stage,
)
from hardneg_plugin.recipe.shapes import SECTIONS, name_errors, shape_errors, system_name_errors
from hardneg_plugin.recipe.yaml_text import parse_yaml

# What the engine fills in where a stage or the trainer takes it.
FILLED_STAGE = ("corpus", "seed", "language", "model", CHAT_GENERATOR)
FILLED_TRAIN = ("output_dir", "seed", "corpus")


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe, ready to run.

    :param recipe: Path, or name of one that comes with the package.
    :param overrides: ``dotted.key=value`` pairs; the key must exist. Relative paths in them count from the working
        directory, those of a recipe from its own folder.
    :raises RecipeError: With everything that is wrong, one line each.
    """
    path = find_recipe(recipe)
    raw = parse_yaml(read_text(path), str(path))
    if not isinstance(raw, dict):
        msg = f"{path}: expected a mapping with {', '.join(SECTIONS)}; got {type(raw).__name__}"
        raise RecipeError(msg)
    # The folder of a built-in recipe belongs to the installation: its paths count from where the command is run.
    builtin = path in builtin_recipes().values()
    folder = Path.cwd() if builtin else path.parent
    return resolved_recipe(
        raw, overrides, location=str(path), folder=folder, source=None if builtin else path.resolve()
    )


def resolved_recipe(
    raw: Mapping[str, Any], overrides: Sequence[str], *, location: str, folder: Path, source: Path | None
) -> Recipe:
    """Return a recipe from its sections.

    :param raw: The sections.
    :param overrides: As :func:`load_recipe` takes them.
    :param place: Where it stands, for messages.
    :param folder: What relative paths in it count from.
    :param source: The user's own file; None where there is none.
    :raises RecipeError: With everything that is wrong, one line each.
    """
    _stop(location, shape_errors(raw))
    resolved = resolve_paths(_with_defaults(raw), folder)
    # A resolved recipe names the system that `mine` made.
    only = list(resolved["systems"]) == [resolved["name"]]
    overridden = apply_overrides(resolved, overrides, mine=resolved["name"] if only else None)
    # An override may bring a whole section, in any shape and without its defaults.
    _stop(location, shape_errors(overridden))
    overridden = _with_defaults(overridden)
    _stop(location, _errors(overridden))
    return _build(overridden, source)


def read_text(path: Path) -> str:
    """Return the text of a recipe or a suite.

    :raises RecipeError: If it cannot be read as UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as UTF-8 text: {error}"
        raise RecipeError(msg) from error


def _stop(location: str, errors: list[str]) -> None:
    if errors:
        msg = f"{location}: {len(errors)} mistake{'s' if len(errors) > 1 else ''}:\n" + "\n".join(
            f"  {error}" for error in errors
        )
        raise RecipeError(msg)


def _with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    systems = raw["systems"] if "systems" in raw else {raw["name"]: raw["mine"]}
    seed = raw.get("seed", 0)
    llm, train, evaluate = raw.get("llm"), raw.get("train"), raw.get("evaluate")
    return {
        "name": raw["name"],
        "seed": seed if isinstance(seed, list) else [seed],
        "memory": raw.get("memory"),
        "engine": raw.get("engine", LOCAL),
        "data": _filled(DataSection, raw["data"]),
        "systems": {
            system: [
                {name: _filled(stage_class(name), params or {}, FILLED_STAGE)}
                for stage in stages
                for name, params in stage.items()
            ]
            for system, stages in systems.items()
        },
        "start_from": raw.get("start_from") or {},
        "train_by_system": raw.get("train_by_system") or {},
        "llm": None if llm is None else _filled(LLMSection, llm),
        "train": None if train is None else _filled(SentenceTransformersTrainer, train, FILLED_TRAIN),
        "evaluate": None if evaluate is None else _filled(EvaluateSection, evaluate),
    }


def _filled(class_: type[Any], given: Mapping[str, Any], by_engine: Sequence[str] = ()) -> dict[str, Any]:
    """Return a section with its defaults, in the order of the constructor; unknown keys last, to be reported."""
    values = {**signature_defaults(class_, by_engine), **given}
    known = [name for name in parameters_of(class_) if name in values]
    return {name: values[name] for name in dict.fromkeys([*known, *values])}


def _errors(resolved: dict[str, Any]) -> list[str]:
    data = resolved["data"]
    errors = name_errors("name", resolved["name"])
    errors += check_type(resolved["seed"], list[int], "seed") or seed_errors(resolved["seed"])
    errors += memory_errors(resolved["memory"]) + check_type(resolved["engine"], EngineName, "engine")
    errors += check_call(DataSection, data, "data") or data_errors(data)
    for system, stages in resolved["systems"].items():
        errors += system_name_errors(system)
        for number, stage in enumerate(stages):
            ((name, params),) = stage.items()
            path = f"systems.{system}[{number}].{name}"
            errors += _stage_errors(Stage(name, params), resolved, path)
            errors += _model_errors(resolved, stage_class(name), params, system, path)
    errors += _start_errors(resolved)
    if resolved["llm"] is not None:
        errors += check_call(LLMSection, resolved["llm"], "llm") or llm_errors(resolved["llm"])
    if resolved["train"] is not None:
        wrong = check_call(SentenceTransformersTrainer, resolved["train"], "train", FILLED_TRAIN)
        errors += wrong or train_errors(resolved["train"])
    errors += _own_training_errors(resolved)
    if resolved["evaluate"] is not None:
        wrong = check_call(EvaluateSection, resolved["evaluate"], "evaluate")
        errors += wrong or [*evaluate_errors(resolved["evaluate"]), *_line_errors(resolved)]
    return errors


def _stage_errors(stage: Stage, resolved: dict[str, Any], path: str) -> list[str]:
    missing = generator_errors(stage, resolved["llm"], path)
    if missing:
        return missing
    llm = resolved["llm"]
    # What is wrong with the section itself is reported there.
    wrong = llm is not None and (check_call(LLMSection, llm, "llm") or llm_errors(llm))
    generator = None if llm is None else generator_of(LLMSection() if wrong else LLMSection(**llm))
    stage = Stage(stage.name, with_generators(stage.params, generator))
    return check_call(stage_class(stage.name), stage.params, path, FILLED_STAGE) or stage_errors(
        stage, resolved["data"], path, generator
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
            wrong = check_call(SentenceTransformersTrainer, train, path, FILLED_TRAIN) or train_errors(train)
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
    """Check that every line of a table has a name of its own, and that the baseline is one of them."""
    errors = []
    for name in resolved["evaluate"]["models"] or {}:
        errors += system_name_errors(name, "evaluate.models")
        if name in resolved["systems"]:
            errors.append(f"evaluate.models.{name}: a system has that name, choose another")
    return [*errors, *_prompt_errors(resolved), *_baseline_errors(resolved)]


def _prompt_errors(resolved: Mapping[str, Any]) -> list[str]:
    errors = []
    for name, prompts in (resolved["evaluate"]["prompts"] or {}).items():
        known = resolved["evaluate"]["models"] or {}
        if name not in known:
            errors.append(f"evaluate.prompts.{name}: none of evaluate.models: {', '.join(known) or 'none'}")
        texts = isinstance(prompts, dict) and all(isinstance(text, str) for text in prompts.values())
        if not texts or not {"query", "passage"} >= set(prompts):
            errors.append(f"evaluate.prompts.{name}: expected texts for query, passage or both, got {prompts!r}")
    return errors


def _baseline_errors(resolved: Mapping[str, Any]) -> list[str]:
    baseline = resolved["evaluate"]["baseline"]
    models = resolved["evaluate"]["models"] or {}
    lines = [BM25_LINE, *models, *([UNTRAINED_LINE, *resolved["systems"]] if resolved["train"] else [])]
    if baseline is None or baseline in lines:
        return []
    return [f"evaluate.baseline: {baseline!r} is no line of the table; lines: {', '.join(lines)}"]


def _build(resolved: dict[str, Any], source: Path | None) -> Recipe:
    systems = {
        system: tuple(Stage(name, params) for stage in stages for name, params in stage.items())
        for system, stages in resolved["systems"].items()
    }
    evaluate = resolved["evaluate"]
    return Recipe(
        name=resolved["name"],
        seeds=tuple(resolved["seed"]),
        data=DataSection(**resolved["data"]),
        systems=systems,
        train=resolved["train"],
        evaluate=None if evaluate is None else EvaluateSection(**evaluate),
        start_from=resolved["start_from"],
        train_by_system=resolved["train_by_system"],
        llm=None if resolved["llm"] is None else LLMSection(**resolved["llm"]),
        memory=resolved["memory"],
        engine=resolved["engine"],
        source=source,
    )
