"""Documents of a retriever as candidates: checked, in the store's order, larger scores for better ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from haystack import logging
from haystack.dataclasses import Document

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.records.scores import score_steps
from hardneg_plugin.text import normalise

logger = logging.getLogger(__name__)

# A few examples, or short lists, say nothing about an order.
_EXAMPLES, _FOUND = 10, 5
_LAST, _NEARLY_ALL = 0.8, 0.8
NO_CONTENT = "content: missing"


def documents_of(answer: Any) -> list[Document] | None:
    """Return the documents of a retriever's answer; None where it has no list of documents.

    :param answer: What ``run`` returned.
    """
    documents = answer.get("documents") if isinstance(answer, Mapping) else None
    if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
        return None
    return documents


class DistinctTexts:
    """The documents of distinct texts that a retriever found for one query, each at its best rank.

    :param top_k: Texts that are wanted; None takes what comes.
    :param own: Ids of the query's positives: of equal texts the positive is kept.
    :param can_ask_more: Whether the retriever takes ``top_k``.
    """

    def __init__(self, top_k: int | None, own: Collection[str], *, can_ask_more: bool) -> None:
        self.depth, self._top_k, self._own = top_k, top_k, own
        self.texts: list[Document] = []
        self.enough = False
        self._answered, self._can_ask_more = -1, can_ask_more

    def take(self, documents: Sequence[Document]) -> None:
        """Take an answer; twice as many are wanted next if too many of its documents are copies of others.

        :param documents: The whole answer, best first.
        """
        best: dict[str, Document] = {}
        for document in documents:
            text = normalise(document.content or "") or f"\0{document.id}"
            if text not in best or (document.id in self._own and best[text].id not in self._own):
                best[text] = document
        # A retriever may repeat an id with another text.
        distinct = {document.id: document for document in reversed(best.values())}
        self.texts = list(reversed(distinct.values()))[: self._top_k]
        more = self.depth is not None and len(documents) >= self.depth and len(documents) > self._answered
        self.enough = not (more and self._can_ask_more) or len(self.texts) == self._top_k
        self._answered, self.depth = len(documents), None if self.depth is None else 2 * self.depth


def with_larger_better(
    component: str, table: CandidateTable, source: str, higher_is_better: bool | None
) -> CandidateTable:
    """Return the table with a source's scores such that larger is better: distances become negative.

    :param component: Name for messages.
    :param table: Candidates, ranked by the source.
    :param source: Name of the source.
    :param higher_is_better: What is known of its scores; None learns it from the order of the candidates.
    :raises RecordError: If the order says the opposite of what is known.
    """
    steps = score_steps(table, source)
    learned = steps.higher_is_better
    if higher_is_better is not None and learned is not None and learned != higher_is_better:
        change, positions = ("rise", steps.rising) if higher_is_better else ("fall", steps.falling)
        msg = (
            f"{component}: higher_is_better is {str(higher_is_better).lower()}, but the scores of source {source!r} "
            f"{change} down its lists at {positions:,} of {steps.rising + steps.falling:,} places; "
            "leave it out, or look for what turned the order around"
        )
        raise RecordError(msg)
    if (learned if higher_is_better is None else higher_is_better) is not False:
        return table
    logger.info(
        "{component}: the scores of source {source} are distances; they are kept as negative numbers, larger is better",
        component=component,
        source=source,
    )
    return replace(table, source_scores={**table.source_scores, source: -table.source_scores[source]})


def without_empty(table: CandidateTable) -> CandidateTable:
    """Return the table with documents that have no content dropped, such as an image or an empty page."""
    empty = np.array([not (document.content or "").strip() for document in table.own], dtype=bool)
    if not empty.any():
        return table
    own = table.passages < 0
    return table.drop(own & empty[np.where(own, -1 - table.passages, 0)], NO_CONTENT)


def check_positives_first(
    component: str, retriever: str, examples: Sequence[MiningExample], found: Sequence[Sequence[Document]]
) -> None:
    """Check that the known positives do not stand last, as they do where an order is upside down.

    :param component: Name for messages.
    :param retriever: Name of the retriever.
    :param examples: The examples, with their positives.
    :param found: What was found for each, best first.
    :raises RecordError: If they stand last in nearly all examples; then the easiest passages would be the candidates.
    """
    positions = [
        position
        for example, documents in zip(examples, found, strict=True)
        if (position := _place_of_positive(example, documents)) is not None
    ]
    last = sum(position >= _LAST for position in positions)
    if len(positions) < _EXAMPLES or last < _NEARLY_ALL * len(positions):
        return
    msg = (
        f"{component}: in {last:,} of {len(positions):,} examples the known positive stands among the last of what "
        f"{retriever} found: its order is upside down, and the easiest passages would be mined as the hardest; "
        "a component that sorts distances highest first does this, such as a TextEmbeddingRetriever: give the "
        "retriever of the store itself and text_embedder"
    )
    raise RecordError(msg)


def _place_of_positive(example: MiningExample, documents: Sequence[Document]) -> float | None:
    """Return where the best known positive stands, from 0 (first) to 1 (last); None where it was not found."""
    if len(documents) < _FOUND:
        return None
    ids = {positive.id for positive in example.positives}
    texts = {positive.content for positive in example.positives if positive.content}
    for number, document in enumerate(documents):
        if document.id in ids or document.content in texts:
            return number / (len(documents) - 1)
    return None


def with_positive_texts(examples: Sequence[MiningExample], table: CandidateTable) -> list[MiningExample]:
    """Return the examples with the texts of positives that are known by their id alone, and with their meta.

    :param examples: The examples.
    :param table: Their candidates: the text is that of the document with the id, or of the corpus's passage.
    """
    lacking = {one.id for example in examples for one in example.positives if not one.content}
    if not lacking:
        return list(examples)
    known = {one.id: one for one in table.own if one.id in lacking and one.content}
    if table.corpus is not None:
        rows = table.corpus.rows_of(sorted(lacking - known.keys()))
        known |= {one.id: one for one in map(table.corpus.document, rows[rows >= 0].tolist())}
    return [_with_texts(example, known) for example in examples]


def _with_texts(example: MiningExample, known: Mapping[str, Document]) -> MiningExample:
    if not any(not one.content and one.id in known for one in example.positives):
        return example
    positives = [
        replace(one, content=known[one.id].content, meta={**known[one.id].meta, **one.meta})
        if not one.content and one.id in known
        else one
        for one in example.positives
    ]
    return replace(example, positives=tuple(positives))
