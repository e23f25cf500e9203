"""Keeping the harder half of the candidates, as a language model scores them beside retrieved passages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge
from haystack import component
from haystack.components.generators.chat.types import ChatGenerator
from numpy.typing import NDArray

from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.components.chat_generator_mixin import ChatGeneratorMixin
from hardneg_plugin.components.judge_rounds import read, rounds
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.llm.request_handler import Answer
from hardneg_plugin.llm.verdicts import FALSE_NEGATIVE, UNDECIDED
from hardneg_plugin.mining.judge_prompts import JudgeBatch, JudgePromptBuilder
from hardneg_plugin.mining.passages import passage_text
from hardneg_plugin.mining.replay import stored_scores, stored_verdicts
from hardneg_plugin.mining.retrieved_context import Pool, RetrievedContext
from hardneg_plugin.mining.top_fraction import Scope, keep_top_fraction
from hardneg_plugin.mining.verdict_columns import Verdicts, report_undecided
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.scores import with_scores
from hardneg_plugin.search.dense.pair_scores import score_pairs
from hardneg_plugin.search.encoder import DualEncoder, load_model
from hardneg_plugin.validation import Count, ModelName, Name, Share

_NAME = "RAGNegativeRanker"
_TASK = "rank"
_PROMPT = "rank"
_VARIABLES = {"query", "positive", "context", "passages"}


@component
class RAGNegativeRanker(ChatGeneratorMixin):
    """Scores candidates from 0 to 100 by a language model that sees what else a search finds, and keeps the best half.

    For each query the ``context`` nearest passages of a pool are found by exact inner products (FAISS ``IndexFlatIP``
    where it is installed) and shown beside the candidates. A context never holds a candidate of its own question, a
    positive, or a copy of either. The model also labels each candidate, so that a passage that answers the query is not
    kept as the hardest of all.

    Reasons: ``rag: false_negative``, ``rag: undecided`` and ``rag: lower half``. The scores stay in the candidates.
    Without a chat generator the similarity of query and candidate is the score, and nothing is labelled: the line that
    shows what the language model adds. With ``context=0`` the model sees candidates alone: the line that shows what the
    context adds.

    ### Usage example

    ```python
    from hardneg_plugin import RAGNegativeRanker, StrictOllamaChatGenerator

    ranker = RAGNegativeRanker(model="minishlab/potion-base-4M", chat_generator=StrictOllamaChatGenerator())
    examples = ranker.run(examples=examples)["examples"]
    ```

    :param model: Folder or hub id of a sentence-transformers model that retrieves the context; no remote code is run.
    :param chat_generator: Any Haystack chat generator; None scores by the model's similarity alone.
    :param pool: Where context comes from: ``negatives``, the kept candidates of all examples, or ``corpus``.
    :param context: Passages of a context.
    :param keep: Share of the candidates to keep, rounded up.
    :param scope: Whether the share is that of each ``query``, or of ``all`` candidates together.
    :param scorer: Name under which the scores are kept.
    :param prompt: Name of a prompt that comes with hardneg, or path of a YAML file of that form.
    :param candidates_per_call: Most candidates of a question; they share its context.
    :param max_query_chars: Characters of the query that are shown.
    :param max_passage_chars: Characters of a candidate and of the positive that are shown.
    :param max_context_chars: Characters of a context passage that are shown.
    :param batch_size: Texts the model encodes at a time.
    :param max_workers: Questions asked at a time.
    :param raise_on_failure: Whether a candidate without a score stops the run.
    :raises ParameterError: If a parameter is out of range or the prompt cannot be used.
    """

    version: ClassVar[int] = 1
    replayable: ClassVar[tuple[str, ...]] = ("keep", "scope")

    def __init__(
        self,
        model: ModelName,
        *,
        chat_generator: ChatGenerator | None = None,
        pool: Pool = "negatives",
        context: Annotated[int, Ge(0)] = 3,
        keep: Share = 0.5,
        scope: Scope = "query",
        scorer: Name = "rag",
        prompt: str = _PROMPT,
        candidates_per_call: Count = 10,
        max_query_chars: Count = 200,
        max_passage_chars: Count = 300,
        max_context_chars: Count = 120,
        batch_size: Count = 64,
        max_workers: Count = 4,
        raise_on_failure: bool = False,
    ) -> None:
        self.model = model
        self.chat_generator = chat_generator
        self.pool = pool
        self.context = context
        self.keep = keep
        self.scope = scope
        self.scorer = scorer
        self.prompt = prompt
        self.candidates_per_call = candidates_per_call
        self.max_query_chars = max_query_chars
        self.max_passage_chars = max_passage_chars
        self.max_context_chars = max_context_chars
        self.batch_size = batch_size
        self.max_workers = max_workers
        self.raise_on_failure = raise_on_failure
        # The negatives of another shard are context, too, and compete for the better half of all.
        shown = chat_generator is not None and context > 0
        self.needs_all_examples = scope == "all" or (shown and pool == "negatives")
        self._client = None if chat_generator is None else ChatClient(chat_generator, _NAME)
        self._clients = [] if self._client is None else [self._client]
        self._prompt = load_prompt(prompt)
        self._prompt.check_variables(_VARIABLES, {"query", "passages"})
        self._encoder: DualEncoder | None = None

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return [self.scorer]

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result: what was scored stays valid when they do."""
        return ["max_workers", "raise_on_failure"]

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of data outside this class that decide over the result."""
        return [load_prompt(_PROMPT).fingerprint]

    def warm_up(self) -> None:
        """Load the model and warm up the chat generator.

        :raises ParameterError: If the model cannot be loaded.
        """
        self._load()
        # Haystack rebuilds the class, which breaks `super()`.
        ChatGeneratorMixin.warm_up(self)

    async def warm_up_async(self) -> None:
        """Load the model and warm up the chat generator."""
        self._load()
        await ChatGeneratorMixin.warm_up_async(self)

    def _load(self) -> DualEncoder:
        if self._encoder is None:
            self._encoder = DualEncoder(load_model(self.model))
        return self._encoder

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Score and rank.

        :param examples: All of them, where ``pool`` is ``negatives`` or ``scope`` is ``all``.
        :returns: ``examples``: new examples whose lower half is dropped.
        :raises LLMError: If the model cannot be asked, or with ``raise_on_failure`` a candidate gets no score.
        :raises RecordError: If there are scores by the name of ``scorer`` already.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        self.warm_up()
        if self._client is None:
            return {"examples": with_table(examples, self._by_similarity(examples, table))}
        verdicts, asking = Verdicts(len(table.passages)), self._asking(examples, table)
        for questions in self._rounds(examples, table, verdicts):
            requests = asking.requests(examples, table, questions)
            answers = ask(self._client, requests, workers=self.max_workers, task=_TASK, total=len(questions))
            for question, answer in zip(questions, answers, strict=True):
                _take(verdicts, question, answer)
        return {"examples": with_table(examples, self._ranked(examples, table, verdicts))}

    @component.output_types(examples=list[MiningExample])
    async def run_async(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Score and rank, asking from one event loop; see :meth:`run`."""
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        await self.warm_up_async()
        if self._client is None:
            return {"examples": with_table(examples, self._by_similarity(examples, table))}
        verdicts, asking = Verdicts(len(table.passages)), self._asking(examples, table)
        for questions in self._rounds(examples, table, verdicts):
            requests = asking.requests(examples, table, questions)
            asked = iter(questions)
            answers = ask_async(self._client, requests, workers=self.max_workers, task=_TASK, total=len(questions))
            async for answer in answers:
                _take(verdicts, next(asked), answer)
        return {"examples": with_table(examples, self._ranked(examples, table, verdicts))}

    def calls_for(self, candidates: int) -> int:
        """Return the calls that a query with so many candidates takes, without those that are asked again."""
        return 0 if self.chat_generator is None else -(-candidates // self.candidates_per_call)

    def replay(self, examples: list[MiningExample], stored: CandidateTable) -> dict[str, list[MiningExample]]:
        """Rank by the scores that an earlier run left, without a model.

        :param examples: Examples as they reach this ranker now.
        :param stored: Their candidates behind the earlier run.
        :raises RecordError: If a kept candidate has no stored score.
        """
        table = table_of(examples)
        if not table.kept.any():
            return {"examples": with_table(examples, table)}
        rows = np.flatnonzero(table.kept)
        if self._client is None:
            table = stored_scores(_NAME, table, stored, self.scorer)
        else:
            table = stored_verdicts(_NAME, table, stored, rows, self._prompt.fingerprint)
            hardness = np.full(len(table.passages), np.nan, dtype=np.float32)
            hardness[rows] = table.label_score[rows]
            table = self._labelled(table, hardness, rows)
        return {
            "examples": with_table(
                examples, keep_top_fraction(examples, table, table.scores[self.scorer], self.keep, self.scope)
            )
        }

    def _rounds(
        self, examples: list[MiningExample], table: CandidateTable, verdicts: Verdicts
    ) -> Iterator[list[JudgeBatch]]:
        rows, _ = table.kept_by_rank()
        return rounds(examples, table, verdicts, rows, self.candidates_per_call, _TASK)

    def _asking(self, examples: list[MiningExample], table: CandidateTable) -> JudgePromptBuilder:
        asking = JudgePromptBuilder(self._prompt, "listwise", self.max_query_chars, self.max_passage_chars)
        if not self.context:
            return asking._replace(context=lambda question: [])
        retrieved = RetrievedContext(
            self._load(), examples, table, pool=self.pool, size=self.context, batch_size=self.batch_size
        )
        return asking._replace(
            context=lambda question: retrieved.of(question.example, question.rows),
            max_context_chars=self.max_context_chars,
        )

    def _ranked(self, examples: list[MiningExample], table: CandidateTable, verdicts: Verdicts) -> CandidateTable:
        assert self._client is not None
        reasons = verdicts.reasons()
        if reasons and self.raise_on_failure:
            msg = f"{_NAME}: {reasons.total()} candidates got no score: {', '.join(sorted(reasons))}"
            raise LLMError(msg)
        report_undecided(_NAME, _TASK, verdicts, int(table.kept.sum()))
        rows = np.flatnonzero(table.kept)
        table = verdicts.written(table, [self._client.model], self._prompt.fingerprint)
        table = self._labelled(table, verdicts.hardness, rows)
        return keep_top_fraction(examples, table, verdicts.hardness, self.keep, self.scope)

    def _labelled(
        self, table: CandidateTable, hardness: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> CandidateTable:
        """Return the table with scores, without candidates labelled as non-negatives."""
        none = np.full(int(table.positive_offsets[-1]), np.nan, dtype=np.float32)
        table = with_scores(table, self.scorer, hardness, none)
        labels = np.full(len(table.passages), "", dtype=object)
        labels[rows] = [table.label.values[code] for code in table.label.codes[rows]]
        table = table.drop(labels == FALSE_NEGATIVE, "rag: false_negative")
        return table.drop(labels == UNDECIDED, "rag: undecided")

    def _by_similarity(self, examples: list[MiningExample], table: CandidateTable) -> CandidateTable:
        kept = np.flatnonzero(table.kept)
        pairs = (table.example_index[kept], table.passages[kept])

        def texts(numbers: NDArray[np.int64]) -> list[str]:
            return [passage_text(table, number) for number in numbers.tolist()]

        scores = np.full(len(table.passages), np.nan, dtype=np.float32)
        queries = [example.query for example in examples]
        scores[kept] = score_pairs(self._load(), queries, texts, pairs, self.batch_size)
        none = np.full(int(table.positive_offsets[-1]), np.nan, dtype=np.float32)
        return keep_top_fraction(examples, with_scores(table, self.scorer, scores, none), scores, self.keep, self.scope)


def _take(verdicts: Verdicts, question: JudgeBatch, answer: Answer) -> None:
    for row, judgement in zip(question.rows, read(answer, "listwise", len(question.rows)), strict=True):
        verdicts.put(row, judgement)
