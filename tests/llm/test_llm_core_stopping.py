"""Stopping: soon, with what was paid for kept, and without waiting for a server that does not answer."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_clients import Echo, ServerError, questions

from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.concurrency import PrioritySemaphore
from hardneg_plugin.llm.session import RetryPolicy, session


def with_threads(client, requests, workers=2):
    return list(ask(client, requests, workers=workers, task="test"))


def in_a_loop(client, requests, workers=2):
    async def gather():
        return [one async for one in ask_async(client, requests, workers=workers, task="test")]

    return asyncio.run(gather())


both = pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])


@both
def test_a_server_that_hangs_is_found_out_within_a_few_timeouts(ask_all):
    """Five questions with five tries are 25 calls; had each new question its turn first, there would be over 400."""
    hangs = Echo(lambda text, number: TimeoutError() if int(text.split()[1]) >= 20 else None, seconds=0.005)
    with session(retries=RetryPolicy(base=0.001, longest=0.002)), pytest.raises(LLMError, match="timed out, "):
        ask_all(hangs, questions(2000))
    assert 25 <= hangs.calls.total() - 20 <= 100


@both
def test_after_a_stop_the_same_session_starts_to_count_anew(ask_all):
    state = {"gone": False}
    client = Echo(lambda text, number: ServerError(500) if state["gone"] else None)
    with session(retries=RetryPolicy(tries=1, breaker=3)):
        ask_all(client, questions(1))
        state["gone"] = True
        with pytest.raises(LLMError, match="3 questions in a row"):
            ask_all(client, questions(10), workers=1)
        assert [answer.reason for answer in ask_all(client, questions(3), workers=1)] == ["", *["server error 500"] * 2]


class SlowThenMissing(Echo):
    """The first question fails in a way that may pass, after the second one has shown that there is no model."""

    def _seconds_and_error(self, request):
        first = request.messages[-1].content == "question 0"
        return (0.3, ServerError(500)) if first else (0.1, ServerError(404, "model 'x' not found"))

    def send(self, request):
        seconds, error = self._seconds_and_error(request)
        time.sleep(seconds)
        raise error

    async def send_async(self, request):
        seconds, error = self._seconds_and_error(request)
        await asyncio.sleep(seconds)
        raise error


@both
def test_a_stop_does_not_wait_for_the_next_try_of_another_question(ask_all):
    started = time.monotonic()
    with session(retries=RetryPolicy(base=20)), pytest.raises(LLMError, match="model 'x' not found"):
        ask_all(SlowThenMissing(), questions(2))
    assert time.monotonic() - started < 8


def test_who_asks_for_no_more_keeps_the_answers_under_way():
    client = Echo(seconds=0.05)
    answers = ask(client, questions(400), workers=4, task="test")
    next(answers)
    answers.close()
    begun = client.calls.total()
    assert begun == client.answered.total() < 200
    with session() as opened:
        with_threads(Echo(), questions(400))
    assert opened.usage.total().cached == begun


async def test_who_asks_for_no_more_keeps_the_answers_under_way_in_a_loop():
    client = Echo(seconds=0.05)
    answers = ask_async(client, questions(400), workers=4, task="test")
    await anext(answers)
    await answers.aclose()
    begun = client.calls.total()
    assert begun == client.answered.total() < 200
    with session() as opened:
        assert len([one async for one in ask_async(Echo(), questions(400), workers=4, task="test")]) == 400
    assert opened.usage.total().cached == begun


def test_no_call_begins_once_one_has_failed_for_all():
    """Who reads the answers is busy with the first one, and learns of the failure only later."""
    client = Echo(lambda text, number: ServerError(404, "model 'x' not found") if text.endswith(" 3") else None)
    answers = ask(client, questions(200), workers=1, task="test")
    next(answers)
    until(lambda: client.calls["question 3"])
    time.sleep(0.1)
    assert client.calls.total() == 4
    with pytest.raises(LLMError, match="model 'x' not found"):
        list(answers)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Whoever runs the tests in the background may have told its children to ignore interruptions.
SCRIPT = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {here!r})
from fake_clients import Echo, questions
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async

class Announced(Echo):
    def _begin(self, request):
        # In one piece: a line and its end that are printed apart mix with other threads' lines.
        sys.stdout.write("calling\\n")
        sys.stdout.flush()
        return super()._begin(request)

client = Announced(lambda text, number: None, seconds={seconds})
"""
THREADS = SCRIPT + 'list(ask(client, questions(50), workers=4, task="test"))\n'
LOOP = SCRIPT + (
    "async def main():\n"
    '    return [one async for one in ask_async(client, questions(50), workers=4, task="test")]\n'
    "asyncio.run(main())\n"
)
FORGOTTEN = SCRIPT + 'answers = ask(client, questions(50), workers=4, task="test")\nnext(answers)\n'


@pytest.mark.integration
@pytest.mark.parametrize("script", [THREADS, LOOP])
def test_an_interrupted_program_does_not_wait_for_the_server(script):
    code = script.format(here=str(Path(__file__).parent), seconds=60)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "calling\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in error
    assert process.returncode == -signal.SIGINT


@pytest.mark.integration
def test_a_program_that_forgets_its_answers_ends():
    code = FORGOTTEN.format(here=str(Path(__file__).parent), seconds=0.01)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_thread_is_started_for_what_the_cache_answers():
    with_threads(Echo(), questions(5))
    before = threading.active_count()
    answers = ask(Echo(), questions(5), workers=4, task="test")
    next(answers)
    assert threading.active_count() == before


async def test_a_question_that_was_tried_before_has_its_turn_first():
    turns, order = PrioritySemaphore(1), []

    async def call(name, tries):
        await turns.take(tries)
        order.append(name)
        turns.give()

    await turns.take(0)
    waiting = [asyncio.create_task(call(name, tries)) for name, tries in [("new", 0), ("newer", 0), ("tried", 2)]]
    await asyncio.sleep(0)
    turns.give()
    await asyncio.gather(*waiting)
    assert order == ["tried", "new", "newer"]


@pytest.mark.parametrize("given_first", [False, True])
async def test_a_place_is_not_lost_with_who_waited_for_it(given_first):
    turns = PrioritySemaphore(1)
    await turns.take(0)
    waiting = asyncio.create_task(turns.take(0))
    await asyncio.sleep(0)
    if given_first:
        turns.give()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not given_first:
        turns.give()
    await asyncio.wait_for(turns.take(0), 5)
