"""Whatever a server does, a question ends with an answer, a counted reason, or an error that names the address."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import time
from email.utils import formatdate

import fault_server
import pytest
from fault_server import FIRST, QUESTION, FaultServer, good, hang, reset, response, says, trickle

from hardneg_plugin import StrictOllamaChatGenerator, StrictOpenAIChatGenerator
from hardneg_plugin.components import bounded_http, first_contact
from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.errors import BudgetError, LLMError, ParameterError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.failures import failure_of
from hardneg_plugin.llm.request import LLMRequest, Message
from hardneg_plugin.llm.session import RetryPolicy, session

APIS = ("ollama", "openai")
# Of a call that is to be too late, and of one on a busy machine.
SECONDS, PLENTY = 0.3, 20.0
QUICK = RetryPolicy(tries=2, base=0.001, longest=0.002, breaker=9)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
UNREADABLE, GONE, LATE, BUSY = "unreadable response", "no connection", "timed out", "server busy"
TOO_LONG = "the prompt is longer than the context length currently available to the model"
ERROR = "error: "


def cut(api):
    whole = says(good(api))
    return whole[: len(whole) - 20]


def changed(api, path, value):
    """A good answer with one place of it changed."""
    answer = good(api)
    *before, last = path[api]
    place = answer
    for step in before:
        place = place[step]
    place[last] = value
    return says(answer)


CONTENT = {"ollama": ["message", "content"], "openai": ["choices", 0, "message", "content"]}
MESSAGE = {"ollama": ["message"], "openai": ["choices", 0, "message"]}
TOP = {"ollama": ["message"], "openai": ["choices"]}
COUNT = {"ollama": ["eval_count"], "openai": ["usage"]}
LOGPROBS = {"ollama": ["logprobs"], "openai": ["choices", 0, "logprobs"]}


def status(code, words="oops", **headers):
    return says({"error": {"message": words}}, f"{code} X", **headers)


# Name → what the server sends (or the function of the API that makes it), and what becomes of the question: "answer",
# a reason, or an error with a word of it.
FAULTS = {
    # It takes too long, or there is too much of it.
    "hangs": (hang, LATE),
    "head trickles": (trickle(b"HTTP/1.1 200 OK\r\n", b"X-Wait: 1\r\n"), LATE),
    "status line trickles": (trickle(b"H", b""), LATE),
    "body trickles": (trickle(OK + b"Content-Length: 100000\r\n\r\n", b" "), LATE),
    "chunks trickle": (trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), LATE),
    "body stops": (trickle(OK + b"Content-Length: 1000\r\n\r\n{", b""), LATE),
    "events for ever": (
        trickle(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b": ping\r\n\r\n"),
        LATE,
    ),
    "continue for ever": (trickle(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), LATE),
    "body never ends": (fault_server.flood, UNREADABLE),
    "packed zeros": (response(gzip.compress(b" " * 2**22), Content_Encoding="gzip"), UNREADABLE),
    # The connection breaks.
    "reset": (reset, GONE),
    "closed at once": (b"", GONE),
    "closed in the head": (b"HTTP/1.1 200 OK\r\nContent-", GONE),
    "closed in the body": (cut, GONE),
    "closed in a chunk": (OK + b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"mes', GONE),
    "junk": (b"\x00\xff\xfe junk\r\n\r\n", GONE),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", GONE),
    "bad length": (OK + b"Content-Length: many\r\n\r\n{}", GONE),
    "bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", GONE),
    # A success that is none.
    "HTML": (response(b"<html><body>502</body></html>", kind="text/html"), UNREADABLE),
    "HTML called JSON": (response(b"<html></html>"), UNREADABLE),
    "empty": (response(b""), UNREADABLE),
    "no content": (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", UNREADABLE),
    "null": (says(None), UNREADABLE),
    "list": (says([1, 2]), UNREADABLE),
    "text": (says("busy"), UNREADABLE),
    "number": (says(7), UNREADABLE),
    "empty object": (says({}), UNREADABLE),
    "error in a success": (says({"error": "upstream failed"}), UNREADABLE),
    "error object in a success": (says({"error": {"message": "upstream", "code": 500}}), UNREADABLE),
    "too long in a success": (says({"error": TOO_LONG}), "prompt too long"),
    "half JSON": (response(b'{"message": {"role": "assi'), UNREADABLE),
    "two answers": (response(b"{}\n{}\n", kind="application/x-ndjson"), UNREADABLE),
    "event stream": (response(b'data: {"choices": []}\n\ndata: [DONE]\n\n', kind="text/event-stream"), UNREADABLE),
    "not UTF-8": (response(b'{"message": "\xff\xfe"}'), UNREADABLE),
    "UTF-16": (response(json.dumps({"message": "x"}).encode("utf-16")), UNREADABLE),
    "deep nesting": (response(b"[" * 100_000), UNREADABLE),
    "not packed": (response(b"plain", Content_Encoding="gzip"), UNREADABLE),
    "null inside": (lambda api: changed(api, TOP, None), UNREADABLE),
    "empty list inside": (lambda api: changed(api, TOP, []), UNREADABLE),
    "null message": (lambda api: changed(api, MESSAGE, None), UNREADABLE),
    "number as content": (lambda api: changed(api, CONTENT, 7), UNREADABLE),
    "text as counts": (lambda api: changed(api, COUNT, "many"), UNREADABLE),
    "broken probabilities": (lambda api: changed(api, LOGPROBS, [{"token": 1}]), UNREADABLE),
    "null content": (lambda api: changed(api, CONTENT, None), "answer"),
    # What it calls a failure.
    "500": (status(500), "server error 500"),
    "502 with HTML": (response(b"<html>", "502 Bad Gateway", "text/html"), "server error 502"),
    "503": (status(503), BUSY),
    "429": (status(429), BUSY),
    "429 for an hour": (status(429, Retry_After="3600"), BUSY),
    "500 with a list": (says([1], "500 X"), "server error 500"),
    "500 not UTF-8": (response(b"\xff\xfe", "500 X"), "server error 500"),
    "413": (status(413), "prompt too long"),
    "400": (status(400, "invalid format"), ERROR + "invalid format"),
    "401": (status(401), ERROR + "refuses access"),
    "404": (status(404, f"model {fault_server.MODEL!r} not found"), ERROR + "not found"),
    "moved nowhere": (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", ERROR + "302"),
}


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    monkeypatch.setattr(bounded_http, "MOST_BYTES", 2**20)
    monkeypatch.setattr(first_contact, "_WAIT_SECONDS", 0.001)


def client_of(api, url, timeout=PLENTY):
    if api == "ollama":
        return ChatClient(StrictOllamaChatGenerator(fault_server.MODEL, url, timeout=timeout), "test")
    return ChatClient(StrictOpenAIChatGenerator(fault_server.MODEL, url, timeout=timeout), "test")


def asked(count=1):
    return [LLMRequest((Message("user", f"question {number}"),), None, 20) for number in range(count)]


def with_threads(client, requests):
    try:
        return list(ask(client, requests, workers=2, task="test"))
    finally:
        client.close()


def in_a_loop(client, requests):
    async def gather():
        try:
            return [one async for one in ask_async(client, requests, workers=2, task="test")]
        finally:
            await client.close_async()

    return asyncio.run(gather())


both = pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])
each_api = pytest.mark.parametrize("api", APIS)


def bytes_of(fault, api):
    made = FAULTS[fault][0]
    return made(api) if made is cut or getattr(made, "__name__", "") == "<lambda>" else made


# Waiting and not waiting in turn, so that each kind of fault meets both.
CASES = [
    (api, fault, (with_threads, in_a_loop)[(number + place) % 2])
    for place, api in enumerate(APIS)
    for number, fault in enumerate(FAULTS)
]


@pytest.mark.parametrize(("api", "fault", "ask_all"), CASES)
def test_a_question_ends_as_the_table_says(api, fault, ask_all):
    expected = FAULTS[fault][1]
    seconds = SECONDS if expected == LATE else PLENTY
    with FaultServer(api, bytes_of(fault, api)) as server, session(retries=QUICK) as opened:
        # Another question is answered first: the server is there.
        opened.record_success()
        if expected.startswith(ERROR):
            with pytest.raises(LLMError) as raised:
                ask_all(client_of(api, server.url, seconds), asked())
            assert expected.removeprefix(ERROR) in str(raised.value)
            assert server.url in str(raised.value)
            return
        (answer,) = ask_all(client_of(api, server.url, seconds), asked())
        assert (answer.reason or "answer") == expected
        assert opened.usage.total().unanswered == (expected != "answer")
        passing = expected not in ("answer", "prompt too long") and fault != "429 for an hour"
        assert server.asked[QUESTION] == (2 if passing else 1)


@each_api
@pytest.mark.parametrize("fault", [name for name, (_, end) in FAULTS.items() if end in (UNREADABLE, GONE, BUSY)])
def test_a_fault_that_passes_leaves_the_answer(api, fault):
    if fault == "429 for an hour":
        pytest.skip("it is given up at once")
    with FaultServer(api, bytes_of(fault, api), times=1) as server, session(retries=QUICK):
        (answer,) = with_threads(client_of(api, server.url), asked())
        assert answer.reply.text == "fine"


@each_api
@pytest.mark.parametrize("fault", ["reset", "junk", "list", "HTML", "500", "not UTF-8", "null"])
def test_first_contact_is_tried_again_and_then_names_the_address(api, fault):
    with FaultServer(api, bytes_of(fault, api), FIRST, times=1) as server, session(retries=QUICK):
        assert with_threads(client_of(api, server.url), asked())[0].reply.text == "fine"
    with FaultServer(api, bytes_of(fault, api), FIRST) as server:
        with pytest.raises(LLMError, match=server.url):
            client_of(api, server.url).warm_up()
        assert server.asked[FIRST] == 3


@each_api
@pytest.mark.parametrize("fault", ["hangs", "body trickles", "body never ends"])
def test_first_contact_has_the_same_limits(api, fault, monkeypatch):
    monkeypatch.setattr(first_contact, "_SECONDS", SECONDS if FAULTS[fault][1] == LATE else PLENTY)
    with FaultServer(api, bytes_of(fault, api), FIRST) as server, pytest.raises(LLMError, match=server.url):
        client_of(api, server.url, timeout=60).warm_up()


@each_api
@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "ftp://127.0.0.1/v1", "http://127.0.0.1:port/v1"])
def test_an_address_that_cannot_be_one_is_named(api, url):
    with pytest.raises((LLMError, ParameterError), match=url):
        client_of(api, url).warm_up()


@each_api
@both
def test_a_budget_in_minutes_stops_calls_that_hang(api, ask_all):
    started = time.monotonic()
    with (
        FaultServer(api, hang) as server,
        session(budget=Budget(minutes=0.5 / 60)) as opened,
        pytest.raises(BudgetError, match="minutes of"),
    ):
        ask_all(client_of(api, server.url, timeout=300), asked(20))
    assert time.monotonic() - started < 20
    assert opened.usage.total().unanswered == 0


class Deaf:
    """A client of others, which keeps to no limit of ours."""

    identity = {"model": "deaf"}  # noqa: RUF012

    def __init__(self):
        self.over = asyncio.Event()

    def send(self, request):
        time.sleep(30)

    async def send_async(self, request):
        await asyncio.sleep(30)

    def close(self):
        """Nothing is held."""

    async def close_async(self):
        """Nothing is held."""


@both
def test_a_budget_in_minutes_leaves_calls_of_others_that_hang(ask_all):
    started = time.monotonic()
    with session(budget=Budget(minutes=0.2 / 60)), pytest.raises(BudgetError, match="minutes of"):
        ask_all(Deaf(), asked(3))
    assert time.monotonic() - started < 20


@each_api
@both
def test_a_server_is_left_alone_as_long_as_it_asks(api, ask_all):
    started = time.monotonic()
    with FaultServer(api, status(429, Retry_After="1"), times=1) as server, session(retries=QUICK) as opened:
        assert ask_all(client_of(api, server.url), asked())[0].reply.text == "fine"
        assert time.monotonic() - started >= 1
        assert opened.usage.total().retries == 1


@pytest.mark.parametrize(("api", "code"), list(itertools.product(APIS, (429, 503))))
def test_the_time_to_wait_is_given_in_seconds_or_as_a_date(api, code):
    def wait_of(**headers):
        with FaultServer(api, status(code, **headers)) as server:
            client = client_of(api, server.url)
            with pytest.raises(Exception) as raised:  # noqa: PT011
                client.send(asked()[0])
            client.close()
            return failure_of(raised.value).wait

    assert wait_of(Retry_After="7") == 7
    # By the server's clock, not this machine's.
    assert wait_of(Retry_After=formatdate(1_000_060, usegmt=True), Date=formatdate(1_000_000, usegmt=True)) == 60
    assert wait_of(Retry_After=formatdate(1, usegmt=True)) == 0
    assert wait_of(Retry_After="soon") is None
    assert wait_of() is None


@each_api
def test_a_question_that_a_busy_server_sent_away_is_asked_by_the_next_run(api):
    with FaultServer(api, status(503), times=2) as server:
        client = client_of(api, server.url)
        with session(retries=QUICK) as opened:
            opened.record_success()
            (answer,) = with_threads(client, asked())
            assert answer.reason == BUSY
        with session(retries=QUICK):
            assert with_threads(client_of(api, server.url), asked())[0].reply.text == "fine"
