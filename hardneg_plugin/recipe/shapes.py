"""The shape of a recipe: sections, systems and stages, before their values are looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from hardneg_plugin.components import STAGES
from hardneg_plugin.recipe.schema import BM25_LINE, UNTRAINED_LINE
from hardneg_plugin.validation import unknown_key

SECTIONS = (
    "name",
    "seed",
    "memory",
    "engine",
    "data",
    "mine",
    "systems",
    "start_from",
    "llm",
    "train",
    "train_by_system",
    "evaluate",
)
_MAPPINGS = ("data", "start_from", "llm", "train", "train_by_system", "evaluate")
# Names become folders; file systems take 255 bytes.
LONGEST_NAME = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = {line.lower().replace(" ", "-"): line for line in (BM25_LINE, UNTRAINED_LINE)}


def shape_errors(raw: Mapping[str, Any]) -> list[str]:
    """Return what keeps a recipe from being filled up with defaults."""
    errors = [unknown_key("", name, SECTIONS) for name in raw if name not in SECTIONS]
    errors += [f"{name}: missing" for name in ("name", "data") if name not in raw]
    # A name of one system (`mine`) becomes a key here; how it is spelt is looked at with the other values.
    errors += name_errors("name", raw["name"]) if "name" in raw and not isinstance(raw["name"], str) else []
    if ("mine" in raw) == ("systems" in raw):
        errors.append("mine, systems: give one of them: `mine` for one system, `systems` for several")
    for name, value in raw.items():
        if _is_broken_section(name, value):
            errors.append(f"{name}: expected a mapping, got {value!r}")
    return errors + _systems_errors(raw.get("systems", {"mine": raw.get("mine", [])}))


def sound_parts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe without the parts that :func:`shape_errors` reports, so that the others can be checked, too."""
    sound = {name: value for name, value in raw.items() if name in SECTIONS and not _is_broken_section(name, value)}
    named = isinstance(raw.get("name"), str)
    sound |= {} if named else {"name": "unnamed"}
    sound |= {} if "data" in sound else {"data": {"dataset": "sample"}}
    systems = sound.pop("systems", None)
    mine = sound.pop("mine", [])
    if not isinstance(systems, dict):
        systems = {sound["name"]: mine}
    return {
        **sound,
        "systems": {
            name: [stage for stage in stages if not _stage_errors(stage, "")]
            for name, stages in systems.items()
            if isinstance(stages, list)
        },
    }


def _is_broken_section(name: str, value: object) -> bool:
    return name in _MAPPINGS and not isinstance(value, dict) and (name == "data" or value is not None)


def name_errors(path: str, name: object) -> list[str]:
    """Return what is wrong with a name that becomes a folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        hint = "; a number or a date needs quotes to be a name" if isinstance(name, int | float | date) else ""
        return [f"{path}: expected letters, digits, . _ or -, got {name!r}{hint}"]
    if len(name) > LONGEST_NAME:
        return [f"{path}: expected at most {LONGEST_NAME} characters, got {len(name)}"]
    return []


def system_name_errors(system: str, section: str = "systems") -> list[str]:
    """Return what is wrong with the name of a line of the tables.

    :param system: The name.
    :param section: Where in the recipe it stands.
    """
    if system.lower() in _TAKEN:
        return [f"{section}.{system}: the name is taken by the line {_TAKEN[system.lower()]!r} that every table has"]
    return name_errors(f"{section}.{system}", system)


def _systems_errors(systems: Any) -> list[str]:
    if not isinstance(systems, dict):
        return [f"systems: expected a mapping of names to lists of stages, got {systems!r}"]
    errors = []
    for system, stages in systems.items():
        if not isinstance(stages, list):
            errors.append(f"systems.{system}: expected a list of stages, got {stages!r}")
            continue
        for number, stage in enumerate(stages):
            errors += _stage_errors(stage, f"systems.{system}[{number}]")
    return errors


def _stage_errors(stage: Any, path: str) -> list[str]:
    if not isinstance(stage, dict) or len(stage) != 1:
        return [f"{path}: expected one stage as `name: {{parameters}}`, got {stage!r}"]
    ((name, params),) = stage.items()
    if name not in STAGES:
        return [unknown_key(path, name, STAGES)]
    if params is not None and not isinstance(params, dict):
        return [f"{path}.{name}: expected a mapping of parameters, got {params!r}"]
    return []
