"""Negatives that a language model writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import regex
import xxhash
from haystack import component
from haystack.components.generators.chat.types import ChatGenerator
from haystack.dataclasses import Document

from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.components.chat_generator_mixin import ChatGeneratorMixin
from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.generated import GeneratedPassages, read_passages
from hardneg_plugin.llm.prompt import load_prompt
from hardneg_plugin.llm.request import LLMRequest
from hardneg_plugin.llm.request_handler import Answer
from hardneg_plugin.mining.generated_passages import drop_invalid_passages, report_unwritten
from hardneg_plugin.records import MiningExample, merge_documents, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint, detect_language, normalise
from hardneg_plugin.text.passage_checks import GeneratedPassage, PassageChecks
from hardneg_plugin.validation import Count, Name, NotZeroShare

_NAME = "LLMNegativeGenerator"
_PROMPT = "generate"
_NEEDED = {"query", "num_passages"}
_VARIABLES = _NEEDED | {"positive", "language", "min_words", "max_words"}
_PLACEHOLDERS = regex.compile(r"\{[{%].*?[%}]\}", regex.DOTALL)
# What the tokenizers of current models need at most for most texts; a limit that is too high costs nothing.
_TOKENS_PER_LATIN_WORD = 3
_TOKENS_PER_WORD = 6
_TOKENS_AROUND = 100


@component
class LLMNegativeGenerator(ChatGeneratorMixin):
    """Adds passages to each example's candidates that a language model wrote: on topic, but without the answer.

    One question per example gives ``num_passages`` of them. Each is checked, and one that fails is added as well, but
    dropped, with the first of these reasons that holds:

    - ``generated: empty``, ``refusal``, ``preamble`` (``Here are three passages …``, in 20 languages; a list number),
      ``instruction`` (it speaks of the query, or repeats the prompt),
    - ``generated: cut off``, ``too short``, ``too long`` (a fifth outside the limits is tolerated), ``language``,
    - ``generated: copy of the query``, ``copy of a positive``, ``copy of another``, ``contains the answer``.

    An answer that cannot be read gives no candidates; how many, and why, is logged and said in the run.

    The passages are documents of their own, ranked 1 to n in their source, with ``generated_by``, ``prompt`` (its
    fingerprint) and, where known, ``language`` in their meta. They teach less than mined ones and share a style that a
    model may learn instead of relevance: cap them with the ``quotas`` of a ``NegativeSampler``, and measure the style
    with :func:`hardneg_plugin.evaluation.shortcut.shortcut_auc`. An ``LLMNegativeClassifier`` with the same ``source``
    confirms them.

    ### Usage example

    ```python
    from haystack_integrations.components.generators.ollama import OllamaChatGenerator
    from hardneg_plugin import LLMNegativeGenerator, NegativeSampler

    writer = LLMNegativeGenerator(chat_generator=OllamaChatGenerator("llama3.1:8b"), source="generated")
    examples = writer.run(examples=examples)["examples"]
    examples = NegativeSampler(num_negatives=4, quotas={"bm25": 3, "generated": 1}).run(examples=examples)["examples"]
    ```

    :param chat_generator: Any Haystack chat generator.
    :param num_passages: Passages per example.
    :param prompt: Name of a prompt that comes with hardneg, or path of a YAML file of that form.
    :param min_words: Fewest words of a passage; scripts without spaces are counted by characters.
    :param max_words: Most words of a passage.
    :param source: Name under which the passages are kept; None is ``generated:`` and the model's name.
    :param max_query_chars: Characters of the query that the model is shown.
    :param max_passage_chars: Characters of the first positive that the model is shown.
    :param near_duplicate: Jaccard similarity of character 5-grams, above 0 and up to 1, from which a passage is a copy;
        None drops only those of equal text.
    :param language_check: Whether a passage must be in its example's language, as far as script and function words
        tell.
    :param max_tokens: Most tokens of an answer; None is 3 for each word of Latin script that is asked for at most, 6 in
        other scripts, and 100.
    :param max_workers: Questions asked at a time.
    :param raise_on_failure: Whether an answer that is missing or cannot be read stops the run.
    :raises ParameterError: If a parameter is out of range or the prompt cannot be used.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        *,
        chat_generator: ChatGenerator,
        num_passages: Count = 3,
        prompt: str = _PROMPT,
        min_words: Count = 50,
        max_words: Count = 150,
        source: Name | None = None,
        max_query_chars: Count = 200,
        max_passage_chars: Count = 300,
        near_duplicate: NotZeroShare | None = 0.8,
        language_check: bool = True,
        max_tokens: Count | None = None,
        max_workers: Count = 4,
        raise_on_failure: bool = False,
    ) -> None:
        if min_words > max_words:
            msg = f"{_NAME}: min_words={min_words} is above max_words={max_words}"
            raise ParameterError(msg)
        self.chat_generator = chat_generator
        self.num_passages = num_passages
        self.prompt = prompt
        self.min_words = min_words
        self.max_words = max_words
        self.source = source
        self.max_query_chars = max_query_chars
        self.max_passage_chars = max_passage_chars
        self.near_duplicate = near_duplicate
        self.language_check = language_check
        self.max_tokens = max_tokens
        self.max_workers = max_workers
        self.raise_on_failure = raise_on_failure
        self._client = ChatClient(chat_generator, _NAME)
        self._clients = [self._client]
        self._prompt = load_prompt(prompt)
        self._prompt.check_variables(_VARIABLES, _NEEDED)
        words = _PLACEHOLDERS.sub(" ", f"{self._prompt.system} {self._prompt.user}")
        self._checks = PassageChecks(min_words, max_words, near_duplicate, language_check, normalise(words))

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.num_passages

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source or ""

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result: what was written stays valid when they do."""
        return ["max_workers", "raise_on_failure"]

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules and data outside this class that decide over the result."""
        return [analysis_fingerprint(), load_prompt(_PROMPT).fingerprint]

    def calls_for(self, candidates: int) -> int:
        """Return the calls that a query takes, whatever its candidates: one."""
        return 1

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Write passages.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the passages added, those that failed a check dropped.
        :raises LLMError: If the model cannot be asked, or with ``raise_on_failure`` an answer is of no use.
        """
        if not examples:
            return {"examples": []}
        self.warm_up()
        requests = map(self._request, examples)
        answers = ask(self._client, requests, workers=self.max_workers, task=_NAME, total=len(examples))
        return self._added(examples, [self._read(*pair) for pair in zip(examples, answers, strict=True)])

    @component.output_types(examples=list[MiningExample])
    async def run_async(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Write passages, asking from one event loop.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the passages added, those that failed a check dropped.
        :raises LLMError: If the model cannot be asked, or with ``raise_on_failure`` an answer is of no use.
        """
        if not examples:
            return {"examples": []}
        await self.warm_up_async()
        requests = map(self._request, examples)
        answers = ask_async(self._client, requests, workers=self.max_workers, task=_NAME, total=len(examples))
        asked = iter(examples)
        return self._added(examples, [self._read(next(asked), answer) async for answer in answers])

    def _request(self, example: MiningExample) -> LLMRequest:
        positive = example.positives[0].content or "" if example.positives else ""
        variables = {
            "query": escape_untrusted_text(example.query, self.max_query_chars),
            "positive": escape_untrusted_text(positive, self.max_passage_chars),
            "language": example.language,
            "num_passages": self.num_passages,
            "min_words": self.min_words,
            "max_words": self.max_words,
        }
        about = {"query": example.id, "passages": []}
        return self._prompt.request(
            variables,
            max_tokens=self._most_tokens(example.query),
            about=about,
            count=self.num_passages,
            reader=lambda reply: read_passages(reply, self.num_passages).reason,
        )

    def _most_tokens(self, query: str) -> int:
        if self.max_tokens is not None:
            return self.max_tokens
        per_word = _TOKENS_PER_WORD if detect_language(query) else _TOKENS_PER_LATIN_WORD
        return self.num_passages * self.max_words * per_word + _TOKENS_AROUND

    def _read(self, example: MiningExample, answer: Answer) -> GeneratedPassages:
        passages = (
            GeneratedPassages(reason=answer.reason)
            if answer.reply is None
            else read_passages(answer.reply, self.num_passages)
        )
        if passages.reason and self.raise_on_failure:
            msg = f"{_NAME}: no passages for example {example.id!r}: {passages.reason}"
            raise LLMError(msg)
        return passages

    def _added(
        self, examples: list[MiningExample], written: Sequence[GeneratedPassages]
    ) -> dict[str, list[MiningExample]]:
        report_unwritten(_NAME, [passages.reason for passages in written])
        model = self._client.model
        source = self.source or f"generated:{model}"
        pairs = list(zip(examples, written, strict=True))
        documents = [
            [self._document(example, number, text, model) for number, text in enumerate(passages.texts, 1)]
            for example, passages in pairs
        ]
        table = merge_documents(table_of(examples), source, documents)
        faults = [fault for example, passages in pairs for fault in self._faults(example, passages)]
        return {"examples": with_table(examples, drop_invalid_passages(table, source, faults))}

    def _document(self, example: MiningExample, number: int, text: str, model: str) -> Document:
        key = "\0".join((example.id, str(number), text)).encode("utf-8", "surrogatepass")
        meta = {"generated_by": model, "prompt": self._prompt.fingerprint}
        if example.language:
            meta["language"] = example.language
        return Document(id=f"generated-{xxhash.xxh3_128_hexdigest(key)}", content=text, meta=meta)

    def _faults(self, example: MiningExample, passages: GeneratedPassages) -> list[str]:
        positives = [positive.content or "" for positive in example.positives]
        last = len(passages.texts) - 1
        return [
            self._checks.fault(
                GeneratedPassage(
                    text=text,
                    query=example.query,
                    positives=positives,
                    earlier=passages.texts[:position],
                    answers=example.answers,
                    language=example.language,
                    complete=passages.complete or position < last,
                )
            )
            for position, text in enumerate(passages.texts)
        ]
