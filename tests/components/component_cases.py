"""One row per component: what the contract tests of all of them are driven by."""

from __future__ import annotations

from answer_cases import ANSWER_CASES
from builder_cases import BUILDER_CASES
from component_case import CORPUS, Case
from filter_cases import FILTER_CASES
from llm_cases import LLM_CASES
from miner_cases import MINER_CASES

CASES = (*MINER_CASES, *FILTER_CASES, *ANSWER_CASES, *LLM_CASES, *BUILDER_CASES)
STAGES = tuple(case for case in CASES if case.stage)
CORPUS_MINERS = tuple(case for case in MINER_CASES if "corpus" in case.required)
TAKES_CORPUS = tuple(case for case in CASES if "corpus" in {**case.required, **case.defaults})
TAKES_EXAMPLES = tuple(case for case in CASES if case.inputs == ("examples",))


__all__ = ["CASES", "CORPUS", "CORPUS_MINERS", "STAGES", "TAKES_CORPUS", "TAKES_EXAMPLES", "named"]


def named(case: Case) -> str:
    """Return the id of a case among the parameters of a test."""
    return case.name
