"""Parse generated passages strictly: anything unexpected makes the answer unreadable."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hardneg_plugin.llm.reasons import BROKEN_TEXT, NO_PASSAGES, NOT_JSON, WRONG_FORM
from hardneg_plugin.llm.request import LLMReply, ended_early


class GeneratedPassages(NamedTuple):
    """Passages parsed from an answer, or the reason why it is unreadable.

    :param texts: Passages without white space at both ends, in their order; none where ``reason`` says why.
    :param complete: False where the model was stopped while it wrote the last one.
    :param reason: Empty, or one of :data:`hardneg_plugin.llm.reasons.REASONS`.
    """

    texts: tuple[str, ...] = ()
    complete: bool = True
    reason: str = ""


def read_passages(reply: LLMReply, most: int) -> GeneratedPassages:
    """Read an answer of the form ``{"passages": ["…", "…"]}``.

    Fewer passages than asked for are read as they are; of more, the first ones.

    :param reply: The raw answer.
    :param most: Passages that were asked for.
    """
    try:
        answer = json.loads(reply.text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return GeneratedPassages(reason=ended_early(reply) or NOT_JSON)
    texts = answer.get("passages") if isinstance(answer, dict) and answer.keys() == {"passages"} else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return GeneratedPassages(reason=WRONG_FORM)
    if not texts:
        return GeneratedPassages(reason=NO_PASSAGES)
    if any(map(_is_broken, texts)):
        return GeneratedPassages(reason=BROKEN_TEXT)
    # A model that was stopped behind the passages that are read stopped none of them.
    complete = reply.finish != "length" or len(texts) > most
    return GeneratedPassages(tuple(text.strip() for text in texts[:most]), complete)


def _is_broken(text: str) -> bool:
    """Tell whether a text has half of a surrogate pair or a NUL byte, which no table can hold."""
    try:
        return b"\x00" in text.encode()
    except UnicodeEncodeError:
        return True


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        msg = "a key twice in one object"
        raise ValueError(msg)
    return dict(pairs)
