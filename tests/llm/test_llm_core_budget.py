"""What may be spent, as people write it, and servers that do not count."""

from __future__ import annotations

import pytest
from fake_clients import Echo, questions

from hardneg_plugin.errors import BudgetError, ParameterError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.request import LLMReply
from hardneg_plugin.llm.session import session


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("500 calls", Budget(calls=500)),
        ("1 call", Budget(calls=1)),
        ("1,500 calls", Budget(calls=1500)),
        ("2M tokens", Budget(tokens=2_000_000)),
        ("2.5k tokens", Budget(tokens=2500)),
        ("90 minutes", Budget(minutes=90)),
        ("90min", Budget(minutes=90)),
        ("1.5h", Budget(minutes=90)),
        (" 2 hours ", Budget(minutes=120)),
    ],
)
def test_an_amount_is_read(text, budget):
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "500", "calls", "-5 calls", "5 days", "five calls", "5 calls or 2 hours", None])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ParameterError, match='budget: expected "500 calls", "2M tokens", "90 minutes" or "1.5 hours"'):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("text", "says"), [("0 calls", "calls must be above 0, got 0"), ("1.5 calls", "calls are whole numbers")]
)
def test_an_amount_that_cannot_be_is_refused(text, says):
    with pytest.raises(ParameterError, match=says):
        Budget.parse(text)


class Uncounted(Echo):
    """A server that does not count tokens."""

    def send(self, request):
        super().send(request)
        return LLMReply("answer")


def test_a_budget_in_tokens_needs_a_server_that_counts_them():
    client = Uncounted()
    with (
        session(budget=Budget(tokens=1000)),
        pytest.raises(BudgetError, match="in tokens, which this server does not count; give it in calls or minutes"),
    ):
        list(ask(client, questions(50), workers=1, task="test"))
    assert len(list(ask(Uncounted(), questions(1), workers=1, task="test"))) == 1
    assert sum(client.calls.values()) == 1
