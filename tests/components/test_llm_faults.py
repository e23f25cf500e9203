"""The classifier and a server of which every fifth answer is of no use: no candidate is left without an outcome."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from hand_made import corpus_of, found
from haystack import Document

from hardneg_plugin import LLMNegativeClassifier, MiningExample, StrictOllamaChatGenerator
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.messages import shown_by

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from ollama_server import OllamaServer

pytestmark = pytest.mark.integration
FAULTS = ["500", "503", "429", "html", "cut json", "drop", "slow", "wrong ids", "empty", "length", "overflow"]
KEEP = dict.fromkeys(["false_negative", "easy_negative", "undecided"], "keep")
NO_VERDICT = {"wrong ids", "not JSON", "cut off", "prompt too long"}


@pytest.fixture
def mined():
    """200 queries, ten candidates each: the even ones answer, for the honest judge, the odd ones share a word."""
    texts = {
        f"p{number}": f"boils water quickly {number}" if number % 2 == 0 else f"copper kettle number {number}"
        for number in range(2000)
    }
    examples = [
        MiningExample(
            f"q{number}", f"which kettle {number}", (Document(id=f"x{number}", content="boils water quickly"),)
        )
        for number in range(200)
    ]
    return found(examples, corpus_of(texts), [[f"p{10 * q + position}" for position in range(10)] for q in range(200)])


async def judged(mode, mined, server, waits):
    judge = LLMNegativeClassifier(
        chat_generator=StrictOllamaChatGenerator(url=server.url), mode=mode, actions=KEEP, max_workers=8
    )
    result = judge.run(examples=mined) if waits == "threads" else await judge.run_async(examples=mined)
    return [candidate for example in result["examples"] for candidate in example.candidates]


@pytest.mark.parametrize("waits", ["threads", "loop"])
@pytest.mark.parametrize("mode", ["listwise", "pointwise"])
async def test_every_candidate_is_decided_or_undecided_with_a_reason(mode, waits, mined):
    draw, said = random.Random(5), []

    def fault(number, body):
        return draw.choice(FAULTS) if draw.random() < 0.2 else None

    with (
        OllamaServer(fault=fault) as server,
        session(retries=RetryPolicy(base=0.001, longest=0.01)) as opened,
        shown_by(said.append),
    ):
        candidates = await judged(mode, mined, server, waits)
        answered, most = server.answered, server.most_at_once
    labels = [candidate.verdict.label for candidate in candidates]
    right = ["false_negative" if int(candidate.id[1:]) % 2 == 0 else "hard_negative" for candidate in candidates]
    # What is said is right, or nothing is said.
    assert {(label, truth) for label, truth in zip(labels, right, strict=True) if label != truth} <= {
        ("undecided", "false_negative"),
        ("undecided", "hard_negative"),
    }
    undecided = labels.count("undecided")
    assert 0 < undecided < 300
    (line,) = [text for text in said if "candidates undecided" in text]
    assert f"{undecided:,} of 2,000 candidates undecided" in line
    reasons = {part.strip().split(" ", 1)[1] for part in line.partition("%): ")[2].split(",")}
    assert reasons & NO_VERDICT
    assert set(answered.values()) == {1}
    assert opened.usage.total().calls == answered.total()
    assert most <= 8
