from __future__ import annotations

import json

import pytest

from hardneg_plugin.llm.generated import GeneratedPassages, read_passages
from hardneg_plugin.llm.request import LLMReply


def read(text: str, most: int = 2, finish: str = "stop") -> GeneratedPassages:
    return read_passages(LLMReply(text, finish), most)


def test_passages_are_read_in_order_without_white_space_around_them():
    assert read('{"passages": [" one\\n", "two"]}') == GeneratedPassages(("one", "two"))


def test_fewer_are_read_as_they_are_and_of_more_the_first():
    assert read('{"passages": ["one"]}').texts == ("one",)
    assert read('{"passages": ["one", "two", "three"]}').texts == ("one", "two")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Here are three passages:", "not JSON"),
        ('```json\n{"passages": ["one"]}\n```', "not JSON"),
        ('{"passages": ["one"]} and more', "not JSON"),
        ('{"passages": ["one"], "passages": ["two"]}', "not JSON"),
        ("<html>502 Bad Gateway</html>", "not JSON"),
        ('["one"]', "wrong form"),
        ('"one"', "wrong form"),
        ("null", "wrong form"),
        ("{}", "wrong form"),
        ('{"passage": ["one"]}', "wrong form"),
        ('{"passages": "one"}', "wrong form"),
        ('{"passages": {"1": "one"}}', "wrong form"),
        ('{"passages": ["one", 2]}', "wrong form"),
        ('{"passages": ["one", null]}', "wrong form"),
        ('{"passages": ["one"], "note": "more"}', "wrong form"),
        ('{"passages": []}', "no passages"),
    ],
)
def test_anything_else_is_no_answer_and_has_a_reason(text, reason):
    assert read(text) == GeneratedPassages(reason=reason)


def test_an_answer_that_was_stopped_is_cut_off():
    assert read('{"passages": ["one", "tw', finish="length") == GeneratedPassages(reason="cut off")


def test_the_last_passage_of_an_answer_that_was_stopped_is_not_complete():
    text = json.dumps({"passages": ["one", "two"]})
    assert read(text, finish="length") == GeneratedPassages(("one", "two"), complete=False)
    assert read(text, most=1, finish="length") == GeneratedPassages(("one",), complete=True)
    assert read(text, finish="unknown") == GeneratedPassages(("one", "two"), complete=True)
