"""Models whose cards ask for a text before queries or passages, recognised by their names."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

logger = logging.getLogger(__name__)
DATA_FILE = "prompt_families.yaml"
# What the hub's cache puts before owner and name of a model.
_CACHED = "models--"
_told: set[str] = set()


class Prompts(NamedTuple):
    """Texts before queries and passages; an empty one adds nothing."""

    query: str
    passage: str


def asked_prompts(model: str) -> Prompts | None:
    """Return the texts that a model's card asks for; None where its family is not known to ask for any.

    :param model: Hub id or folder.
    """
    name = _name(model)
    for pattern, prompts in _families():
        if pattern.search(name):
            return prompts if any(prompts) else None
    return None


def tell_missing_prompts(model: str, own: Mapping[str, str], query: str | None, passage: str | None) -> None:
    """Say, once for each model, that it is used without the texts that its card asks for.

    :param model: Hub id or folder.
    :param own: The prompts that the model brings, by name.
    :param query: Text that is put before queries; None takes the model's own.
    :param passage: Text that is put before passages; None likewise.
    """
    asked = asked_prompts(model)
    if asked is None or query is not None or passage is not None or any(own.values()) or model in _told:
        return
    _told.add(model)
    given = [("query", asked.query), ("corpus", asked.passage)]
    # A line end inside a text is written so that a shell takes it.
    flags = " ".join(f"--{name}-prompt {_quoted(text)}" for name, text in given if text)
    logger.warning(
        "%s: models of this family ask for a text before %s, and this one brings none; give it: %s (query_prompt and "
        "passage_prompt in a recipe), or an empty one to be told no more",
        model,
        " and ".join(name for name, text in zip(("queries", "passages"), asked, strict=True) if text),
        flags,
    )


def _quoted(text: str) -> str:
    return f'"{text}"' if "\n" not in text else "$'" + text.replace("\n", "\\n") + "'"


def _name(model: str) -> str:
    parts = Path(model).parts
    cached = next((part.removeprefix(_CACHED).replace("--", "/") for part in parts if part.startswith(_CACHED)), None)
    if cached is not None:
        return cached.lower()
    # A folder is named by its last part; a hub id has two.
    folder = Path(model).is_absolute() or len(parts) > 2 or Path(model).expanduser().is_dir()
    return (parts[-1] if folder and parts else model).lower()


@cache
def _families() -> list[tuple[re.Pattern[str], Prompts]]:
    text = resources.files(__package__).joinpath(DATA_FILE).read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = yaml.safe_load(text)
    return [
        (re.compile(entry["pattern"]), Prompts(entry.get("query", ""), entry.get("passage", ""))) for entry in entries
    ]
