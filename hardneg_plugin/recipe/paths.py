"""Paths in a recipe: which values are paths, and what a relative one counts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets import resolve_spec
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.mining.candidate_labels import VERDICTS, is_label_file
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX
from hardneg_plugin.training.base_model import STATIC

# Section → keys in it, at any depth, that hold a dataset spec or a model.
_SPECS = {("data", "dataset"), ("evaluate", "dataset"), ("systems", "corpus")}
_FILES = {("llm", "recorded"), ("data", "corpus")}
_LABELS = {("systems", "labels")}
# The dense stage has an `index`, too, which is a kind.
_INDEX = ("bm25", "index")
_MODELS = {("train", "base_model"), ("train", "guide"), ("train", "vocabulary"), ("systems", "model")}


def resolve_paths(value: Any, folder: Path, names: Sequence[str] = ()) -> Any:
    """Return a part of a recipe with the relative paths in it made absolute.

    :param value: The recipe, or what stands under a key of it.
    :param folder: Folder that relative paths count from.
    :param names: The keys that lead to ``value``.
    """
    if isinstance(value, dict):
        return {key: resolve_paths(item, folder, (*names, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_paths(item, folder, names) for item in value]
    if not isinstance(value, str) or not names:
        return value
    position = (names[0], names[-1])
    if position in _SPECS:
        return _spec(value, folder)
    index = names[0] == "systems" and tuple(names[-2:]) == _INDEX
    if index or position in _FILES or (position in _LABELS and is_label_file(value)):
        return str((folder / Path(value).expanduser()).resolve())
    if position in _LABELS:
        return value if value == VERDICTS else _spec(value, folder)
    given = tuple(names[:2]) == ("evaluate", "models")
    return _model(value, folder) if position in _MODELS or given else value


def _spec(spec: str, folder: Path) -> str:
    # A corpus of the cache is named by its key.
    if spec.startswith("cache:"):
        return spec
    try:
        return resolve_spec(spec, folder)
    except DatasetError:
        return spec  # reported with the other mistakes


def _model(model: str, folder: Path) -> str:
    # A folder that happens to be called "static" must not become what is trained.
    if not model or model == STATIC or model.startswith(SYSTEM_PREFIX):
        return model
    path = folder / Path(model).expanduser()
    # A hub id looks like a relative path; only what exists, or says that it is a path, is taken as one.
    return str(path.resolve()) if path.exists() or model.startswith((".", "/", "~")) else model
