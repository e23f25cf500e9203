"""ms-swift's JSON lines for embedders and rerankers: messages of the query, of its positives and of its negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hardneg_plugin.datasets.formats.cells import BadRowError, needed, optional_text, sound, text, texts
from hardneg_plugin.datasets.formats.layout import Layout, Shape
from hardneg_plugin.datasets.training_rows import TrainingRow

Row = Mapping[str, Any]
QUERY, POSITIVES, NEGATIVES = "messages", "positive_messages", "negative_messages"


def swift_reader(layout: Layout) -> Callable[[int, Row], TrainingRow]:
    """Return what reads a row: the last message of each list is the text, a system's message first the instruction.

    Earlier turns, and system messages before passages, have no place in a training row; they are counted. Rows of
    ``query``, ``response`` and ``rejected_response`` are read as well, their ``system`` being the instruction.
    """

    def read(number: int, row: Row) -> TrainingRow:
        query = _said(row.get(QUERY), QUERY)
        positives, negatives = needed(_listed(row, POSITIVES), POSITIVES), _listed(row, NEGATIVES)
        before = row[QUERY][:-1]
        instruction = _instruction(before)
        if len(before) > bool(instruction):
            layout.lost[f"earlier turns in {QUERY}"] += 1
        for name in (POSITIVES, NEGATIVES):
            if any(len(messages) > 1 for messages in row.get(name) or ()):
                layout.lost[f"messages before the passage in {name}"] += 1
        return TrainingRow(number, query, positives, negatives, instruction=instruction)

    return read if QUERY in layout.names else _read_response


def is_swift(layout: Layout) -> bool:
    """Detect messages of a query and of its positives, or a query, a response and a rejected response."""
    return layout.has(QUERY, POSITIVES) or layout.has("query", "response", "rejected_response")


def swift_shape(role: str) -> Callable[[int, bool], Shape]:
    """Return what gives the shape.

    :param role: Who says the passages: ``user`` for embedders, ``assistant`` for rerankers.
    """

    def shape(_: int, __: bool) -> Shape:
        import pyarrow as pa

        messages = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
        fields = [(QUERY, messages), (POSITIVES, pa.list_(messages)), (NEGATIVES, pa.list_(messages))]

        def said(passage: str, by: str) -> list[dict[str, str]]:
            return [{"role": by, "content": passage}]

        def rows(row: TrainingRow) -> list[dict[str, Any]]:
            found = {
                QUERY: [*(said(row.instruction, "system") if row.instruction else ()), *said(row.query, "user")],
                POSITIVES: [said(passage, role) for passage in row.positives],
                NEGATIVES: [said(passage, role) for passage in row.negatives],
            }
            return [found]

        return Shape(pa.schema(fields), rows)

    return shape


def _read_response(number: int, row: Row) -> TrainingRow:
    rejected = row.get("rejected_response")
    alone = (sound(rejected, "rejected_response"),) if isinstance(rejected, str) and rejected.strip() else ()
    negatives = texts(row, "rejected_response") if isinstance(rejected, list) else alone
    system = optional_text(row, "system")
    return TrainingRow(number, text(row, "query"), (text(row, "response"),), negatives, instruction=system)


def _instruction(messages: list[Mapping[str, Any]]) -> str:
    """Return what the system says first; empty where somebody else does, or nobody."""
    first = messages[0] if messages else {}
    content = first.get("content")
    return sound(content, f"{QUERY}[0].content") if first.get("role") == "system" and content else ""


def _said(messages: Any, name: str) -> str:
    said = [message for message in messages if isinstance(message, Mapping)] if isinstance(messages, list) else []
    if not said or len(said) < len(messages):
        kind = "no messages"
        message = f"expected a list of messages (role, content) in {name!r}, got {messages!r:.60}"
        raise BadRowError(kind, message)
    return sound(said[-1].get("content"), f"{name}.content")


def _listed(row: Row, name: str) -> tuple[str, ...]:
    value = row.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        kind = "no messages"
        message = f"expected a list of lists of messages in {name!r}, got {value!r:.60}"
        raise BadRowError(kind, message)
    return tuple(_said(messages, f"{name}[{location}]") for location, messages in enumerate(value))
