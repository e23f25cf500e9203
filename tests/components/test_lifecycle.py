"""The optional methods of foreign objects: called where they are, in the right way, and missed nowhere."""

from __future__ import annotations

from hardneg_plugin.components import lifecycle


class Plain:
    def __init__(self):
        self.calls = []

    def run(self, query):
        self.calls.append(query)
        return query


class Sync(Plain):
    def warm_up(self):
        self.calls.append("warm")

    def close(self):
        self.calls.append("closed")


class Async(Sync):
    async def warm_up_async(self):
        self.calls.append("warm there")

    async def close_async(self):
        self.calls.append("closed there")

    async def run_async(self, query):
        self.calls.append("asked there")
        return query


async def every_call(foreign):
    lifecycle.warm_up(foreign)
    await lifecycle.warm_up_async(foreign)
    assert await lifecycle.run_async(foreign, query="q") == "q"
    lifecycle.close(foreign)
    await lifecycle.close_async(foreign)
    return foreign.calls


async def test_what_an_object_has_is_called_and_the_rest_is_not_needed():
    assert await every_call(Plain()) == ["q"]
    assert await every_call(Sync()) == ["warm", "warm", "q", "closed", "closed"]
    assert await every_call(Async()) == ["warm", "warm there", "asked there", "closed", "closed there"]


async def test_only_what_runs_asynchronously_says_so():
    assert not isinstance(Sync(), lifecycle.RunsAsync)
    assert isinstance(Async(), lifecycle.RunsAsync)
