"""The questions that a judge is asked about candidates: which of them together, in which order, and what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.errors import RecordError
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.prompt import Prompt, PromptPassage
from hardneg_plugin.llm.request import LLMReply, LLMRequest
from hardneg_plugin.llm.verdicts import read_listwise, read_pointwise, whole_fault
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.records.candidates import Candidate
from hardneg_plugin.records.table import index_within_group, lengths_to_offsets

Mode = Literal["listwise", "pointwise"]
VARIABLES = {"listwise": {"query", "positive", "passages"}, "pointwise": {"query", "positive", "passage"}}
# {"id":10,"label":"false_negative","hardness":100}, is about 20 tokens; white space and other tokenizers need more.
_TOKENS_PER_VERDICT = 40
_TOKENS_AROUND = 40
# Questions whose passages are read from the corpus together.
_BLOCK = 256


class JudgeBatch(NamedTuple):
    """One question.

    :param example: Number of the example.
    :param rows: Rows of the candidates, in the order in which they are shown.
    """

    example: int
    rows: tuple[int, ...]


def judge_batches(
    examples: Sequence[MiningExample],
    table: CandidateTable,
    rows: NDArray[np.int64],
    size: int,
    order: str,
) -> list[JudgeBatch]:
    """Group some rows into questions.

    Candidates of an example are split evenly, in the order of ``rows``; within a question they are shuffled by a hash
    of the example and the passage, so that neither rank nor batch decides over their places.

    :param examples: The examples.
    :param table: Their candidates.
    :param rows: Rows to ask about, those of an example together.
    :param size: Most candidates of a question.
    :param order: What the shuffle depends on besides.
    """
    if not len(rows):
        return []
    of_example = table.example_index[rows]
    starts = np.flatnonzero(np.append(True, of_example[1:] != of_example[:-1]))
    questions = []
    for own in np.split(rows, starts[1:]):
        number = int(table.example_index[own[0]])
        for part in np.array_split(own, -(-len(own) // size)):
            questions.append(JudgeBatch(number, _shuffled(examples[number].id, table, part, order)))
    return questions


def _shuffled(example: str, table: CandidateTable, rows: NDArray[np.int64], order: str) -> tuple[int, ...]:
    def position(row: int) -> tuple[int, str]:
        identifier = Candidate(table, row).id
        key = f"{order}:{example}:{identifier}".encode("utf-8", "surrogatepass")
        return xxhash.xxh3_64_intdigest(key), identifier

    return tuple(sorted(map(int, rows), key=position))


def rows_to_judge(component: str, table: CandidateTable, source: str | None, most: int | None) -> NDArray[np.int64]:
    """Return the kept rows to judge, best rank first in each example.

    :param component: Name of the component, for the message.
    :param table: The candidates.
    :param source: Source whose candidates are judged; None judges those of all.
    :param most: Most candidates of an example; None takes all.
    :raises RecordError: If the source is none of the candidates' sources.
    """
    rows, offsets = table.kept_by_rank()
    if source is not None:
        if source not in table.ranks:
            known = ", ".join(table.ranks) or "none"
            msg = f"{component}: no source {source!r} among the candidates; known sources: {known}"
            raise RecordError(msg)
        rows = rows[table.ranks[source][rows] > 0]
        offsets = lengths_to_offsets(np.bincount(table.example_index[rows], minlength=len(table)))
    if most is None:
        return rows
    return rows[index_within_group(offsets) < most]


def judged_already(table: CandidateTable, judges: Sequence[str], prompt: str) -> NDArray[np.bool_]:
    """Return a mask of the rows that one of some judges has judged by a prompt of this fingerprint, shape ``(m,)``."""
    by_judge = np.array([judge in judges for judge in table.judge.values])[table.judge.codes]
    by_prompt = np.array([known == prompt for known in table.prompt.values])[table.prompt.codes]
    return np.asarray(by_judge & by_prompt & (table.label.codes > 0))


class JudgePromptBuilder(NamedTuple):
    """Build the prompts of a judge.

    :param prompt: The prompt.
    :param mode: Whether it takes one candidate or several.
    :param max_query_chars: Characters of the query that are shown.
    :param max_passage_chars: Characters of a passage that are shown.
    :param context: Gives the texts that are shown beside a question's candidates; None where the prompt shows none.
    :param max_context_chars: Characters of such a text that are shown.
    """

    prompt: Prompt
    mode: Mode
    max_query_chars: int
    max_passage_chars: int
    context: Callable[[JudgeBatch], list[str]] | None = None
    max_context_chars: int = 120

    def requests(
        self, examples: Sequence[MiningExample], table: CandidateTable, questions: Sequence[JudgeBatch]
    ) -> Iterator[LLMRequest]:
        """Yield the request of each question; texts are read some questions at a time."""
        for start in range(0, len(questions), _BLOCK):
            block = questions[start : start + _BLOCK]
            rows = [row for question in block for row in question.rows]
            texts = iter(passage_texts(table, table.passages[rows]))
            for question in block:
                shown = [next(texts) for _ in question.rows]
                yield self._request(examples[question.example], table, question, shown)

    def _request(
        self, example: MiningExample, table: CandidateTable, question: JudgeBatch, texts: Sequence[str]
    ) -> LLMRequest:
        passages = [escape_untrusted_text(text, self.max_passage_chars) for text in texts]
        positive = (example.positives[0].content or "") if example.positives else ""
        variables: dict[str, object] = {
            "query": escape_untrusted_text(example.query, self.max_query_chars),
            "positive": escape_untrusted_text(positive, self.max_passage_chars),
        }
        if self.context is not None:
            found = [escape_untrusted_text(text, self.max_context_chars) for text in self.context(question)]
            variables["context"] = [PromptPassage(number, text) for number, text in enumerate(found, 1)]
        if self.mode == "pointwise":
            (variables["passage"],) = passages
        else:
            variables["passages"] = [PromptPassage(number, text) for number, text in enumerate(passages, 1)]
        return self.prompt.request(
            variables,
            max_tokens=_TOKENS_PER_VERDICT * len(passages) + _TOKENS_AROUND,
            about={
                "query": example.id,
                "passages": [Candidate(table, row).id for row in question.rows],
                "form": self.mode,
            },
            count=len(passages),
            reader=partial(_fault, self.mode, len(passages)),
        )


def _fault(mode: Mode, count: int, reply: LLMReply) -> str:
    """Return why an answer says nothing of any candidate; empty where it says something."""
    return whole_fault([read_pointwise(reply)] if mode == "pointwise" else read_listwise(reply, count))
