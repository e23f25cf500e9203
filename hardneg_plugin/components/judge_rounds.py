"""Rounds of questions to a judge: all of them, then what was broken as a whole, in halves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.llm.reasons import CONTRADICTION, TOO_LONG
from hardneg_plugin.llm.request_handler import Answer
from hardneg_plugin.llm.verdicts import UNDECIDED, Judgement, read_listwise, read_pointwise, undecided
from hardneg_plugin.mining.judge_prompts import JudgeBatch, Mode, judge_batches
from hardneg_plugin.mining.verdict_columns import Verdicts
from hardneg_plugin.records import CandidateTable, MiningExample


def rounds(
    examples: Sequence[MiningExample],
    table: CandidateTable,
    verdicts: Verdicts,
    rows: NDArray[np.int64],
    size: int,
    order: str,
) -> Iterator[list[JudgeBatch]]:
    """Yield rounds of questions; each looks at what the answers to the last one gave.

    An answer that could not be read would come again to the same question: its candidates are asked about in halves,
    once. A prompt that is too long is halved until it fits, since the server refuses it at no cost.

    :param examples: The examples.
    :param table: Their candidates.
    :param verdicts: Where the answers to each round are put before the next one is taken.
    :param rows: Rows to ask about, those of an example together.
    :param size: Most candidates of a question.
    :param order: What the order of the candidates depends on.
    """
    asked = judge_batches(examples, table, rows, size, order)
    yield asked
    broken = [question for question in asked if _is_broken(question, verdicts)]
    while broken:
        size = -(-size // 2)
        failed = np.array([row for question in broken for row in sorted(question.rows)], dtype=np.int64)
        asked = judge_batches(examples, table, failed, size, f"{order}:again")
        yield asked
        broken = [question for question in asked if _is_broken(question, verdicts, only=TOO_LONG)]


def _is_broken(question: JudgeBatch, verdicts: Verdicts, only: str | None = None) -> bool:
    """Tell whether an answer gave no verdict on any of several candidates; contradictions concern one candidate."""
    rows = np.array(question.rows)
    if len(rows) == 1 or not verdicts.having([UNDECIDED])[rows].all():
        return False
    reason = verdicts.reason(question.rows[0])
    return reason != CONTRADICTION if only is None else reason == only


def read(answer: Answer, mode: Mode, count: int) -> list[Judgement]:
    """Return the judgements of an answer, in the order in which the candidates were shown.

    :param answer: The outcome of a question.
    :param mode: Whether it was about one candidate or several.
    :param count: Candidates that were shown.
    """
    if answer.reply is None:
        return [undecided(answer.reason)] * count
    return [read_pointwise(answer.reply)] if mode == "pointwise" else read_listwise(answer.reply, count)
