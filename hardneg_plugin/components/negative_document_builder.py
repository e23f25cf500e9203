"""The way back to a plain Haystack flow: candidates as documents."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from haystack import Document, component

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.records import Candidate, MiningExample


@component
class NegativeDocumentBuilder(CheckedParameters):
    """Makes Haystack documents of the candidates: those that are kept, and those that were dropped.

    Each document carries in its ``meta``, beside its own: ``example_id``; ``rank``, the best over all sources, or None;
    ``sources``, for each its ``rank`` and ``score``; ``scores`` by scorer; and ``dropped``, the reason or an empty
    text. Its ``score`` is that of the source that ranked it best.

    ### Usage example

    ```python
    from hardneg_plugin import NegativeDocumentBuilder

    negatives = NegativeDocumentBuilder().run(examples=examples)["documents"]
    negatives[0].meta["sources"]  # {'bm25': {'rank': 2, 'score': 11.4}}
    ```
    """

    version: ClassVar[int] = 1

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
    facts = {
        "example_id": example.id,
        "rank": best.rank if best else None,
        "sources": {name: {"rank": found.rank, "score": found.score} for name, found in candidate.sources.items()},
        "scores": dict(candidate.scores),
        "dropped": candidate.dropped,
    }
    return replace(document, score=best.score if best else None, meta={**document.meta, **facts})
