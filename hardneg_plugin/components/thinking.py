"""Models that think before they answer: what they are told, and the room that their thoughts need."""

from __future__ import annotations

from typing import Any

from hardneg_plugin.components.parameters import at_least
from hardneg_plugin.errors import ParameterError

UNSET = "unset"
LEVELS = ("low", "medium", "high", "max")
# Tokens of thoughts beside an answer of a few lines.
_ROOM = 2048


def check_think(owner: str, think: object) -> None:
    """Check a parameter of that name.

    :param owner: Name of the component, for the message.
    :param think: true, false, a level, or ``unset``.
    :raises ParameterError: If it is none of them.
    """
    if not isinstance(think, bool) and think not in (*LEVELS, UNSET):
        msg = f"{owner}: think must be true, false, {', '.join(LEVELS)} or {UNSET}; got {think!r}"
        raise ParameterError(msg)


def check_max_tokens(owner: str, max_tokens: Any) -> None:
    """Check a parameter of that name.

    :param owner: Name of the component, for the message.
    :param max_tokens: A whole number of at least 1, or None.
    :raises ParameterError: If it is neither.
    """
    if max_tokens is not None:
        at_least(owner, "max_tokens", max_tokens, 1)


def limit_of(max_tokens: int | None, asked: Any, think: bool | str | None) -> int | None:
    """Return the most tokens of an answer.

    :param max_tokens: What the user says, which counts; None where nothing is said.
    :param asked: What the question takes without thoughts; None where it says nothing.
    :param think: What the model is told; true and a level get room for thoughts.
    """
    if max_tokens is not None or not isinstance(asked, int):
        return max_tokens
    return asked + _ROOM if think is True or think in (*LEVELS, UNSET) else asked
