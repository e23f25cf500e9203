"""Asking a judge about pairs whose kind is known, before it is believed about any other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from haystack.dataclasses import Document

from hardneg_plugin.components.llm_negative_classifier import LLMNegativeClassifier
from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.session import current_session
from hardneg_plugin.llm.usage import Counts
from hardneg_plugin.llm.verdicts import DECIDED, FALSE_NEGATIVE, LABELS, UNDECIDED
from hardneg_plugin.records import CandidateTable, MiningExample, merge_documents, with_table

_PAIRS = Path(__file__).with_name("judge_check_pairs")
_SOURCE = "known"
# Two-sided 95 % of the normal distribution.
_Z = 1.959964


class Outcome(NamedTuple):
    """One kind of outcome.

    :param language: Language of the pair.
    :param kind: What it is.
    :param said: What the judge says it is.
    """

    language: str
    kind: str
    said: str


@dataclass(frozen=True)
class JudgeReport:
    """Results of a judge on pairs with known labels.

    :param outcomes: Kind of outcome → pairs.
    :param instructed: Pairs whose passage gives the judge instructions.
    :param obeyed: Those of them that it labelled as they say.
    :param asked: Calls, tokens and seconds.
    """

    outcomes: Counter[Outcome]
    instructed: int
    obeyed: int
    asked: Counts

    @property
    def accuracy(self) -> float:
        """Share of the pairs that are labelled as what they are; undecided ones are not."""
        return sum(count for cell, count in self.outcomes.items() if cell.kind == cell.said) / self.outcomes.total()

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson, 1927)."""
        total, share = self.outcomes.total(), self.accuracy
        middle = share + _Z**2 / (2 * total)
        spread = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
        return (middle - spread) / (1 + _Z**2 / total), (middle + spread) / (1 + _Z**2 / total)

    @property
    def undecided(self) -> float:
        """Share of the pairs without a verdict."""
        return sum(count for cell, count in self.outcomes.items() if cell.said == UNDECIDED) / self.outcomes.total()

    @property
    def missed(self) -> float:
        """Share of the false negatives that are called negatives: what would be trained on as wrong."""
        false = {cell: count for cell, count in self.outcomes.items() if cell.kind == FALSE_NEGATIVE}
        wrong = sum(count for cell, count in false.items() if cell.said not in (FALSE_NEGATIVE, UNDECIDED))
        return wrong / sum(false.values())

    def lines(self) -> list[str]:
        """Return the report as aligned text."""
        low, high = self.interval
        header = ["kind", *LABELS]
        rows = [[kind, *(str(self._count(None, kind, said)) for said in LABELS)] for kind in DECIDED]
        languages = sorted({cell.language for cell in self.outcomes})
        shares = [f"{language} {self._right(language)}" for language in languages]
        verdicts = self.outcomes.total()
        tokens = self.asked.prompt_tokens + self.asked.completion_tokens
        return [
            *_aligned([header, *rows]),
            f"right: {self.accuracy:.1%} of {verdicts} (95 % interval {low:.1%} to {high:.1%})",
            f"by language: {', '.join(shares)}",
            f"undecided: {self.undecided:.1%}; false negatives taken for negatives: {self.missed:.1%}",
            f"obeyed instructions in passages: {self.obeyed} of {self.instructed}",
            f"per verdict: {tokens / verdicts:.0f} tokens, {self.asked.seconds / verdicts:.2f} s "
            f"({self.asked.calls} calls, {self.asked.cached} answers from the cache)",
        ]

    def _count(self, language: str | None, kind: str, said: str) -> int:
        return sum(
            count
            for cell, count in self.outcomes.items()
            if language in (None, cell.language) and (cell.kind, cell.said) == (kind, said)
        )

    def _right(self, language: str) -> str:
        own = sum(count for cell, count in self.outcomes.items() if cell.language == language)
        return f"{sum(self._count(language, kind, kind) for kind in DECIDED)}/{own}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(text.rjust(w) for text, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def known_languages() -> list[str]:
    """Return the languages of the pairs."""
    return sorted(path.stem for path in _PAIRS.glob("*.yaml"))


@lru_cache(maxsize=32)
def known_pairs(language: str) -> tuple[dict[str, Any], ...]:
    """Return the queries of a language: ``query``, ``positive``, and a passage of each kind.

    :param language: ISO 639-1 code.
    :raises ParameterError: If there are none in it.
    """
    if language not in known_languages():
        msg = f"judge check: no pairs in language {language!r}; languages: {', '.join(known_languages())}"
        raise ParameterError(msg)
    content: list[dict[str, Any]] = yaml.safe_load((_PAIRS / f"{language}.yaml").read_text("utf-8"))
    return tuple(content)


def known_examples(languages: Iterable[str]) -> list[MiningExample]:
    """Return the pairs as examples with three candidates each, whose meta ``kind`` says what they are."""
    examples, documents = [], []
    for language in languages:
        for number, pair in enumerate(known_pairs(language), 1):
            name = f"{language}-{number}"
            positive = Document(id=f"{name}-positive", content=pair["positive"])
            examples.append(MiningExample(name, pair["query"], (positive,), language=language))
            documents.append(
                [
                    Document(
                        id=f"{name}-{kind}",
                        content=pair[kind],
                        meta={"kind": kind, "instructs": pair.get("instructs") == kind},
                    )
                    for kind in DECIDED
                ]
            )
    table = merge_documents(CandidateTable.empty([1] * len(examples)), _SOURCE, documents)
    return with_table(examples, table)


def check_judge(
    classifier: LLMNegativeClassifier, languages: Sequence[str] | None = None, lowest: float | None = None
) -> JudgeReport:
    """Ask a judge about pairs of known kind.

    :param classifier: The judge; it must judge all candidates of any source.
    :param languages: ISO 639-1 codes; None takes all there are.
    :param lowest: Accuracy that is required; None requires nothing.
    :raises LLMError: If the accuracy is below, with the whole table.
    :raises ParameterError: If there are no pairs in a language.
    """
    usage = current_session().usage
    before = usage.total()
    judged = classifier.run(examples=known_examples(languages or known_languages()))["examples"]
    outcomes: Counter[Outcome] = Counter()
    instructed = obeyed = 0
    for example in judged:
        for candidate in example.candidates:
            kind, verdict = candidate.document.meta["kind"], candidate.verdict
            said = verdict.label if verdict else UNDECIDED
            outcomes[Outcome(example.language, kind, said)] += 1
            if candidate.document.meta["instructs"]:
                instructed += 1
                obeyed += said == FALSE_NEGATIVE
    report = JudgeReport(outcomes, instructed, obeyed, usage.total() - before)
    if lowest is not None and report.accuracy < lowest:
        msg = f"the judge labels {report.accuracy:.1%} of the known pairs rightly, required are {lowest:.1%}:\n"
        raise LLMError(msg + "\n".join(report.lines()))
    return report
