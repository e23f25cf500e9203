"""Rows of the components that ask a language model."""

from __future__ import annotations

from component_case import Case, whole
from generator_case import GENERATOR_CASE
from haystack.components.generators.chat import MockChatGenerator
from ranker_case import RANKER_CASE

from hardneg_plugin.llm.verdicts import answer_of

JUDGE = MockChatGenerator(answer_of([("hard_negative", 80)], "pointwise"))
SECOND = MockChatGenerator(answer_of([("false_negative", 90)], "pointwise"), model="second")

CLASSIFIER_CASE = Case(
    name="LLMNegativeClassifier",
    module="llm_negative_classifier",
    stage=True,
    required={"chat_generator": JUDGE},
    defaults={
        "mode": "listwise",
        "prompt": None,
        "candidates_per_call": 10,
        "max_candidates": None,
        "actions": None,
        "source": None,
        "second_generator": None,
        "unsure_labels": None,
        "unsure_probability": None,
        "max_query_chars": 200,
        "max_passage_chars": 300,
        "seed": 0,
        "max_workers": 4,
        "raise_on_failure": False,
    },
    custom={
        "mode": "pointwise",
        "prompt": "classify_pointwise",
        "candidates_per_call": 3,
        "max_candidates": 2,
        "actions": {"undecided": "keep", "false_negative": "positive"},
        "source": "bm25",
        "second_generator": SECOND,
        "unsure_labels": ["undecided", "false_negative"],
        "unsure_probability": [0.1, 0.9],
        "max_query_chars": 100,
        "max_passage_chars": 500,
        "seed": 3,
        "max_workers": 1,
        "raise_on_failure": True,
    },
    bad=(
        ({"mode": "pairwise"}, "mode must be one of listwise, pointwise; got 'pairwise'"),
        ({"chat_generator": 3}, "chat_generator must be a Haystack chat generator, got int"),
        whole("candidates_per_call", 1, 0),
        whole("max_candidates", 1, 0),
        whole("max_workers", 1, 0),
        whole("max_query_chars", 1, 0),
        whole("max_passage_chars", 1, "3"),
        ({"source": ""}, "source must be a name, got ''"),
        ({"actions": ["drop"]}, "actions must be a mapping of label to drop, keep or positive, got ['drop']"),
        (
            {"actions": {"hard": "drop"}},
            "actions must be a mapping whose keys are one of false_negative, hard_negative",
        ),
        ({"actions": {"hard_negative": "positive"}}, "actions['hard_negative'] must be one of drop, keep; got"),
        (
            {"unsure_labels": "undecided"},
            "unsure_labels must be a list of labels (false_negative, hard_negative, easy_negative, undecided), got 'un",
        ),
        (
            {"unsure_labels": ["maybe"]},
            "unsure_labels must be a list of labels (false_negative, hard_negative, easy_negative, undecided), got [",
        ),
        ({"unsure_probability": [0.5]}, "unsure_probability must be two numbers from 0 to 1, got [0.5]"),
        ({"unsure_probability": [0.5, 2]}, "unsure_probability must be two numbers from 0 to 1, got [0.5, 2]"),
    ),
)

LLM_CASES = (CLASSIFIER_CASE, GENERATOR_CASE, RANKER_CASE)
