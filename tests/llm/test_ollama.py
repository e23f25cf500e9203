"""Asking a server over HTTP: what each of its faults becomes, and what is never asked twice."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter

import honest_judge
import pytest
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.utils import Secret
from ollama_server import OllamaServer

from hardneg_plugin import StrictOllamaChatGenerator
from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.llm.verdicts import read_pointwise

pytestmark = pytest.mark.integration
QUICK = RetryPolicy(base=0.001, longest=0.01)


def pairs(count):
    """Questions whose verdict is plain: even ones answer, odd ones only share a word."""
    prompt = load_prompt("classify_pointwise")
    for number in range(count):
        passage = f"copper kettle number {number} stands here" if number % 2 else f"boils water quickly {number}"
        variables = {"query": f"which kettle {number}", "positive": "boils water quickly", "passage": passage}
        yield prompt.request(variables, max_tokens=64, about={})


def client_of(server, **parameters):
    client = ChatClient(StrictOllamaChatGenerator(url=server.url, **parameters), "test")
    client.warm_up()
    return client


def with_threads(client, count, workers=8):
    return list(ask(client, pairs(count), workers=workers, task="test", total=count))


def in_a_loop(client, count, workers=8):
    async def gather():
        return [one async for one in ask_async(client, pairs(count), workers=workers, task="test", total=count)]

    return asyncio.run(gather())


both = pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])


def labels(answers):
    return [read_pointwise(answer.reply).label if answer.reply else answer.reason for answer in answers]


@both
def test_answers_with_tokens_time_and_weights(ask_all):
    with OllamaServer() as server, session() as opened:
        client = client_of(server)
        assert labels(ask_all(client, 4)) == ["false_negative", "hard_negative"] * 2
        assert client.identity["digest"].startswith("46e0c10c039e")
        (body, *_) = server.bodies
    assert body["options"] == {"temperature": 0, "seed": 42, "num_ctx": 4096, "num_predict": 64, "repeat_penalty": 1.0}
    assert (body["think"], body["stream"], body["keep_alive"]) == (False, False, "30m")
    assert body["format"]["required"] == ["hardness", "label"]
    total = opened.usage.total()
    assert (total.calls, total.seconds > 0, total.prompt_tokens > 100) == (4, True, True)


FAULTS = ["500", "503", "429", "html", "cut json", "drop"]


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_asked_again(ask_all, fault):
    with OllamaServer(fault=lambda number, body: fault if number == 1 else None) as server, session(retries=QUICK) as s:
        assert labels(ask_all(client_of(server), 3)) == ["false_negative", "hard_negative", "false_negative"]
        assert len(server.bodies) == 4
    assert s.usage.total().retries == 1


@both
def test_a_read_timeout_is_asked_again(ask_all):
    with (
        OllamaServer(fault=lambda number, body: "timeout" if number == 1 else None) as server,
        session(retries=QUICK) as opened,
    ):
        assert labels(ask_all(client_of(server, timeout=1.5), 2)) == ["false_negative", "hard_negative"]
    assert opened.usage.total().retries == 1


@both
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("empty", "undecided"), ("overflow", "prompt too long"), ("truncate", "prompt too long"), ("length", "undecided")],
)
def test_a_fault_of_one_question_is_not_asked_again(ask_all, fault, reason):
    with OllamaServer(fault=lambda number, body: fault) as server, session(retries=QUICK):
        assert labels(ask_all(client_of(server, num_ctx=140), 2)) == [reason, reason]
        assert len(server.bodies) == 2


@both
def test_a_model_that_goes_away_in_the_middle_stops_the_run(ask_all):
    with (
        OllamaServer(fault=lambda number, body: "404" if number > 5 else None) as server,
        session(retries=QUICK),
        pytest.raises(LLMError, match="model 'llama3.1:8b' not found.*`ollama pull`"),
    ):
        ask_all(client_of(server), 200)


def test_a_server_that_is_not_there_says_how_to_start_it():
    with OllamaServer() as server:
        gone = server.url
    with pytest.raises(LLMError, match=f"no Ollama server at {gone}.*: start it with `ollama serve`"):
        StrictOllamaChatGenerator(url=gone).warm_up()


def test_a_model_that_was_not_pulled_says_how_to_pull_it():
    with (
        OllamaServer(models={"qwen3:8b": "1"}) as server,
        pytest.raises(LLMError, match=r"no model 'llama3': `ollama pull llama3` \(it has: qwen3:8b\)"),
    ):
        StrictOllamaChatGenerator("llama3", url=server.url).warm_up()


def test_a_server_that_speaks_something_else_is_recognised():
    with OllamaServer() as server, pytest.raises(LLMError, match="does not answer as Ollama does"):
        StrictOllamaChatGenerator(url=f"{server.url}/v1").warm_up()


def test_a_prompt_that_cannot_fit_is_never_sent():
    with OllamaServer() as server, session():
        assert labels(with_threads(client_of(server, num_ctx=70), 1)) == ["prompt too long"]
        assert server.bodies == []


def test_one_generator_serves_several_event_loops():
    with OllamaServer() as server:
        client = client_of(server)
        assert labels(in_a_loop(client, 3)) == labels(in_a_loop(client, 3))


def test_log_probabilities_give_the_probability_of_a_false_negative():
    """By hand: weights e^-0.5 (false), e^-1 (hard), e^-4 (easy): 0.6065 / (0.6065 + 0.3679 + 0.0183) = 0.611."""
    with OllamaServer() as server, session():
        (answer,) = with_threads(client_of(server, logprobs=3), 1)
        assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 3)
    assert answer.reply is not None
    assert read_pointwise(answer.reply).probability == pytest.approx(0.611, abs=0.001)


@both
def test_any_server_of_the_openai_kind_is_asked_for_the_same_form(ask_all):
    with OllamaServer() as server, session() as opened:
        generator = OpenAIChatGenerator(
            api_key=Secret.from_token("none"), model="served", api_base_url=f"{server.url}/v1", max_retries=0
        )
        assert labels(ask_all(ChatClient(generator, "test"), 2)) == ["false_negative", "hard_negative"]
        assert server.bodies[0]["response_format"]["json_schema"]["schema"]["required"] == ["hardness", "label"]
        assert server.bodies[0]["max_completion_tokens"] == 64
        assert "none" not in str(ChatClient(generator, "test").identity)
    assert opened.usage.total().prompt_tokens > 50


@both
def test_one_fault_in_five_over_two_thousand_pairs(ask_all):
    draw, names = random.Random(3), [*FAULTS, "slow", "overflow", "empty", "length", "truncate"]

    def fault(number, body):
        # A timeout takes a second and a half: a few of them.
        return draw.choice([*names * 5, "timeout"]) if draw.random() < 0.2 else None

    with OllamaServer(fault=fault) as server, session(retries=QUICK) as opened:
        answers = ask_all(client_of(server, timeout=1.5), 2000)
        asked, answered = Counter(map(str, server.bodies)), server.answered
        most = server.most_at_once
    assert len(answers) == 2000
    outcome = Counter(labels(answers))
    assert set(outcome) <= {"false_negative", "hard_negative", "undecided", "prompt too long", "server busy"} | {
        "server error 500",
        "unreadable response",
        "no connection",
        "timed out",
    }
    assert outcome["false_negative"] + outcome["hard_negative"] > 1800
    assert set(answered.values()) == {1}
    assert len(asked) == 2000
    assert most <= 8
    assert opened.usage.total().calls == answered.total()


@both
def test_eight_slots_are_kept_busy(ask_all):
    """The server answers only when eight questions are there; 120 are fifteen times eight."""
    together = threading.Barrier(8)

    def brain(messages, schema):
        together.wait(30)
        return honest_judge.answer(messages, schema)

    with OllamaServer(brain=brain, slots=8) as server, session():
        assert len(ask_all(client_of(server), 120)) == 120
        assert server.most_at_once == 8
