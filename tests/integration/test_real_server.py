"""The components that ask a language model, on a real llama.cpp server with a real model."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from haystack import Document
from llama_server import LlamaServer, missing
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
from component_case import tiny_model
from hand_made import corpus_of, found

from hardneg_plugin import (
    LLMNegativeClassifier,
    LLMNegativeGenerator,
    MiningExample,
    RAGNegativeRanker,
    RecordedChatGenerator,
    StrictOpenAIChatGenerator,
)
from hardneg_plugin.llm.reasons import REASONS, TOO_LONG
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.messages import shown_by
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.judge_check import check_judge
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration
KEEP = dict.fromkeys(["false_negative", "easy_negative", "undecided"], "keep")
PATIENT = RetryPolicy(tries=30, base=0.2, longest=1.0)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[LlamaServer]:
    if reason := missing():
        pytest.skip(reason)
    running = LlamaServer(tmp_path_factory.mktemp("llama-server"), "-c", "2048", "-np", "2")
    try:
        yield running.start()
    finally:
        running.kill()


def asking(server, **parameters):
    return StrictOpenAIChatGenerator("smollm2", server.url, **parameters)


@pytest.fixture
def mined():
    texts = {f"p{number}": f"Copper kettle number {number} stands on the stove." for number in range(6)}
    examples = [
        MiningExample(
            f"q{number}", f"which kettle is number {number}", (Document(id=f"k{number}", content="That one."),)
        )
        for number in range(2)
    ]
    return found(examples, corpus_of(texts), [["p0", "p1", "p2"], ["p3", "p4", "p5"]])


def judge(server, generator=None, **parameters):
    generator = generator or asking(server)
    return LLMNegativeClassifier(chat_generator=generator, actions=KEEP, max_workers=2, **parameters)


def verdicts(examples):
    return [candidate.verdict for example in examples for candidate in example.candidates]


def said_reasons(lines):
    """Reasons of undecided candidates, from what a run says."""
    told = [line.partition("%): ")[2] for line in lines if "candidates undecided" in line]
    return {part.strip().split(" ", 1)[1] for text in told for part in text.split(",")}


def test_real_server_judges_the_known_pairs(server):
    said = []
    with shown_by(said.append), session() as opened:
        report = check_judge(judge(server), ["en"])
    assert report.outcomes.total() == 27
    # The model is too small to be right; what it says can be read.
    assert report.undecided < 0.5
    assert said_reasons(said) <= REASONS
    assert opened.usage.total().completion_tokens > 0


@pytest.mark.parametrize("mode", ["listwise", "pointwise"])
async def test_real_server_gives_probabilities(server, mined, mode):
    with session():
        examples = (await judge(server, asking(server, logprobs=20), mode=mode).run_async(examples=mined))["examples"]
    scores = [
        value
        for example in examples
        for candidate in example.candidates
        for name, value in candidate.scores.items()
        if name.startswith("false_negative:")
    ]
    assert len(scores) == 6
    assert all(0 <= score <= 1 for score in scores)
    assert len(set(scores)) > 1


def test_real_server_ranks(server, mined):
    with session() as opened:
        ranker = RAGNegativeRanker(tiny_model(), chat_generator=asking(server), context=2)
        examples = ranker.run(examples=mined)["examples"]
    assert opened.usage.of("rank").calls >= 2
    scored = [candidate for example in examples for candidate in example.candidates if "rag" in candidate.scores]
    assert all(0 <= candidate.scores["rag"] <= 100 for candidate in scored)
    # Too small to be right, it may call all of them answers; what it says can be read.
    assert len(scored) > 3


def test_real_server_writes_passages_and_never_too_many(server, mined):
    with session() as opened:
        writer = LLMNegativeGenerator(
            chat_generator=asking(server), num_passages=2, min_words=3, max_words=9, source="w"
        )
        examples = writer.run(examples=mined)["examples"]
    written = [[c for c in example.candidates if "w" in c.sources] for example in examples]
    assert all(len(candidates) <= 2 for candidates in written)
    assert opened.usage.total().calls == 2


def test_real_server_cuts_an_answer_off_and_the_run_goes_on(server, mined):
    said = []
    with shown_by(said.append), session():
        examples = judge(server, asking(server, max_tokens=6)).run(examples=mined)["examples"]
    assert {verdict.label for verdict in verdicts(examples)} == {"undecided"}
    assert said_reasons(said) == {"cut off"}


def test_real_server_refuses_a_long_prompt_which_is_halved_until_it_fits(server):
    """A slot has 1,024 tokens: eight passages of about 150 do not fit, four do."""
    texts = {f"p{number}": f"{number} " + "copper kettle on the stove " * 30 for number in range(8)}
    examples = [MiningExample("q", "which kettle", (Document(id="known", content="That one."),))]
    examples = found(examples, corpus_of(texts), [list(texts)])
    said = []
    with shown_by(said.append), session() as opened:
        whole = judge(server, candidates_per_call=8, max_passage_chars=700)
        labels = [verdict.label for verdict in verdicts(whole.run(examples=examples)["examples"])]
    usage = opened.usage.to_dict()["classify"]
    assert usage["reasons"] == {TOO_LONG: 1}
    assert labels.count("undecided") < 8
    assert TOO_LONG not in said_reasons(said)


def test_real_server_killed_and_started_again_in_mid_run(server, tmp_path, mined):
    """The run waits for it, and asks nothing twice."""
    other = LlamaServer(tmp_path, "-c", "2048", "-np", "2").start()
    try:
        generator = asking(other)
        generator.warm_up()
        other.kill()
        starting = threading.Timer(1.0, other.start)
        starting.start()
        with session(retries=PATIENT) as opened:
            examples = judge(other, generator).run(examples=mined)["examples"]
        starting.join()
        total = opened.usage.total()
        assert total.retries > 0
        assert total.unanswered == 0
        assert all(verdict is not None for verdict in verdicts(examples))
        with session() as again:
            judge(other, asking(other)).run(examples=mined)
        assert again.usage.total().calls <= total.calls
    finally:
        other.kill()


def test_real_server_recorded_and_replayed(server, tmp_path, mined):
    path = tmp_path / "answers.jsonl"
    with session(record=path):
        live = judge(server).run(examples=mined)["examples"]
    replayed = judge(server, RecordedChatGenerator(str(path))).run(examples=mined)["examples"]
    assert [(v.label, v.score) for v in verdicts(replayed)] == [(v.label, v.score) for v in verdicts(live)]


def test_real_server_runs_a_recipe_without_a_key(server, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = [
        "data.dataset=sample?passages=1000",
        "data.limit=2",
        "seed=5",
        "train=null",
        "evaluate=null",
        "start_from={}",
        "systems={judged: [{bm25: {top_k: 8}}, {known_positives: {}}, {classify: {max_candidates: 2}}]}",
        f"llm={{api: openai, url: '{server.url}', model: smollm2, logprobs: true}}",
    ]
    with (tmp_path / "console").open("w") as console:
        progress = Progress(Console(file=console, stderr=False))
        report = run_recipe(load_recipe("phase3_llm", settings), tmp_path / "runs", progress=progress)
    (stage,) = [stage for system in report.systems for stage in system.stages if stage.llm]
    assert stage.llm["calls"] >= 2
