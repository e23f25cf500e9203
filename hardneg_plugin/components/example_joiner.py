"""Joining examples that parallel branches of a pipeline mined separately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from haystack import component

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import MiningExample, table_of, with_table
from hardneg_plugin.records.join import PositivePlaces, join_candidates


@component
class ExampleJoiner(StageComponent):
    """Makes one example of all that share an id, with the candidates of all and their merged provenance.

    Connect every branch to the one socket: Haystack puts lists from several senders one after the other. A passage that
    several branches found becomes one candidate with the ranks and scores of all; one that any branch dropped is
    dropped. Examples come out in the order in which their ids first appear.

    ### Usage example

    ```python
    from haystack import Pipeline
    from hardneg_plugin import BM25NegativeMiner, ExampleJoiner, RandomNegativeMiner

    pipeline = Pipeline()
    pipeline.add_component("bm25", BM25NegativeMiner(corpus="sample"))
    pipeline.add_component("random", RandomNegativeMiner(corpus="sample"))
    pipeline.add_component("join", ExampleJoiner())
    pipeline.connect("bm25.examples", "join.examples")
    pipeline.connect("random.examples", "join.examples")
    ```
    """

    version: ClassVar[int] = 1

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Join.

        :param examples: The examples of all branches, in any order.
        :returns: ``examples``: one for each id.
        :raises RecordError: If examples of one id differ in query, language, a positive's text or a key of their meta,
            give one passage different values of one source, or refer to different corpora.
        """
        groups: dict[str, list[int]] = {}
        for number, example in enumerate(examples):
            groups.setdefault(example.id, []).append(number)
        order = [number for group in groups.values() for number in group]
        in_groups = [[examples[number] for number in group] for group in groups.values()]
        joined = [_joined(group) for group in in_groups]
        table = join_candidates(
            table_of([examples[number] for number in order]),
            [len(group) for group in in_groups],
            list(groups),
            _positive_places(in_groups, joined),
        )
        return {"examples": with_table(joined, table)}


def _joined(group: Sequence[MiningExample]) -> MiningExample:
    """Return one example with everything but the candidates of a group."""
    first = group[0]
    return replace(
        first,
        query=_only(first.id, "query", [example.query for example in group]),
        positives=_positives(group),
        language=_only(first.id, "language", [example.language for example in group if example.language]) or "",
        answers=tuple(dict.fromkeys(answer for example in group for answer in example.answers)),
        meta=_meta(group),
    )


def _only(identifier: str, what: str, values: Sequence[Any]) -> Any:
    """Return the one value that all have; None without values."""
    if any(value != values[0] for value in values[1:]):
        other = next(value for value in values if value != values[0])
        msg = f"example {identifier!r}: two branches differ in its {what}: {values[0]!r} and {other!r}"
        raise RecordError(msg)
    return values[0] if values else None


def _positives(group: Sequence[MiningExample]) -> tuple[Any, ...]:
    known: dict[str, list[Any]] = {}
    for example in group:
        for document in example.positives:
            known.setdefault(document.id, []).append(document)
    for identifier, documents in known.items():
        _only(group[0].id, f"positive {identifier!r}", [document.content for document in documents])
    return tuple(documents[0] for documents in known.values())


def _meta(group: Sequence[MiningExample]) -> dict[str, Any]:
    keys = dict.fromkeys(key for example in group for key in example.meta)
    return {
        key: _only(group[0].id, f"meta {key!r}", [example.meta[key] for example in group if key in example.meta])
        for key in keys
    }


def _positive_places(groups: Sequence[Sequence[MiningExample]], joined: Sequence[MiningExample]) -> PositivePlaces:
    positions, before = [], 0
    for group, one in zip(groups, joined, strict=True):
        number = {document.id: before + position for position, document in enumerate(one.positives)}
        positions += [number[document.id] for example in group for document in example.positives]
        before += len(one.positives)
    counts = np.array([len(one.positives) for one in joined], dtype=np.int64)
    return PositivePlaces(np.array(positions, dtype=np.int64), counts)
