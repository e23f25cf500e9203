"""Scores beside retrieved context, and keeping the better part."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from component_case import tiny_model
from hand_made import corpus_of, found, kept, reasons
from haystack import Document
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage

from hardneg_plugin import MiningExample, RAGNegativeRanker
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.session import session
from hardneg_plugin.llm.verdicts import answer_of

TEXTS = {
    "p1": "The Amazon is the longest river of South America.",
    "p2": "The river Nile flows north.",
    "p3": "A river carries sand to the sea.",
    "p4": "A hive holds one queen.",
    "p5": "Honey bees dance for flowers.",
    "p6": "The river Rhine flows past Basel.",
    "p7": "the river nile flows north",
}
SEEN = []


def hardness_by_length(messages: list[ChatMessage]) -> str:
    """Score a passage by its characters, and call what names the Amazon an answer."""
    text = messages[-1].text
    SEEN.append(text)
    passages = re.findall(r"<(\d+)>([^<]*)</\1>", text)
    labels = [("false_negative" if "Amazon" in passage else "hard_negative", passage) for _, passage in passages]
    return answer_of([(label, 40 + len(passage)) for label, passage in labels], "listwise")


RECORDED = {}


def recorded_hardness(messages: list[ChatMessage]) -> str:
    """Answer the hardness that was recorded for the query; 31 is the lowest that a hard negative may have."""
    query = re.search("<query>([^<]*)</query>", messages[-1].text).group(1)
    return answer_of([("hard_negative", max(RECORDED[query], 31))], "listwise")


@pytest.fixture
def judge():
    SEEN.clear()
    return MockChatGenerator(response_fn=hardness_by_length)


@pytest.fixture
def river():
    """Two queries; the positive of the first is p3's neighbour and in no corpus."""
    corpus = corpus_of(TEXTS)
    examples = [
        MiningExample("q1", "which river is long", (Document(id="x", content="A long river is the Nile."),)),
        MiningExample("q2", "what do bees do", (Document(id="p5", content=TEXTS["p5"]),)),
    ]
    return found(examples, corpus, [["p1", "p2", "p3", "p6"], ["p4", "p5"]])


def test_the_better_half_of_each_query_is_kept_and_answers_are_dropped(river, judge):
    """Lengths: p2 27, p3 32, p6 33 characters; p1 answers. Half of three is two."""
    ranker = RAGNegativeRanker(tiny_model(), chat_generator=judge)
    first, second = ranker.run(examples=river)["examples"]
    assert reasons(first) == {"p1": "rag: false_negative", "p2": "rag: lower half", "p3": "", "p6": ""}
    assert kept(second) == ["p5"]
    assert [candidate.scores["rag"] for candidate in first.candidates] == [89.0, 67.0, 72.0, 73.0]
    verdict = first.candidates[1].verdict
    assert (verdict.label, verdict.score, verdict.judge) == ("hard_negative", 67.0, "mock-model")


def test_the_better_half_of_all(river, judge):
    """Five are left, three stay: p6 73, p3 72, p5 69, p2 67, p4 63."""
    ranker = RAGNegativeRanker(tiny_model(), chat_generator=judge, scope="all")
    first, second = ranker.run(examples=river)["examples"]
    assert (kept(first), kept(second)) == (["p3", "p6"], ["p5"])
    assert ranker.needs_all_examples


def test_context_holds_no_candidate_of_its_question_no_positive_and_no_copy(river, judge):
    """q1 judges p1, p2, p3, p6; p7 is p2 in other letters; what is left of the corpus is p4 and p5."""
    RAGNegativeRanker(tiny_model(), chat_generator=judge, pool="corpus", max_context_chars=500).run(examples=river)
    river_question, bees_question = sorted(SEEN, key=lambda text: "bees do" in text)
    assert set(re.findall("<context>([^<]*)</context>", river_question)) == {TEXTS["p4"], TEXTS["p5"]}
    assert set(re.findall("<context>([^<]*)</context>", bees_question)) <= {
        TEXTS[p] for p in ("p1", "p2", "p3", "p6", "p7")
    }
    assert len(re.findall("<context>", bees_question)) == 3


def test_one_candidate_a_question_may_have_the_others_as_context(river, judge):
    RAGNegativeRanker(tiny_model(), chat_generator=judge, candidates_per_call=1, context=9).run(examples=river)
    for text in SEEN:
        (shown,) = re.findall(r"<1>([^<]*)</1>", text)
        assert shown not in re.findall("<context>([^<]*)</context>", text)
    assert any("longest river" in text and f"<context>{TEXTS['p2']}" in text for text in SEEN)


def test_without_context_none_is_spoken_of(river, judge):
    ranker = RAGNegativeRanker(tiny_model(), chat_generator=judge, context=0)
    ranker.run(examples=river)
    assert not ranker.needs_all_examples
    assert all("context" not in text for text in SEEN)


def test_without_a_language_model_the_similarity_decides(river):
    ranker = RAGNegativeRanker(tiny_model(), keep=0.25)
    first, second = ranker.run(examples=river)["examples"]
    scores = {candidate.id: candidate.scores["rag"] for candidate in first.candidates}
    assert kept(first) == [max(scores, key=scores.get)]
    assert len(kept(second)) == 1
    assert first.candidates[0].verdict is None
    assert not ranker.needs_all_examples


def test_a_candidate_without_a_score_is_dropped_and_named(river):
    broken = MockChatGenerator("no JSON")
    with session() as opened:
        first, _ = RAGNegativeRanker(tiny_model(), chat_generator=broken).run(examples=river)["examples"]
    assert set(reasons(first).values()) == {"rag: undecided"}
    # Two questions, and each of them in halves.
    assert opened.usage.of("rank").calls == 4
    with pytest.raises(LLMError, match="6 candidates got no score: not JSON"):
        RAGNegativeRanker(tiny_model(), chat_generator=broken, raise_on_failure=True).run(examples=river)


async def test_the_event_loop_gives_the_same(river, judge):
    ranker = RAGNegativeRanker(tiny_model(), chat_generator=judge)
    at_once = ranker.run(examples=river)["examples"]
    assert (await ranker.run_async(examples=river))["examples"] == at_once


@pytest.mark.integration
def test_of_the_recorded_scores_exactly_half_is_kept(shared):
    """The reference kept 533 of 1,000: all that tied with the 500th. Here ties end at a defined place."""
    lines = (shared / "data/llm-recorded/rag_scored_msmarco.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    corpus = corpus_of({f"n{number}": row["negative"] for number, row in enumerate(rows)})
    examples = [
        MiningExample(f"q{number}", row["query"], (Document(id=f"x{number}", content=row["positive"]),))
        for number, row in enumerate(rows)
    ]
    mined = found(examples, corpus, [[f"n{number}"] for number in range(len(rows))])
    RECORDED.update({escape_untrusted_text(row["query"], 200): round(row["score"] * 100) for row in rows})
    judge = MockChatGenerator(response_fn=recorded_hardness)
    ranker = RAGNegativeRanker(tiny_model(), chat_generator=judge, context=0, scope="all")
    ranked = ranker.run(examples=mined)["examples"]
    scores = np.array([example.candidates[0].scores["rag"] for example in ranked])
    stay = np.array([len(kept(example)) == 1 for example in ranked])
    assert stay.sum() == 500
    assert scores[stay].min() == scores[~stay].max() == np.sort(scores)[-500]
