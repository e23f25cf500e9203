"""Benchmark suites: the same systems on several datasets, each as a recipe, with results side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.load import read_text, resolved_recipe
from hardneg_plugin.recipe.schema import Recipe
from hardneg_plugin.recipe.yaml_text import parse_yaml
from hardneg_plugin.validation import unknown_key

KEYS = (
    "name",
    "about",
    "seed",
    "systems",
    "start_from",
    "llm",
    "train",
    "train_by_system",
    "evaluate",
    "cells",
    "smoke",
    "published",
)
CELL_KEYS = ("about", "data", "systems", "start_from", "llm", "train", "train_by_system", "evaluate", "published")
# Sections that a cell adds its own keys to; the others it replaces.
_MERGED = ("train", "evaluate", "llm")
_SHARED = ("systems", "start_from", "train_by_system", *_MERGED)

Published = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class SuiteEntry:
    """One recipe of a suite.

    :param name: Name of the cell.
    :param about: What it is, a sentence.
    :param recipe: The recipe, named ``<suite>-<cell>``.
    :param published: Split or dataset → line → metric → value that others published; they become lines of the tables.
    """

    name: str
    about: str
    recipe: Recipe
    published: Published = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    :param name: Its name.
    :param about: What it measures, and what its scores must not be taken for.
    :param cells: Its recipes.
    :param published: Where published values come from; empty where there are none.
    :param page: Name of its results: a part of a suite does not take the place of the whole.
    """

    name: str
    about: str
    cells: tuple[SuiteEntry, ...]
    published: str = ""
    page: str = ""


def load_suite(
    path: Path,
    data: Path,
    *,
    smoke: bool = False,
    only: Sequence[str] = (),
    models: Mapping[str, str] | None = None,
    prompts: Mapping[str, Mapping[str, str]] | None = None,
    train: bool = True,
) -> Suite:
    """Return a suite.

    :param path: YAML file. ``systems``, ``start_from``, ``llm``, ``train`` and ``evaluate`` of the suite are those of
        every cell that does not say otherwise; in any text ``{data}`` stands for the folder of data and ``{suite}`` for
        what the run folders of all cells begin with.
    :param data: Folder of data.
    :param smoke: Apply the suite's ``smoke`` settings, which make it small.
    :param only: Names of cells; none takes all.
    :param models: Name → folder or hub id of a model to measure beside the suite's own lines.
    :param prompts: Name of one of ``models`` → texts before its ``query`` and ``passage``.
    :param train: Whether to run the suite's systems; without, only BM25 retrieval and ``models`` are measured.
    :raises RecipeError: With everything that is wrong, one line each.
    """
    raw = parse_yaml(read_text(path), str(path))
    _check_keys(raw, KEYS, str(path), ("name", "systems", "cells"))
    cells = raw["cells"]
    if not isinstance(cells, dict) or not cells:
        msg = f"{path}: cells: expected a mapping of names to recipes, got {cells!r}"
        raise RecipeError(msg)
    if unknown := [name for name in only if name not in cells]:
        msg = f"{path}: {unknown_key('cells', unknown[0], cells)}"
        raise RecipeError(msg)
    overrides = [f"{key}={json.dumps(value)}" for key, value in (raw.get("smoke") or {}).items()] if smoke else []
    overrides += [f"evaluate.models.{name}={json.dumps(model)}" for name, model in (models or {}).items()]
    overrides += [f"evaluate.prompts.{name}={json.dumps(texts)}" for name, texts in (prompts or {}).items()]
    if not train:
        overrides += ["systems={}", "start_from={}", "train_by_system={}", "train=null", "evaluate.baseline=null"]
    # A small run, or one that only measures, has run folders and results of its own.
    run = "-".join([str(raw["name"]), *(["smoke"] if smoke else []), *([] if train else ["measured"])])
    chosen = {name: cell for name, cell in cells.items() if name in only or not only}
    words = {"{data}": str(data.resolve()), "{suite}": run}
    return Suite(
        raw["name"],
        str(raw.get("about", "")).strip(),
        tuple(_cell(raw, name, cell, path, words, overrides) for name, cell in chosen.items()),
        str(raw.get("published", "")).strip(),
        "-".join([run, *only]),
    )


def _check_keys(raw: Any, known: Sequence[str], location: str, needed: Sequence[str]) -> None:
    if not isinstance(raw, dict):
        msg = f"{location}: expected a mapping with {', '.join(known)}; got {type(raw).__name__}"
        raise RecipeError(msg)
    errors = [unknown_key("", name, known) for name in raw if name not in known]
    errors += [f"{name}: missing" for name in needed if name not in raw]
    if errors:
        raise RecipeError("\n".join(f"{location}: {error}" for error in errors))


def _cell(
    suite: Mapping[str, Any], name: str, cell: Any, path: Path, words: Mapping[str, str], overrides: Sequence[str]
) -> SuiteEntry:
    location = f"{path}, cell {name}"
    _check_keys(cell, CELL_KEYS, location, ("data",))
    raw = {"name": f"{words['{suite}']}-{name}", "seed": suite.get("seed", 0), "data": cell["data"]}
    for section in _SHARED:
        shared, own = suite.get(section), cell.get(section)
        if section in _MERGED and isinstance(shared, dict) and isinstance(own, dict):
            raw[section] = {**shared, **own}
        elif own is not None or shared is not None:
            raw[section] = shared if own is None else own
    recipe = resolved_recipe(
        _filled_in(raw, words), overrides, location=location, folder=path.parent.resolve(), source=path.resolve()
    )
    published = cell.get("published") or {}
    _check_published(location, published, recipe)
    return SuiteEntry(name, str(cell.get("about", "")).strip(), recipe, published)


def _check_published(location: str, published: Any, recipe: Recipe) -> None:
    """Check that published values belong to something that is measured.

    :raises RecipeError: If they do not, or are no numbers.
    """
    evaluate = recipe.evaluate
    measured = [] if evaluate is None else [*evaluate.splits, *(evaluate.datasets or {})]
    metrics = () if evaluate is None else evaluate.metrics
    for target, lines in _mapping(location, "published", published).items():
        if target not in measured:
            msg = f"{location}: {unknown_key('published', target, measured)}"
            raise RecipeError(msg)
        for line, values in _mapping(location, f"published.{target}", lines).items():
            for metric, value in _mapping(location, f"published.{target}.{line}", values).items():
                if metric not in metrics or isinstance(value, bool) or not isinstance(value, int | float):
                    wanted = f"a number under one of {', '.join(metrics)}"
                    msg = f"{location}: published.{target}.{line}: expected {wanted}; got {metric}: {value!r}"
                    raise RecipeError(msg)


def _mapping(location: str, path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"{location}: {path}: expected a mapping, got {value!r}"
        raise RecipeError(msg)
    return value


def _filled_in(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled_in(item, words) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled_in(item, words) for item in value]
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace(word, meaning)
    return value
