"""Asking many questions: order, cache, retries, limits; with threads and in an event loop alike."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_clients import Echo, ServerError, question, questions

from hardneg_plugin.errors import BudgetError, LLMError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.session import RetryPolicy, current_session, session

QUICK = RetryPolicy(base=0.001, longest=0.01)


def with_threads(client, requests, workers=4, total=None):
    return list(ask(client, requests, workers=workers, task="test", total=total))


def in_a_loop(client, requests, workers=4, total=None):
    async def gather():
        return [one async for one in ask_async(client, requests, workers=workers, task="test", total=total)]

    return asyncio.run(gather())


both = pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])


def texts(answers):
    return [answer.reply.text if answer.reply else answer.reason for answer in answers]


@both
def test_answers_come_in_the_order_of_the_questions(ask_all):
    slow_first = Echo(fail=lambda text, number: time.sleep(0.05) if text.endswith(" 0") else None)
    assert texts(ask_all(slow_first, questions(40))) == [f"QUESTION {number}" for number in range(40)]


@both
def test_no_questions_are_no_answers(ask_all):
    assert ask_all(Echo(), []) == []


@both
def test_never_more_calls_at_once_than_workers(ask_all):
    client = Echo(seconds=0.002)
    ask_all(client, questions(60), workers=3)
    assert client.most_at_once == 3


class Together(Echo):
    """Answers only when eight questions are under way; gives up after half a minute."""

    def __init__(self):
        super().__init__()
        self._threads, self._tasks = threading.Barrier(8), asyncio.Barrier(8)

    def send(self, request):
        self._threads.wait(30)
        return super().send(request)

    async def send_async(self, request):
        async with asyncio.timeout(30):
            await self._tasks.wait()
        return await super().send_async(request)


@both
def test_as_many_calls_as_workers_are_always_under_way(ask_all):
    assert texts(ask_all(Together(), questions(80), workers=8)) == [f"QUESTION {number}" for number in range(80)]


@both
def test_a_question_that_occurs_twice_is_asked_once(ask_all):
    client = Echo(seconds=0.001)
    answers = ask_all(client, [question("a"), question("b"), question("a"), question("a")])
    assert texts(answers) == ["A", "B", "A", "A"]
    assert [answer.cached for answer in answers] == [False, False, True, True]
    assert client.calls == {"a": 1, "b": 1}


@both
def test_what_was_answered_is_not_asked_again(ask_all):
    with session() as first:
        ask_all(Echo(), questions(5))
    again = Echo()
    with session() as second:
        answers = ask_all(again, questions(7))
    assert texts(answers) == [f"QUESTION {number}" for number in range(7)]
    assert sorted(again.calls) == ["question 5", "question 6"]
    assert (first.usage.total().calls, first.usage.total().prompt_tokens) == (5, 50)
    assert (second.usage.total().calls, second.usage.total().cached) == (2, 5)


@both
def test_another_model_is_another_question(ask_all):
    ask_all(Echo(), questions(2))
    other = Echo()
    other.identity = {"model": "echo", "digest": "2"}
    ask_all(other, questions(2))
    assert sum(other.calls.values()) == 2


@both
def test_questions_are_taken_a_window_at_a_time(ask_all):
    taken = []

    def endless():
        number = 0
        while True:
            taken.append(number)
            yield question(number)
            number += 1

    with session(budget=Budget(calls=10)), pytest.raises(BudgetError, match="10 calls of 10"):
        ask_all(Echo(), endless(), workers=2)
    assert len(taken) <= 3 * 2 * 64


@both
def test_failures_that_pass_are_tried_again(ask_all):
    def fail(text, number):
        return [ServerError(500), TimeoutError(), ConnectionError(), None][number - 1]

    with session(retries=QUICK) as opened:
        answers = ask_all(Echo(fail), questions(3))
    assert texts(answers) == ["QUESTION 0", "QUESTION 1", "QUESTION 2"]
    assert opened.usage.total().retries == 9


@both
def test_a_question_that_fails_alone_has_a_reason_and_is_not_cached(ask_all):
    def fail(text, number):
        too_long = ServerError(400, "the prompt is longer than the context length currently available")
        return {"question 1": ServerError(503), "question 2": too_long}.get(text)

    with session(retries=QUICK) as opened:
        answers = ask_all(client := Echo(fail), questions(4))
    assert texts(answers) == ["QUESTION 0", "server busy", "prompt too long", "QUESTION 3"]
    assert client.calls["question 1"] == 5
    assert client.calls["question 2"] == 1
    assert opened.usage.to_dict()["test"]["reasons"] == {"server busy": 1, "prompt too long": 1}
    assert texts(ask_all(Echo(), questions(4)))[1:3] == ["QUESTION 1", "QUESTION 2"]


@both
def test_a_model_that_is_not_there_stops_everything_and_says_what_to_do(ask_all):
    missing = Echo(lambda text, number: ServerError(404, "model 'llama9' not found"))
    with session(retries=QUICK), pytest.raises(LLMError, match="model 'llama9' not found; `ollama pull`"):
        ask_all(missing, questions(500))
    assert sum(missing.calls.values()) < 500


@both
def test_a_server_that_was_never_there_stops_at_the_first_question(ask_all):
    gone = Echo(lambda text, number: ConnectionError("refused"))
    with session(retries=QUICK), pytest.raises(LLMError, match="no connection, .* in a row.*`ollama serve`"):
        ask_all(gone, questions(300), workers=2)
    assert max(gone.calls.values()) == 5


@both
def test_a_server_that_goes_away_stops_the_run_and_loses_nothing(ask_all):
    def goes_away(text, number):
        return ConnectionError("refused") if int(text.split()[1]) >= 20 else None

    with session(retries=QUICK), pytest.raises(LLMError, match=r"\d+ questions in a row with 5 tries each"):
        ask_all(Echo(goes_away), questions(2000), workers=2)
    back = Echo()
    ask_all(back, questions(2000))
    assert sum(back.calls.values()) == 1980


@both
def test_one_fault_in_five_leaves_no_question_without_an_outcome(ask_all):
    draw = random.Random(7)
    faults = [ServerError(500), ServerError(503), ServerError(429), TimeoutError(), ConnectionResetError()]

    def fail(text, number):
        return draw.choice(faults) if draw.random() < 0.2 else None

    client = Echo(fail)
    with session(retries=QUICK) as opened:
        answers = ask_all(client, questions(2000), workers=8)
    assert len(answers) == 2000
    assert all((answer.reply is None) == bool(answer.reason) for answer in answers)
    answered = sum(answer.reply is not None for answer in answers)
    assert answered >= 1995
    assert set(client.answered.values()) == {1}
    assert client.most_at_once <= 8
    assert opened.usage.total().calls == answered


@both
@pytest.mark.parametrize(
    ("budget", "calls"), [(Budget(calls=7), {7}), (Budget(tokens=60), set(range(5, 9))), (Budget(minutes=1e-9), {0})]
)
def test_a_spent_budget_stops_new_calls_and_keeps_the_answers(ask_all, budget, calls):
    client = Echo(seconds=0.001)
    with session(budget=budget) as opened, pytest.raises(BudgetError, match="the same command goes on from here"):
        ask_all(client, questions(50))
    assert sum(client.calls.values()) in calls
    assert opened.usage.total().calls == sum(client.calls.values())
    rest = Echo()
    ask_all(rest, questions(50))
    assert sum(rest.calls.values()) == 50 - sum(client.calls.values())


@both
def test_what_the_cache_answers_is_free(ask_all):
    ask_all(Echo(), questions(5))
    with session(budget=Budget(calls=1)):
        assert len(ask_all(Echo(), questions(6))) == 6


@both
def test_an_error_of_the_caller_leaves_the_answers_in_the_cache(ask_all):
    def broken():
        yield from questions(3)
        raise KeyError("no such passage")

    with pytest.raises(KeyError):
        ask_all(Echo(), broken())
    # The three were taken in the same window as the error, before any was asked.
    client = Echo()
    assert len(ask_all(client, questions(3))) == 3


@both
def test_the_rest_is_estimated_after_twenty_calls(ask_all):
    said = []
    with session(say=said.append):
        ask_all(Echo(seconds=0.001), questions(100), workers=1, total=100)
    assert len(said) == 1
    assert said[0].startswith("test: 80 of 100 questions left; at this rate at most 80 calls, 960 tokens, ")


def test_a_wait_takes_no_place_away():
    """Four questions wait for 0.2 s each; the others, with one worker, are answered meanwhile."""
    order = []

    def fail(text, number):
        order.append(text)
        return ServerError(500) if number == 1 and text in ("question 0", "question 1") else None

    with session(retries=RetryPolicy(base=0.2)):
        with_threads(Echo(fail), questions(6), workers=1)
    assert order[:6] == [f"question {number}" for number in range(6)]


def test_without_a_block_the_process_has_one_session():
    assert current_session() is current_session()
    with session() as opened:
        assert current_session() is opened
    assert current_session() is not opened


KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
from fake_clients import Echo, questions
from hardneg_plugin.llm.ask import ask
for number, answer in enumerate(ask(Echo(seconds=0.001), questions(1000), workers=4, task="test")):
    if number == 99:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_answer_it_gave():
    code = KILLED.format(here=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    client = Echo()
    assert len(with_threads(client, questions(1000))) == 1000
    assert sum(client.calls.values()) <= 900
    assert not {f"question {number}" for number in range(100)} & set(client.calls)
