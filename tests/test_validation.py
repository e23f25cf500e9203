"""Annotations as the rules of values, for Python and for files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt
from haystack.core.serialization import component_to_dict

from hardneg_plugin import BM25NegativeMiner
from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.validation import (
    Count,
    Name,
    NotZeroShare,
    Share,
    describe,
    section_mistakes,
    signature_defaults,
    value_mistakes,
)


class Thing:
    def __init__(
        self, corpus: str, size: int, share: float = 0.5, kind: Literal["a", "b"] = "a", more: list[str] | None = None
    ):
        pass


def test_every_mistake_is_reported_with_its_path():
    errors = section_mistakes(
        Thing, {"size": "3", "shar": 1, "kind": "c", "more": [1]}, "mine[2].thing", filled=["corpus"]
    )
    assert errors == [
        "mine[2].thing.size: expected a whole number, got '3'",
        "mine[2].thing.shar: unknown key (did you mean 'share'? known: corpus, size, share, kind, more)",
        "mine[2].thing.kind: expected one of a, b, got 'c'",
        "mine[2].thing.more: expected a list of a text or null, got [1]",
    ]


def test_a_missing_parameter_is_reported_unless_the_engine_fills_it():
    assert section_mistakes(Thing, {"size": 1}, "thing", filled=["corpus"]) == []
    assert section_mistakes(Thing, {}, "thing") == [
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
    assert (value_mistakes(annotation, value, "key") == []) is fits


def test_types_in_words():
    assert describe(list[int] | None) == "a list of a whole number or null"
    assert describe(float | Literal["auto"]) == "a number or one of auto"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Count, "a whole number of at least 1"),
        (Share, "a number from 0 to 1"),
        (NotZeroShare, "a number above 0 and up to 1"),
        (Annotated[float, Gt(0), Lt(1)], "a number above 0 and below 1"),
        (Annotated[int, Ge(1), Le(10_000)], "a whole number from 1 to 10,000"),
        (Name, "a name"),
        (Mapping[str, Count], "a mapping"),
    ],
)
def test_ranges_in_words(annotation, words):
    assert describe(annotation) == words


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, 1.1, "0.5", True])
def test_a_number_outside_its_range_is_a_mistake(value):
    assert value_mistakes(NotZeroShare, value, "key") == [f"key: expected a number above 0 and up to 1, got {value!r}"]


def test_a_mistake_inside_a_mapping_has_its_place():
    assert value_mistakes(dict[str, Count] | None, {"a": 1, "b": 0}, "key") == [
        "key.b: expected a whole number of at least 1, got 0"
    ]
    assert value_mistakes(dict[Literal["a"], int], {"c": 1}, "key") == [
        "key: expected a mapping whose keys are one of a, got {'c': 1}"
    ]


class Checked(CheckedParameters):
    def __init__(self, size: Count, shares: list[Share] | None = None, *, quotas: dict[str, Count] | None = None):
        self.size, self.shares, self.quotas = size, shares, quotas


def test_a_constructor_says_all_that_is_wrong_at_once():
    with pytest.raises(ParameterError) as caught:
        Checked(0, [2], quotas={"a": "1"})
    assert str(caught.value) == (
        "Checked: size must be a whole number of at least 1, got 0; "
        "shares must be a list of a number from 0 to 1, got [2]; "
        "quotas['a'] must be a whole number of at least 1, got '1'"
    )
    with pytest.raises(TypeError, match="sice"):
        Checked(1, sice=1)


def test_numbers_of_numpy_become_python_s():
    made = Checked(np.int64(3), [np.float32(0.5)], quotas={"a": np.int32(2)})
    assert json.dumps([made.size, made.shares, made.quotas]) == '[3, [0.5], {"a": 2}]'
    with pytest.raises(ParameterError, match="size must be a whole number"):
        Checked(np.float64(3))
    with pytest.raises(ParameterError, match="size must be a whole number"):
        Checked(np.bool_(True))


def test_a_miner_with_numbers_of_numpy_is_written_down():
    written = component_to_dict(BM25NegativeMiner("sample", top_k=np.int64(7), b=np.float64(0.5)), "it")
    assert json.loads(json.dumps(written))["init_parameters"]["top_k"] == 7
