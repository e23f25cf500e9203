"""Loading a recipe: defaults filled in, overrides applied, every mistake collected before any work starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.components import STAGES, SentenceTransformersTrainer, stage_class
from hardneg_plugin.datasets import parse_spec, resolve_spec
from hardneg_plugin.errors import DatasetError, HardnegError, RecipeError
from hardneg_plugin.evaluation import parse_metrics
from hardneg_plugin.recipe.check import check_call, check_type, parameters_of, signature_defaults, unknown_key
from hardneg_plugin.recipe.find import builtin_recipes, find_recipe
from hardneg_plugin.recipe.overrides import apply_overrides
from hardneg_plugin.recipe.schema import (
    BM25_LINE,
    SYSTEM_PREFIX,
    UNTRAINED_LINE,
    DataSection,
    EvaluateSection,
    Recipe,
    Stage,
)
from hardneg_plugin.recipe.yaml_text import parse_yaml

SECTIONS = ("name", "seed", "data", "mine", "systems", "train", "evaluate")
# What the engine fills in where a stage or the trainer takes it.
FILLED_STAGE = ("corpus", "seed", "language", "model")
FILLED_TRAIN = ("output_dir", "seed", "corpus")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe, ready to run.

    :param recipe: Path, or name of one that comes with the package.
    :param overrides: ``dotted.key=value`` pairs; the key must exist.
    :raises RecipeError: With everything that is wrong, one line each.
    """
    path = find_recipe(recipe)
    raw = parse_yaml(path.read_text("utf-8"), str(path))
    if not isinstance(raw, dict):
        msg = f"{path}: expected a mapping with {', '.join(SECTIONS)}; got {type(raw).__name__}"
        raise RecipeError(msg)
    # The folder of a built-in recipe belongs to the installation: its paths count from where the command is run.
    folder = Path.cwd() if path in builtin_recipes().values() else path.parent
    errors = _shape_errors(raw)
    _stop(path, errors)
    resolved = _with_defaults(raw)
    _resolve_paths(resolved, folder)
    overridden = apply_overrides(resolved, overrides)
    # Only what an override touched counts from the working directory.
    _resolve_paths(overridden, Path.cwd())
    _stop(path, _errors(overridden))
    return _build(overridden)


def _stop(path: Path, errors: list[str]) -> None:
    if errors:
        msg = f"{path}: {len(errors)} mistake{'s' if len(errors) > 1 else ''}:\n" + "\n".join(
            f"  {error}" for error in errors
        )
        raise RecipeError(msg)


def _shape_errors(raw: Mapping[str, Any]) -> list[str]:
    """Return what keeps a recipe from being filled up with defaults."""
    errors = [unknown_key("", name, SECTIONS) for name in raw if name not in SECTIONS]
    errors += [f"{name}: missing" for name in ("name", "data") if name not in raw]
    if ("mine" in raw) == ("systems" in raw):
        errors.append("mine, systems: give one of them: `mine` for one system, `systems` for several")
    for name in ("data", "train", "evaluate"):
        if name in raw and not isinstance(raw[name], dict) and (name == "data" or raw[name] is not None):
            errors.append(f"{name}: expected a mapping, got {raw[name]!r}")
    systems = raw.get("systems", {"mine": raw.get("mine", [])})
    if not isinstance(systems, dict):
        return [*errors, f"systems: expected a mapping of names to lists of stages, got {systems!r}"]
    for system, stages in systems.items():
        if not isinstance(stages, list):
            errors.append(f"systems.{system}: expected a list of stages, got {stages!r}")
            continue
        for number, stage in enumerate(stages):
            errors += _stage_shape_errors(stage, f"systems.{system}[{number}]")
    return errors


def _stage_shape_errors(stage: Any, path: str) -> list[str]:
    if not isinstance(stage, dict) or len(stage) != 1:
        return [f"{path}: expected one stage as `name: {{parameters}}`, got {stage!r}"]
    ((name, params),) = stage.items()
    if name not in STAGES:
        return [unknown_key(path, name, STAGES)]
    if params is not None and not isinstance(params, dict):
        return [f"{path}.{name}: expected a mapping of parameters, got {params!r}"]
    return []


