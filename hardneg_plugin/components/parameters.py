"""Checks of constructor parameters that several components share."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.errors import ParameterError


def at_least(component: str, name: str, value: int, lowest: int) -> None:
    """Check a whole number.

    :raises ParameterError: If it is not one, or below ``lowest``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        msg = f"{component}: {name} must be a whole number of at least {lowest}, got {value!r}"
        raise ParameterError(msg)


def one_of(component: str, name: str, value: object, known: Sequence[object]) -> None:
    """Check a choice.

    :raises ParameterError: If the value is none of the known ones.
    """
    if value not in known:
        msg = f"{component}: {name} must be one of {', '.join(map(str, known))}; got {value!r}"
        raise ParameterError(msg)
