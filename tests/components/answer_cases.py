"""Rows of the components that look for answers."""

from __future__ import annotations

from component_case import NO_SOURCE, Case, whole

ANSWER_CASES = (
    Case(
        name="AnswerMatchFilter",
        module="answer_match_filter",
        stage=True,
        required={},
        defaults={},
        custom={},
        bad=(),
    ),
    Case(
        name="AnswerSwapGenerator",
        module="answer_swap_generator",
        stage=True,
        required={},
        defaults={"num_passages": 1, "seed": 0, "source": "answer-swap"},
        custom={"num_passages": 2, "seed": 4, "source": "swapped"},
        bad=(*NO_SOURCE, whole("num_passages", 1, 0)),
    ),
)
