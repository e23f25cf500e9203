"""Loading a recipe: defaults filled in, overrides applied, every mistake collected before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from hardneg_plugin.components import SentenceTransformersTrainer, stage_class
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.find import builtin_recipes, find_recipe
from hardneg_plugin.recipe.mistakes import FILLED_STAGE, FILLED_TRAIN, badly_written_data, mistakes_of_values
from hardneg_plugin.recipe.outlook import missing_datasets, missing_inputs
from hardneg_plugin.recipe.overrides import apply_overrides
from hardneg_plugin.recipe.paths import resolve_paths
from hardneg_plugin.recipe.schema import (
    LOCAL,
    DataSection,
    EvaluateSection,
    LLMSection,
    Recipe,
    Stage,
)
from hardneg_plugin.recipe.shapes import SECTIONS, shape_errors, sound_parts
from hardneg_plugin.recipe.yaml_text import parse_yaml
from hardneg_plugin.validation import parameters_of, signature_defaults

Inputs = Literal["none", "all but data", "all"]


def load_recipe(recipe: str, overrides: Sequence[str] = (), *, inputs: Inputs = "none") -> Recipe:
    """Return a recipe, ready to run.

    :param recipe: Path, or name of one that comes with the package.
    :param overrides: ``dotted.key=value`` pairs; the key must exist. Relative paths in them count from the working
        directory, those of a recipe from its own folder.
    :param inputs: What the recipe names must be there: ``none`` of it, ``all but data``, or ``all``: its datasets, too.
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
    source = None if builtin else path.resolve()
    return resolved_recipe(raw, overrides, location=str(path), folder=folder, source=source, inputs=inputs)


def resolved_recipe(
    raw: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    location: str,
    folder: Path,
    source: Path | None,
    inputs: Inputs = "none",
) -> Recipe:
    """Return a recipe from its sections.

    :param raw: The sections.
    :param overrides: As :func:`load_recipe` takes them.
    :param location: Where it stands, for messages.
    :param folder: What relative paths in it count from.
    :param source: The user's own file; None where there is none.
    :param inputs: As :func:`load_recipe` takes it.
    :raises RecipeError: With everything that is wrong, one line each.
    """
    errors = shape_errors(raw)
    resolved = resolve_paths(_with_defaults(sound_parts(raw)), folder)
    # A resolved recipe names the system that `mine` made.
    only = list(resolved["systems"]) == [resolved["name"]]
    try:
        overridden = apply_overrides(resolved, overrides, mine=resolved["name"] if only else None)
    except RecipeError as error:
        _stop(location, [*errors, str(error)] if errors else [])
        raise
    # An override may bring a whole section, in any shape and without its defaults.
    errors += shape_errors(overridden)
    overridden = _with_defaults(sound_parts(overridden))
    errors += mistakes_of_values(overridden)
    errors += missing_inputs(overridden) if inputs != "none" else []
    errors += missing_datasets(overridden) if inputs == "all" and not badly_written_data(overridden) else []
    _stop(location, list(dict.fromkeys(errors)))
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
            for system, stages in raw["systems"].items()
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
