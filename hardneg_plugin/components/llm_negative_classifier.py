"""Classify candidates as hard, false or easy negatives by a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple, get_args

import numpy as np
from haystack import component
from haystack.components.generators.chat.types import ChatGenerator
from numpy.typing import NDArray

from hardneg_plugin.components.base import lacking
from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.components.chat_generator_mixin import ChatGeneratorMixin
from hardneg_plugin.components.judge_rounds import read, rounds
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.llm.request_handler import Answer
from hardneg_plugin.mining.judge_actions import (
    UNSURE_LABELS,
    UNSURE_PROBABILITY,
    Actions,
    UnsureLabels,
    UnsureProbability,
    act_on_labels,
    check_actions,
)
from hardneg_plugin.mining.judge_prompts import (
    VARIABLES,
    JudgeBatch,
    JudgePromptBuilder,
    Mode,
    judged_already,
    rows_to_judge,
)
from hardneg_plugin.mining.replay import stored_verdicts
from hardneg_plugin.mining.verdict_columns import Verdicts, report_undecided
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.validation import Count, Name

_NAME = "LLMNegativeClassifier"
_TASK = "classify"


class JudgePass(NamedTuple):
    """Questions to one judge, and what takes their answers."""

    client: ChatClient
    questions: list[JudgeBatch]
    take: Callable[[JudgeBatch, Answer], None]


@component
class LLMNegativeClassifier(ChatGeneratorMixin):
    """Asks a language model whether each candidate answers the query, is a hard negative or an easy one.

    On human-graded data a third of the first ten mined negatives are really positives; a judge finds most of them.
    Every verdict stays in the candidates: label, hardness from 0 to 100, judge, and the prompt's fingerprint.
    Where the server gives log-probabilities, the probability of ``false_negative`` among the labels, or a bound of it,
    is kept as the score ``false_negative:<judge>``.

    An answer that is not exactly what was asked for is ``undecided`` and counted; nothing is made up in its place.
    Reasons: ``verdict: `` and the label, ``verdict: positive`` (relabelled) and ``verdict: not judged``.

    ### Usage example

    ```python
    from hardneg_plugin import LLMNegativeClassifier, StrictOllamaChatGenerator

    judge = LLMNegativeClassifier(chat_generator=StrictOllamaChatGenerator("llama3.1:8b"), max_candidates=10)
    examples = judge.run(examples=examples)["examples"]
    ```

    :param chat_generator: Any Haystack chat generator.
    :param mode: ``listwise`` shows several candidates of a query in one question, in an order that hides their ranks:
        a tenth of the calls and less than half of the tokens. ``pointwise`` shows one.
    :param prompt: Name of a prompt that comes with hardneg, or path of a YAML file of that form; None takes that of the
        mode.
    :param candidates_per_call: Most candidates of a listwise question.
    :param max_candidates: Judge the best ranked of each example, at most this many, and drop the others; None judges
        all.
    :param actions: Label → ``drop``, ``keep``, or for false negatives ``positive``, which makes positives of them;
        labels that are left out are treated as by default.
    :param source: Judge candidates of this source only, and leave the others as they are.
    :param second_generator: A second judge, usually a larger model, for what the first is not sure of; its verdict
        counts.
    :param unsure_labels: Labels of the first judge that are asked again; None is ``undecided``.
    :param unsure_probability: Probabilities of ``false_negative`` between which a verdict is asked again; None is 0.2
        and 0.8.
    :param max_query_chars: Characters of the query that are shown.
    :param max_passage_chars: Characters of a passage that are shown.
    :param seed: Seed of the order in which candidates are shown.
    :param max_workers: Questions asked at a time.
    :param raise_on_failure: Whether a candidate without a verdict stops the run.
    :raises ParameterError: If a parameter is out of range or the prompt cannot be used.
    """

    version: ClassVar[int] = 1
    replayable: ClassVar[tuple[str, ...]] = ("actions", "max_candidates")

    def __init__(
        self,
        *,
        chat_generator: ChatGenerator,
        mode: Mode = "listwise",
        prompt: str | None = None,
        candidates_per_call: Count = 10,
        max_candidates: Count | None = None,
        actions: Actions | None = None,
        source: Name | None = None,
        second_generator: ChatGenerator | None = None,
        unsure_labels: UnsureLabels | None = None,
        unsure_probability: UnsureProbability | None = None,
        max_query_chars: Count = 200,
        max_passage_chars: Count = 300,
        seed: int = 0,
        max_workers: Count = 4,
        raise_on_failure: bool = False,
    ) -> None:
        check_actions(_NAME, actions)
        self.chat_generator = chat_generator
        self.mode = mode
        self.prompt = prompt
        self.candidates_per_call = candidates_per_call
        self.max_candidates = max_candidates
        self.actions = actions
        self.source = source
        self.second_generator = second_generator
        self.unsure_labels = unsure_labels
        self.unsure_probability = unsure_probability
        self.max_query_chars = max_query_chars
        self.max_passage_chars = max_passage_chars
        self.seed = seed
        self.max_workers = max_workers
        self.raise_on_failure = raise_on_failure
        self._clients = [ChatClient(chat_generator, _NAME)]
        if second_generator is not None:
            self._clients.append(ChatClient(second_generator, _NAME))
        self._prompt = load_prompt(prompt or f"classify_{mode}")
        self._prompt.check_variables(VARIABLES[mode], VARIABLES[mode] - {"positive"})
        self._asking = JudgePromptBuilder(self._prompt, mode, max_query_chars, max_passage_chars)

    def unmet(self, sources: list[str], scorers: list[str]) -> dict[str, str]:
        """Return parameter → what it asks for that the stages before do not write."""
        missing = "" if self.source is None else lacking("source", self.source, sources)
        return {"source": missing} if missing else {}

    def kept_candidates(self, candidates: int) -> int:
        """Return the most candidates of an example that are left of so many."""
        return min(candidates, self.max_candidates or candidates)

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result: what was judged stays valid when they do."""
        return ["max_workers", "raise_on_failure"]

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of data outside this class that decide over the result."""
        return [load_prompt(f"classify_{mode}").fingerprint for mode in get_args(Mode)]

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Judge.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with verdicts, and what ``actions`` says done.
        :raises LLMError: If a model cannot be asked, or with ``raise_on_failure`` a candidate gets no verdict.
        :raises RecordError: If ``source`` is none of the candidates' sources.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        self.warm_up()
        verdicts = Verdicts(len(table.passages))
        judged = rows_to_judge(_NAME, table, self.source, self.max_candidates)
        for client, questions, take in self._rounds(examples, table, verdicts, judged):
            requests = self._asking.requests(examples, table, questions)
            answers = ask(client, requests, workers=self.max_workers, task=_TASK, total=len(questions))
            for question, answer in zip(questions, answers, strict=True):
                take(question, answer)
        return {"examples": self._decided(examples, table, verdicts, judged)}

    @component.output_types(examples=list[MiningExample])
    async def run_async(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Judge, asking from one event loop; see :meth:`run`."""
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        await self.warm_up_async()
        verdicts = Verdicts(len(table.passages))
        judged = rows_to_judge(_NAME, table, self.source, self.max_candidates)
        for client, questions, take in self._rounds(examples, table, verdicts, judged):
            requests = self._asking.requests(examples, table, questions)
            answers = ask_async(client, requests, workers=self.max_workers, task=_TASK, total=len(questions))
            asked = iter(questions)
            async for answer in answers:
                take(next(asked), answer)
        return {"examples": self._decided(examples, table, verdicts, judged)}

    def replay(self, examples: list[MiningExample], stored: CandidateTable) -> dict[str, list[MiningExample]]:
        """Apply this component's actions to the verdicts that an earlier run left, asking nobody.

        :param examples: Examples as they reach this component now.
        :param stored: Their candidates behind the earlier run.
        :raises RecordError: If a candidate that is to be judged has no verdict by this prompt.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        judged = rows_to_judge(_NAME, table, self.source, self.max_candidates)
        table = stored_verdicts(_NAME, table, stored, judged, self._prompt.fingerprint)
        return {"examples": self._acted(examples, table, judged)}

    def _rounds(
        self, examples: list[MiningExample], table: CandidateTable, verdicts: Verdicts, rows: NDArray[np.int64]
    ) -> Iterator[JudgePass]:
        """Yield rounds of questions; each looks at what the last one gave."""
        for judge, client in enumerate(self._clients):
            if judge:
                rows = rows[self._unsure(verdicts)[rows]]
            else:
                judges = [known.model for known in self._clients]
                rows = rows[~judged_already(table, judges, self._prompt.fingerprint)[rows]]

            def take(question: JudgeBatch, answer: Answer, judge: int = judge) -> None:
                judgements = read(answer, self.mode, len(question.rows))
                for row, judgement in zip(question.rows, judgements, strict=True):
                    verdicts.put(row, judgement, judge)

            for questions in rounds(examples, table, verdicts, rows, self._size, f"{self.seed}"):
                yield JudgePass(client, questions, take)

    def calls_for(self, candidates: int) -> int:
        """Return the calls that a query with so many candidates takes, without those that are asked again."""
        judged = min(candidates, self.max_candidates or candidates)
        return -(-judged // self._size)

    @property
    def _size(self) -> int:
        return self.candidates_per_call if self.mode == "listwise" else 1

    def _unsure(self, verdicts: Verdicts) -> NDArray[np.bool_]:
        low, high = self.unsure_probability or UNSURE_PROBABILITY
        between = (verdicts.probability > low) & (verdicts.probability < high)
        return np.asarray(verdicts.having(self.unsure_labels or UNSURE_LABELS) | between)

    def _decided(
        self, examples: list[MiningExample], table: CandidateTable, verdicts: Verdicts, judged: NDArray[np.int64]
    ) -> list[MiningExample]:
        """Return the examples with verdicts, and what is to be done with each label done."""
        reasons = verdicts.reasons()
        if reasons and self.raise_on_failure:
            (reason, count), *_ = reasons.most_common()
            msg = f"{_NAME}: {reasons.total()} of {len(judged)} candidates got no verdict, {count} of them: {reason}"
            raise LLMError(msg)
        report_undecided(_NAME, _TASK, verdicts, len(judged))
        table = verdicts.written(table, [client.model for client in self._clients], self._prompt.fingerprint)
        return self._acted(examples, table, judged)

    def _acted(
        self, examples: list[MiningExample], table: CandidateTable, judged: NDArray[np.int64]
    ) -> list[MiningExample]:
        concerned = None
        if self.max_candidates is not None:
            every = np.ones(len(table.passages), dtype=bool)
            concerned = table.ranks[self.source] > 0 if self.source is not None else every
        return act_on_labels(examples, table, judged, self.actions, concerned)
