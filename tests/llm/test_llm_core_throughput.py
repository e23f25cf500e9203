"""How much of a server's capacity is used, and what that costs the client."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest
from fake_clients import Echo, questions

from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.session import session

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def only_our_garbage():
    """What other tests have loaded is not looked through: one full collection of it costs more than 2,000 answers."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def with_threads(client, requests):
    return list(ask(client, requests, workers=8, task="test", total=len(requests)))


def in_a_loop(client, requests):
    async def gather():
        return [one async for one in ask_async(client, requests, workers=8, task="test", total=len(requests))]

    return asyncio.run(gather())


@pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])
def test_eight_calls_of_200_ms_are_kept_under_way(ask_all):
    """At best 200 answers take 5 s."""
    started, worked = time.monotonic(), time.process_time()
    with session():
        assert len(ask_all(Echo(seconds=0.2), questions(200))) == 200
    assert 5 / (time.monotonic() - started) >= 0.90
    assert (time.process_time() - worked) / 200 < 0.002


@pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])
def test_an_answer_from_the_cache_costs_little(ask_all):
    ask_all(Echo(), questions(2000))
    worked = time.process_time()
    with session():
        ask_all(Echo(), questions(2000))
    assert (time.process_time() - worked) / 2000 < 0.0002
