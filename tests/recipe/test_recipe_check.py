"""The constructor as schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from hardneg_plugin.recipe.check import check_call, check_type, describe, signature_defaults


class Thing:
    def __init__(
        self, corpus: str, size: int, share: float = 0.5, kind: Literal["a", "b"] = "a", more: list[str] | None = None
    ):
        pass


def test_every_mistake_is_reported_with_its_path():
    errors = check_call(Thing, {"size": "3", "shar": 1, "kind": "c", "more": [1]}, "mine[2].thing", filled=["corpus"])
    assert errors == [
        "mine[2].thing.size: expected a whole number, got '3'",
        "mine[2].thing.shar: unknown key (did you mean 'share'? known: corpus, size, share, kind, more)",
        "mine[2].thing.kind: expected one of a, b, got 'c'",
        "mine[2].thing.more: expected a list of a text or null, got [1]",
    ]


def test_a_missing_parameter_is_reported_unless_the_engine_fills_it():
    assert check_call(Thing, {"size": 1}, "thing", filled=["corpus"]) == []
    assert check_call(Thing, {}, "thing") == [
        "thing.corpus: missing; a text is needed",
        "thing.size: missing; a whole number is needed",
    ]


def test_defaults_are_those_of_the_constructor():
    assert signature_defaults(Thing, skip=["kind"]) == {"share": 0.5, "more": None}


@pytest.mark.parametrize(
    ("value", "annotation", "fits"),
    [
        (1, int, True),
        (True, int, False),
        (1, float, True),
        (True, float, False),
        ("x", str | None, True),
        (None, str | None, True),
        (1, str | None, False),
        ([1, 2], list[int], True),
        ([1, "2"], list[int], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "1"}, Mapping[str, int], False),
        ({}, Mapping[str, int] | None, True),
        (0, bool, False),
        ("auto", float | Literal["auto"], True),
        ("fast", float | Literal["auto"], False),
        (object(), Any, True),
        ({"type": "x.Store", "init_parameters": {}}, str | Thing, True),
        ({"init_parameters": {}}, str | Thing, False),
    ],
)
def test_types(value, annotation, fits):
    assert (check_type(value, annotation, "key") == []) is fits


def test_types_in_words():
    assert describe(list[int] | None) == "a list of a whole number or null"
    assert describe(float | Literal["auto"]) == "a number or one of auto"
