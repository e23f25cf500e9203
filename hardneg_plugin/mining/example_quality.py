"""Quality rules on queries and positives, and on pairs that repeat earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hardneg_plugin.mining.text_rules import TextRules
from hardneg_plugin.records import MiningExample
from hardneg_plugin.text import normalise
from hardneg_plugin.text.mojibake import repair_mojibake
from hardneg_plugin.text.near_duplicates import first_alike

if TYPE_CHECKING:
    from haystack.dataclasses import Document


@dataclass
class QualityResult:
    """Quality findings of one example.

    :param original: The example as it came.
    :param query: Its query, repaired where that was asked for.
    :param positives: All its positives, repaired likewise.
    :param kept: Places of the positives that are fit, in order.
    :param rejected: Why the example cannot be used; empty while it can.
    :param removed: Positives that were left out, each with its id and reason.
    :param repaired: ``query`` and the ids of positives that were repaired.
    """

    original: MiningExample
    query: str
    positives: tuple[Document, ...]
    kept: list[int]
    rejected: str = ""
    removed: list[dict[str, str]] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    def remove(self, position: int, reason: str) -> None:
        """Leave a positive out; an example that loses its last one is rejected for the reason of the first."""
        self.kept.remove(position)
        self.removed.append({"id": self.positives[position].id, "reason": reason})
        if not self.kept:
            self.rejected = self.removed[0]["reason"]

    def example(self) -> MiningExample:
        """Return the example with repaired texts, fit positives, and notes in its meta; without candidates."""
        notes: dict[str, Any] = {}
        if self.removed:
            notes["removed_positives"] = [*self.original.meta.get("removed_positives", ()), *self.removed]
        if self.repaired:
            notes["repaired"] = [*self.original.meta.get("repaired", ()), *self.repaired]
        if self.rejected:
            notes["rejected"] = self.rejected
        positives = tuple(self.positives[position] for position in self.kept)
        meta = {**self.original.meta, **notes}
        return replace(self.original, query=self.query, positives=positives, meta=meta)


def judge(example: MiningExample, rules: TextRules, *, repair: bool) -> QualityResult:
    """Apply the rules on single texts to an example's query and positives.

    :param example: The example; one that came without positives is judged by its query alone.
    :param rules: The rules.
    :param repair: Repair wrongly decoded text before it is judged.
    """
    judged = QualityResult(example, example.query, example.positives, list(range(len(example.positives))))
    if repair:
        _repair(judged)
    fault = rules.fault(judged.query, "query") or rules.wrong_language(judged.query, example.language)
    if fault:
        judged.rejected = f"query: {fault}"
        return judged
    for position, document in enumerate(judged.positives):
        text = document.content or ""
        declared = str(document.meta.get("language") or "")
        fault = rules.fault(text, "passage") or rules.wrong_language(text, example.language, declared)
        if fault:
            judged.remove(position, f"positive: {fault}")
    return judged


def mark_repeated(judged: Sequence[QualityResult], *, exact: bool, lowest: float | None) -> None:
    """Leave out pairs of query and positive that an earlier pair equals, or nearly does; changes ``judged``.

    :param judged: Examples in their order; those that are rejected are not looked at.
    :param exact: Compare levelled texts.
    :param lowest: Lowest similarity of near-duplicates, or None.
    """
    if exact:
        seen: set[tuple[str, str]] = set()
        for one, position, pair in _pairs(judged):
            if pair in seen:
                one.remove(position, "pair: duplicate")
            seen.add(pair)
    if lowest is not None:
        pairs = _pairs(judged)
        for (one, position, _), earlier in zip(pairs, first_alike([pair for *_, pair in pairs], lowest), strict=True):
            # Two positives of one example may be alike: both are right.
            if earlier >= 0 and pairs[earlier][0] is not one:
                one.remove(position, "pair: near-duplicate")


def _pairs(judged: Sequence[QualityResult]) -> list[tuple[QualityResult, int, tuple[str, str]]]:
    """Return the levelled texts of all pairs that are fit so far."""
    return [
        (one, position, (normalise(one.query), normalise(one.positives[position].content or "")))
        for one in judged
        if not one.rejected
        for position in one.kept
    ]


def _repair(judged: QualityResult) -> None:
    query = repair_mojibake(judged.query)
    if query != judged.query and query.strip():
        judged.query = query
        judged.repaired.append("query")
    positives = []
    for document in judged.positives:
        content = repair_mojibake(document.content or "")
        if content != (document.content or ""):
            judged.repaired.append(document.id)
            document = replace(document, content=content)
        positives.append(document)
    judged.positives = tuple(positives)
