"""The shape of a recipe: sections, systems and stages, before their values are looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from hardneg_plugin.components import STAGES
from hardneg_plugin.recipe.check import unknown_key
from hardneg_plugin.recipe.schema import BM25_LINE, UNTRAINED_LINE

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
    for name in ("data", "start_from", "llm", "train", "train_by_system", "evaluate"):
        if name in raw and not isinstance(raw[name], dict) and (name == "data" or raw[name] is not None):
            errors.append(f"{name}: expected a mapping, got {raw[name]!r}")
    return errors + _systems_errors(raw.get("systems", {"mine": raw.get("mine", [])}))


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
