"""Negatives made of the positive by putting another answer in the answer's place; no model is needed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import regex
import xxhash
from haystack import component
from haystack.dataclasses import Document

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.messages import tell
from hardneg_plugin.records import MiningExample, merge_documents, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.answer_kinds import answer_kind
from hardneg_plugin.text.answers import contains_answer, is_telling
from hardneg_plugin.validation import Count, Name

_NAME = "AnswerSwapGenerator"


@component
class AnswerSwapGenerator(StageComponent):
    """Adds the positive with its answer replaced by another example's answer of the same kind and language.

    The passage then reads like the positive and does not answer (entity swaps: Longpre et al., 2021). It teaches a
    model to look at the answer's place, and little else: use a few beside mined negatives. It may become true by chance
    (two rivers of one length), and a swapped name may be of the other gender. Kinds are told by form: years, numbers,
    capitalised names, words; a passage with the answer in another form is left alone.

    Examples without answers, without a positive that contains one word for word, or without another answer of the kind
    get nothing; how many, and why, is logged and said in the run.

    ### Usage example

    ```python
    from hardneg_plugin import AnswerSwapGenerator

    examples = AnswerSwapGenerator(num_passages=1).run(examples=examples)["examples"]
    ```

    :param num_passages: Passages per example.
    :param seed: Seed of the draw.
    :param source: Name under which they are kept.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 1
    # The answers of all examples are what is drawn from.
    needs_all_examples = True

    def __init__(self, num_passages: Count = 1, seed: int = 0, source: Name = "answer-swap") -> None:
        self.num_passages = num_passages
        self.seed = seed
        self.source = source

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return self.num_passages

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source

    @staticmethod
    def depends_on() -> list[str]:
        """Return the fingerprint of the rules by which answers are looked for."""
        return [analysis_fingerprint()]

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Write passages.

        :param examples: All of them: their answers are what is drawn from.
        :returns: ``examples``: new examples with the passages added.
        """
        pool = _pool(examples)
        reasons: Counter[str] = Counter()
        documents = [self._documents(example, pool, reasons) for example in examples]
        if reasons:
            shown = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
            tell(_NAME, f"no passage for {reasons.total():,} of {len(examples):,} examples: {shown}", logging.INFO)
        return {"examples": with_table(examples, merge_documents(table_of(examples), self.source, documents))}

    def _documents(
        self, example: MiningExample, pool: dict[tuple[str, str], list[str]], reasons: Counter[str]
    ) -> list[Document]:
        found = _place(example)
        if isinstance(found, str):
            reasons[found] += 1
            return []
        text, answer = found
        known = pool[example.language, answer_kind(answer)]
        drawn = sorted(known, key=lambda other: xxhash.xxh3_64_intdigest(f"{self.seed}:{example.id}:{other}".encode()))
        others = [other for other in drawn if _fits(other, example, text)][: self.num_passages]
        if not others:
            reasons["no other answer of its kind"] += 1
        return [self._document(example, text, answer, other) for other in others]

    def _document(self, example: MiningExample, text: str, answer: str, other: str) -> Document:
        swapped = _whole(answer).sub(lambda _: other, text)
        meta = {"generated_by": self.source, "swapped": [answer, other], "language": example.language}
        key = f"{example.id}\0{swapped}".encode("utf-8", "surrogatepass")
        return Document(id=f"swapped-{xxhash.xxh3_128_hexdigest(key)}", content=swapped, meta=meta)


def _pool(examples: Sequence[MiningExample]) -> dict[tuple[str, str], list[str]]:
    """Return language and kind → answers of all examples, sorted, so that the order of examples decides nothing."""
    pool: dict[tuple[str, str], set[str]] = {}
    for example in examples:
        for answer in filter(is_telling, example.answers):
            pool.setdefault((example.language, answer_kind(answer)), set()).add(answer)
    return {key: sorted(answers) for key, answers in pool.items()}


def _place(example: MiningExample) -> tuple[str, str] | str:
    """Return a positive's text and the answer it contains, or the reason why it cannot be used."""
    answers = [answer for answer in example.answers if is_telling(answer)]
    if not answers:
        return "without an answer"
    for positive in example.positives:
        text = positive.content or ""
        for answer in sorted(answers, key=len, reverse=True):
            if _whole(answer).search(text):
                swapped = _whole(answer).sub("", text)
                # Another accepted answer may stay behind.
                if not contains_answer(swapped, answers, example.language):
                    return text, answer
    return "whose positive holds no answer that can be taken out"


def _whole(answer: str) -> regex.Pattern[str]:
    before = r"(?<![\p{L}\p{M}\p{N}])" if answer[0].isascii() else ""
    after = r"(?![\p{L}\p{M}\p{N}])" if answer[-1].isascii() else ""
    return regex.compile(before + regex.escape(answer) + after)


def _fits(other: str, example: MiningExample, text: str) -> bool:
    """Check a replacement answer: not a gold answer, contains no gold answer, not in the passage yet."""
    if contains_answer(other, example.answers, example.language):
        return False
    if any(contains_answer(answer, [other], example.language) for answer in example.answers):
        return False
    return not contains_answer(text, [other], example.language)
