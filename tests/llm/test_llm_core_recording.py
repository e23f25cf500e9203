"""Recordings of answers: each once, readable, and appended to after a killed run."""

from __future__ import annotations

import json

import pytest
from fake_clients import Echo, question, questions

from hardneg_plugin.errors import DatasetError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.recording import known_keys, read_lines, recorded_of
from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message, request_key
from hardneg_plugin.llm.session import session


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "answers.jsonl"


def record(path, requests, client=None, say=None):
    with session(record=path, say=say):
        list(ask(client or Echo(), requests, workers=2, task="test"))


def keys(path):
    return [line["key"] for _, line in read_lines(path)]


def test_a_line_says_what_was_asked_and_answered(path):
    request = LLMRequest((Message("user", "왜?"),), {"type": "object"}, 7, about={"query": "q1", "passages": ["p2"]})
    record(path, [request])
    (line,) = map(json.loads, path.read_text("utf-8").splitlines())
    assert {name: line[name] for name in ("key", "about", "identity", "request")} == {
        "key": request_key(Echo.identity, request),
        "about": {"query": "q1", "passages": ["p2"]},
        "identity": {"model": "echo", "digest": "1"},
        "request": {"messages": [{"role": "user", "content": "왜?"}], "schema": {"type": "object"}, "max_tokens": 7},
    }
    assert recorded_of(path, 1, line).reply.text == "왜?"


def test_what_the_cache_answers_is_recorded_too_and_nothing_twice(path):
    list(ask(Echo(), questions(2), workers=1, task="test"))
    record(path, questions(3))
    record(path, [*questions(4), question("question 0")])
    assert len(keys(path)) == 4
    assert set(keys(path)) == {request_key(Echo.identity, request) for request in questions(4)}


def test_the_answer_of_a_mended_server_is_recorded_behind_the_useless_one(path):
    class Mended(Echo):
        def _end(self, text, number):
            reply = super()._end(text, number)
            return LLMReply("half", "length") if number == 1 else reply

    client = Mended()
    for _ in range(3):
        record(path, questions(1), client)
    texts = [recorded_of(path, number, line).reply.text for number, line in read_lines(path)]
    assert texts == ["half", "QUESTION 0"]


def test_half_a_surrogate_pair_is_recorded_and_read(path):
    class Cut(Echo):
        def _end(self, text, number):
            super()._end(text, number)
            return LLMReply("cut \ud83d")

    record(path, questions(1), Cut())
    ((number, line),) = read_lines(path)
    assert recorded_of(path, number, line).reply.text == "cut \ud83d"


@pytest.mark.parametrize("lost", [2, 40, 10_000])
def test_a_line_that_a_killed_run_left_half_is_written_again(path, lost):
    record(path, questions(3))
    *whole, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + last[: max(len(last) - lost, 1)])
    said = []
    record(path, questions(3), say=said.append)
    assert sorted(keys(path)) == sorted(request_key(Echo.identity, request) for request in questions(3))
    assert said == [f"{path}: the last line was cut off when a run was killed; it is written again"]


def test_a_last_line_that_only_lacks_its_end_is_kept(path):
    record(path, questions(2))
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    before = keys(path)
    record(path, [question("another")])
    assert keys(path)[:2] == before
    assert len(keys(path)) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name: a recipe\nseed: 7", r"answers\.jsonl:1: not JSON"),
        (
            '{"query": "q", "passage": "p"}\n{"query": "q',
            r"answers\.jsonl:1: a recorded answer needs key, request, reply",
        ),
        ("[]\n", r"answers\.jsonl:1: expected a JSON object, got list"),
        ('\n{"key": "a", "request": {}, "reply": {"words": 1}}\n', r"answers\.jsonl:2: the recorded answer cannot be"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_before_any_question_and_left_alone(path, content, says):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DatasetError, match=says), session(record=path):
        pytest.fail("the session began")
    assert path.read_text() == content


def test_no_file_has_no_keys(path):
    assert known_keys(path) == set()
