"""YAML without the surprises of YAML 1.1."""

from __future__ import annotations

import pytest

from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.yaml_text import parse_yaml, to_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2.5E4", 25000.0),
        ("-1", -1),
        ("007x", "007x"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("[sw, no, 1.5]", ["sw", "no", 1.5]),
        (".5", 0.5),
        ("beir:data/msmarco", "beir:data/msmarco"),
    ],
)
def test_scalars_are_what_a_reader_expects(text, value):
    parsed = parse_yaml(text, "here")
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_key_given_twice_names_its_line():
    with pytest.raises(RecipeError, match=r"recipe\.yaml:3: key 'a' is given twice"):
        parse_yaml("a: 1\nb: 2\na: 3\n", "recipe.yaml")


def test_broken_yaml_names_its_line():
    with pytest.raises(RecipeError, match=r"recipe\.yaml:3: expected"):
        parse_yaml("a: 1\nb: [1, 2\n", "recipe.yaml")


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system"])
def test_nothing_is_executed(text):
    with pytest.raises(RecipeError, match="could not determine a constructor"):
        parse_yaml(text, "recipe.yaml")


def test_a_key_that_is_no_name_is_refused():
    with pytest.raises(RecipeError, match="expected a name as key, got 1"):
        parse_yaml("1: x", "recipe.yaml")


def test_what_is_written_is_read_back():
    value = {"learning_rate": 1e-05, "language": "no", "flag": "true", "number": "1e3", "text": "日本 ä", "none": None}
    assert parse_yaml(to_yaml(value), "here") == value
