"""What an error of a client means, with the errors of the real client libraries."""

from __future__ import annotations

import json

import httpx
import ollama
import openai
import pytest
from fake_clients import Echo, ServerError, questions

from hardneg_plugin.errors import DatasetError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.failures import Failure, failure_of

REQUEST = httpx.Request("POST", "http://127.0.0.1:11434/api/chat")


def of_openai(status):
    return openai.APIStatusError("oops", response=httpx.Response(status, request=REQUEST), body=None)


def unreadable():
    try:
        json.loads("<html>")
    except ValueError as error:
        return error
    raise AssertionError


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, -1])
def test_a_status_of_a_server_in_trouble_passes(status):
    assert failure_of(ollama.ResponseError("oops", status)).kind == "passing"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("refused"), "no connection"),
        (ConnectionResetError(), "no connection"),
        (httpx.ConnectError("refused"), "no connection"),
        (httpx.RemoteProtocolError("peer closed connection without sending complete message body"), "no connection"),
        (openai.APIConnectionError(request=REQUEST), "no connection"),
        (TimeoutError(), "timed out"),
        (httpx.ReadTimeout("slow"), "timed out"),
        (openai.APITimeoutError(request=REQUEST), "timed out"),
        (unreadable(), "unreadable response"),
        (ollama.ResponseError("busy", 503), "server busy"),
        (ollama.ResponseError("too many", 429), "server busy"),
        (of_openai(502), "server error 502"),
        (caused(RuntimeError("wrapped"), httpx.ReadTimeout("slow")), "timed out"),
        (caused(ValueError("wrapped"), caused(RuntimeError("again"), ConnectionError())), "no connection"),
    ],
)
def test_a_broken_connection_or_answer_passes(error, reason):
    assert failure_of(error)[:2] == ("passing", reason)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "the prompt is longer than the context length currently available to the model"),
        (400, "the input length exceeds the context length"),
        (400, "This model's maximum context length is 4096 tokens"),
        (413, "Request Entity Too Large"),
    ],
)
def test_a_prompt_that_is_too_long_concerns_its_question_alone(status, text):
    assert failure_of(ServerError(status, text))[:2] == ("request", "prompt too long")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ollama.ResponseError("model 'x' not found", 404), ["model 'x' not found", "`ollama pull`"]),
        (ollama.ResponseError("404 page not found", 404), ["no such page", "check the url"]),
        (of_openai(401), ["401", "OPENAI_API_KEY"]),
        (of_openai(403), ["403", "OLLAMA_API_KEY"]),
        (ollama.ResponseError('"x" does not support thinking', 400), ['400): "x" does not support thinking']),
        (ZeroDivisionError("a bug"), ["ZeroDivisionError: a bug"]),
    ],
)
def test_what_would_fail_for_every_question_says_what_to_do(error, says):
    failure = failure_of(error)
    assert failure.kind == "final"
    assert all(words in f"{failure.reason}; {failure.remedy}" for words in says)


def test_a_refused_connection_says_how_to_start_the_server():
    assert "`ollama serve`" in failure_of(ConnectionError()).remedy


def test_an_error_that_causes_itself_is_looked_at_once():
    error = RuntimeError("round")
    error.__cause__ = caused(RuntimeError("and"), error)
    assert failure_of(error) == Failure("final", "RuntimeError: round")


def test_an_error_of_ours_comes_through_as_it_is():
    wrong = DatasetError("answers.jsonl:3: no recorded answer")
    with pytest.raises(DatasetError) as raised:
        list(ask(Echo(lambda text, number: wrong), questions(2), workers=1, task="test"))
    assert raised.value is wrong
