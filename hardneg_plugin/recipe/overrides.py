"""``--set dotted.key=value``: changing keys that exist."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.components import STAGES, SentenceTransformersTrainer, stage_class
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.paths import resolve_paths
from hardneg_plugin.recipe.yaml_text import parse_yaml
from hardneg_plugin.validation import parameters_of, unknown_key

# Sections whose keys are the user's own: a new one may be added.
OPEN_MAPPINGS = (
    "train.arguments",
    "train.loss_args",
    "evaluate.relevance",
    "evaluate.datasets",
    "evaluate.models",
    "evaluate.prompts",
    "start_from",
    "train_by_system",
)


def apply_overrides(resolved: dict[str, Any], overrides: Sequence[str], *, mine: str | None = None) -> dict[str, Any]:
    """Return a copy of a resolved recipe with keys changed.

    A stage is named by its number or by its short name: ``systems.bm25.bm25.top_k=50``.

    :param resolved: The recipe with all defaults, so that every key exists.
    :param overrides: ``dotted.key=value``; values are YAML, relative paths in them count from the working directory.
    :param mine: Name of the system that the recipe wrote as ``mine``, which may be used as its path.
    :raises RecipeError: With all overrides that cannot be applied.
    """
    result = copy.deepcopy(resolved)
    errors = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            errors.append(f"--set {override}: expected dotted.key=value")
            continue
        try:
            _set(result, _names(key.strip(), mine), key.strip(), parse_yaml(value, f"--set {override}"))
        except RecipeError as error:
            errors.append(str(error))
    if errors:
        raise RecipeError("\n".join(errors))
    return result


def _names(key: str, mine: str | None) -> list[str]:
    names = key.split(".")
    return ["systems", mine, *names[1:]] if names[0] == "mine" and mine is not None else names


def _set(resolved: dict[str, Any], names: list[str], key: str, value: Any) -> None:
    position: Any = resolved
    for depth, name in enumerate(names[:-1]):
        position = _step(position, name, ".".join(names[:depth]), key)
    last, path = names[-1], ".".join(names[:-1])
    if isinstance(position, list):
        msg = f"--set {key}: name a parameter of the stage, as in {path}.{last}.PARAMETER=VALUE"
        raise RecipeError(msg)
    if not isinstance(position, dict):
        msg = f"--set {key}: {path} is {position!r}, it has no keys"
        raise RecipeError(msg)
    if last not in position and path not in OPEN_MAPPINGS and last not in _parameters(names[:-1]):
        raise RecipeError(f"--set {unknown_key(path, last, position)}")  # noqa: EM102
    position[last] = resolve_paths(value, Path.cwd(), names)


def _parameters(names: Sequence[str]) -> tuple[str, ...]:
    """Return what the component of a section takes: what the engine would fill in is not in the section yet."""
    if list(names) == ["train"]:
        return tuple(parameters_of(SentenceTransformersTrainer))
    if len(names) > 2 and names[0] == "systems" and names[-1] in STAGES:
        return tuple(parameters_of(stage_class(names[-1])))
    return ()


def _step(position: Any, name: str, path: str, key: str) -> Any:
    if isinstance(position, list):
        return _stage(position, name, path, key)
    if not isinstance(position, dict) or name not in position:
        known = position if isinstance(position, dict) else ()
        raise RecipeError(f"--set {unknown_key(path, name, known)}")  # noqa: EM102
    if position[name] is None and f"{path}.{name}".strip(".") in OPEN_MAPPINGS:
        position[name] = {}
    return position[name]


def _stage(stages: list[Any], name: str, path: str, key: str) -> Any:
    if name.isdecimal() and int(name) < len(stages):
        return stages[int(name)]
    found = [stage[name] for stage in stages if isinstance(stage, dict) and name in stage]
    if len(found) == 1:
        return found[0]
    names = [next(iter(stage), "") if isinstance(stage, dict) else repr(stage) for stage in stages]
    problem = "names several stages, use their number" if found else "names no stage"
    msg = f"--set {key}: {name!r} {problem}; stages of {path}: {', '.join(f'{i} ({n})' for i, n in enumerate(names))}"
    raise RecipeError(msg)
