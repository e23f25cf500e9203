"""The templates and word lists of one language, read from ``languages/<code>.yaml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import yaml

LANGUAGES = ("en", "de", "es", "ru", "ar", "hi", "ko", "zh")
"""Codes of all languages. Their order is part of every entity's number: append only, and raise the version."""

_ALTERNATIVES = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class ValueForm:
    """Pattern of a fact's value, with a number ``{n}``, a ``{word}`` or an invented ``{stem}``."""

    pattern: str
    low: int
    high: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactForm:
    """One attribute of a kind.

    ``passages`` holds one tuple per paraphrase, with all its wordings; ``questions`` all wordings of all questions.
    """

    name: str
    value: ValueForm
    passages: tuple[tuple[str, ...], ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entity. Each item of ``names`` gives the name patterns of one family's look-alikes."""

    name: str
    names: tuple[tuple[str, ...], ...]
    context: tuple[str, ...]
    facts: tuple[FactForm, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """One language. ``separator`` stands between sentences; a name is three ``syllables`` and a coda."""

    code: str
    script: str
    separator: str
    capitalise: bool
    syllables: tuple[str, ...]
    codas: tuple[tuple[str, ...], ...]
    kinds: tuple[Kind, ...]


@cache
def load_language(code: str) -> Language:
    """Read the tables of one language.

    :param code: One of :data:`LANGUAGES`.
    :returns: The language, with every variant written ``[a|b]`` spelled out.
    """
    path = resources.files("hardneg_plugin.datasets.sample") / "languages" / f"{code}.yaml"
    table: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    values = {name: _value_form(row) for name, row in table["values"].items()}
    names = table["names"]
    return Language(
        code=table["code"],
        script=table["script"],
        separator=table["separator"],
        capitalise=names["capitalise"],
        syllables=tuple(names["syllables"]),
        codas=tuple(tuple(group) for group in names["codas"]),
        kinds=tuple(_kind(name, row, values) for name, row in table["kinds"].items()),
    )


def spell_out(template: str) -> tuple[str, ...]:
    """Spell out the variants of a template.

    :param template: Text in which ``[a|b]`` stands for ``a`` or ``b``.
    :returns: Every combination, in the order of writing.
    """
    parts = _ALTERNATIVES.split(template)
    choices = [part.split("|") if position % 2 else [part] for position, part in enumerate(parts)]
    return tuple("".join(combination) for combination in product(*choices))


def _kind(name: str, row: dict[str, Any], values: dict[str, ValueForm]) -> Kind:
    facts = tuple(
        FactForm(
            name=fact,
            value=values[form["value"]],
            passages=tuple(spell_out(template) for template in form["passages"]),
            questions=tuple(wording for template in form["questions"] for wording in spell_out(template)),
        )
        for fact, form in row["facts"].items()
    )
    context = tuple(wording for template in row["context"] for wording in spell_out(template))
    return Kind(name, tuple(tuple(patterns) for patterns in row["names"]), context, facts)


def _value_form(row: dict[str, Any]) -> ValueForm:
    low, high = row.get("range", (0, 0))
    words = tuple(row.get("words", ()))
    return ValueForm(row.get("text", "{word}"), low, high, words)
