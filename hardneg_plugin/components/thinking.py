"""Models that think before they answer: the setting, and the room that their thoughts need."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from hardneg_plugin.validation import Words

Level = Literal["low", "medium", "high", "max"]
Unset = Literal["unset"]
Thinking = Annotated[bool | Level | Unset, Words("true, false, low, medium, high, max or unset")]
"""True, false or a level tell the model; ``unset`` leaves it to the server."""
UNSET: Unset = "unset"
LEVELS: tuple[Level, ...] = get_args(Level)
# Tokens of thoughts beside an answer of a few lines.
_ROOM = 2048


def limit_of(max_tokens: int | None, asked: Any, think: bool | str | None) -> int | None:
    """Return the most tokens of an answer.

    :param max_tokens: What the user says, which counts; None where nothing is said.
    :param asked: What the question takes without thoughts; None where it says nothing.
    :param think: What the model is told; true and a level get room for thoughts.
    """
    if max_tokens is not None or not isinstance(asked, int):
        return max_tokens
    return asked + _ROOM if think is True or think in (*LEVELS, UNSET) else asked
