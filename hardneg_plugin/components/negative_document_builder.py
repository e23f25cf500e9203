"""The way back to a plain Haystack flow: candidates as documents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, ClassVar

from haystack import Document, component

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.records import Candidate, MiningExample


@component
class NegativeDocumentBuilder(CheckedParameters):
    """Makes Haystack documents of the candidates: those that are kept, and those that were dropped.

    A passage that is a candidate of several examples becomes a document of each, with an id made of example and
    passage, so that none overwrites another in a store. All ``meta`` is flat, for stores that keep no nested values,
    and what is not known is left out. Beside the passage's own meta (nested values as JSON) it has: ``example_id``;
    ``passage_id``; ``rank``, the best over all sources; for each source ``rank_SOURCE`` and ``score_SOURCE``; for each
    scorer ``scorer_NAME``; and ``dropped``, the reason or an empty text. The document's ``score`` is that of the source
    that ranked it best; larger is better.

    ### Usage example

    ```python
    from hardneg_plugin import NegativeDocumentBuilder

    negatives = NegativeDocumentBuilder().run(examples=examples)["documents"]
    negatives[0].meta  # {'example_id': 'q1', 'passage_id': 'd7', 'rank': 2, 'rank_bm25': 2, 'score_bm25': 11.4, ...}
    ```
    """

    version: ClassVar[int] = 2

    @component.output_types(documents=list[Document], dropped=list[Document])
    def run(self, examples: list[MiningExample]) -> dict[str, list[Document]]:
        """Build the documents.

        :param examples: Any number; all their candidates' texts are in memory afterwards.
        :returns: ``documents``: kept candidates, example by example, best rank first and those without a rank last;
            ``dropped``: the others in the same order.
        """
        outputs: dict[str, list[Document]] = {"documents": [], "dropped": []}
        for example in examples:
            for candidate in sorted(example.candidates, key=_order):
                outputs["dropped" if candidate.dropped else "documents"].append(_document(example, candidate))
        return outputs


def _order(candidate: Candidate) -> float:
    return min((found.rank for found in candidate.sources.values()), default=float("inf"))


def _document(example: MiningExample, candidate: Candidate) -> Document:
    best = min(candidate.sources.values(), key=lambda found: found.rank, default=None)
    document = candidate.document
    facts: dict[str, Any] = {"example_id": example.id, "passage_id": document.id}
    if best is not None:
        facts["rank"] = best.rank
    for name, found in candidate.sources.items():
        facts[f"rank_{name}"], facts[f"score_{name}"] = found.rank, found.score
    facts |= {f"scorer_{name}": value for name, value in candidate.scores.items()}
    facts["dropped"] = candidate.dropped
    return replace(
        document,
        id=hashlib.sha256(f"{example.id}\0{document.id}".encode()).hexdigest(),
        score=best.score if best else None,
        meta={name: _flat(value) for name, value in {**document.meta, **facts}.items() if value is not None},
    )


def _flat(value: Any) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