def _with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    systems = raw["systems"] if "systems" in raw else {raw["name"]: raw["mine"]}
    seed = raw.get("seed", 0)
    train, evaluate = raw.get("train"), raw.get("evaluate")
    return {
        "name": raw["name"],
        "seed": seed if isinstance(seed, list) else [seed],
        "data": _filled(DataSection, raw["data"]),
        "systems": {
            system: [
                {name: _filled(stage_class(name), params or {}, FILLED_STAGE)}
                for stage in stages
                for name, params in stage.items()
            ]
            for system, stages in systems.items()
        },
        "train": None if train is None else _filled(SentenceTransformersTrainer, train, FILLED_TRAIN),
        "evaluate": None if evaluate is None else _filled(EvaluateSection, evaluate),
    }


def _filled(class_: type[Any], given: Mapping[str, Any], by_engine: Sequence[str] = ()) -> dict[str, Any]:
    """Return a section with its defaults, in the order of the constructor; unknown keys last, to be reported."""
    values = {**signature_defaults(class_, by_engine), **given}
    known = [name for name in parameters_of(class_) if name in values]
    return {name: values[name] for name in dict.fromkeys([*known, *values])}


def _resolve_paths(resolved: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of the dataset and of the base model absolute."""
    data, train = resolved["data"], resolved["train"]
    if isinstance(data.get("dataset"), str):
        try:
            data["dataset"] = resolve_spec(data["dataset"], folder)
        except DatasetError:
            return  # reported with the other mistakes
    if train and isinstance(train.get("base_model"), str):
        path = folder / Path(train["base_model"]).expanduser()
        # A hub id looks like a relative path; only what exists, or says that it is a path, is taken as one.
        if path.exists() or train["base_model"].startswith((".", "/", "~")):
            train["base_model"] = str(path.resolve())


def _errors(resolved: dict[str, Any]) -> list[str]:
    errors = (
        []
        if _NAME.fullmatch(str(resolved["name"]))
        else [f"name: expected letters, digits, . _ or -, got {resolved['name']!r}"]
    )
    errors += check_type(resolved["seed"], list[int], "seed") or (
        [] if resolved["seed"] else ["seed: expected at least one"]
    )
    data_errors = check_call(DataSection, resolved["data"], "data")
    errors += data_errors or _spec_errors(resolved["data"]["dataset"])
    for system, stages in resolved["systems"].items():
        if not _NAME.fullmatch(system):
            errors.append(f"systems.{system}: expected letters, digits, . _ or - in the name")
        for number, stage in enumerate(stages):
            ((name, params),) = stage.items()
            path = f"systems.{system}[{number}].{name}"
            errors += check_call(stage_class(name), params, path, FILLED_STAGE)
            errors += _model_errors(resolved, stage_class(name), params, system, path)
    if resolved["train"] is not None:
        errors += check_call(SentenceTransformersTrainer, resolved["train"], "train", FILLED_TRAIN)
    if resolved["evaluate"] is not None:
        evaluate_errors = check_call(EvaluateSection, resolved["evaluate"], "evaluate")
        errors += evaluate_errors or [*_metric_errors(resolved["evaluate"]["metrics"]), *_baseline_errors(resolved)]
    return errors


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


def _spec_errors(spec: str) -> list[str]:
    try:
        parse_spec(spec)
    except HardnegError as error:
        return [f"data.dataset: {error}"]
    return []


def _baseline_errors(resolved: Mapping[str, Any]) -> list[str]:
    baseline = resolved["evaluate"]["baseline"]
    lines = [BM25_LINE, *([UNTRAINED_LINE, *resolved["systems"]] if resolved["train"] else [])]
    if baseline is None or baseline in lines:
        return []
    return [f"evaluate.baseline: {baseline!r} is no line of the table; lines: {', '.join(lines)}"]


def _metric_errors(metrics: list[str]) -> list[str]:
    try:
        parse_metrics(metrics, 1)
    except HardnegError as error:
        return [f"evaluate.metrics: {error}"]
    return []


def _build(resolved: dict[str, Any]) -> Recipe:
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
    )
