"""Checks of constructor parameters that several components share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hardneg_plugin.errors import ParameterError


def at_least(component: str, name: str, value: int, lowest: int) -> None:
    """Check a whole number.

    :raises ParameterError: If it is not one, or below ``lowest``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        msg = f"{component}: {name} must be a whole number of at least {lowest}, got {value!r}"
        raise ParameterError(msg)


def all_at_least(component: str, lowest: int, **values: int | None) -> None:
    """Check several whole numbers; None is skipped.

    :raises ParameterError: If one is no whole number, or below ``lowest``.
    """
    for name, value in values.items():
        if value is not None:
            at_least(component, name, value, lowest)


def in_range(component: str, name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Check a number; both ends belong to the range.

    :raises ParameterError: If it is not a finite number, or outside the range.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not lowest <= value <= highest:
        wanted = f"of at least {lowest}" if highest == math.inf else f"from {lowest} to {highest}"
        msg = f"{component}: {name} must be a number {wanted}, got {value!r}"
        raise ParameterError(msg)


def source_name(component: str, value: object) -> None:
    """Check the name under which a miner keeps what it found.

    :raises ParameterError: If it is no text, or blank.
    """
    name_given(component, "source", value)


def name_given(component: str, name: str, value: object, what: str = "a name") -> None:
    """Check a parameter that names something.

    :raises ParameterError: If it is no text, or blank.
    """
    if not isinstance(value, str) or not value.strip():
        msg = f"{component}: {name} must be {what}, got {value!r}"
        raise ParameterError(msg)


def one_of(component: str, name: str, value: object, known: Sequence[object]) -> None:
    """Check a choice.

    :raises ParameterError: If the value is none of the known ones.
    """
    if value not in known:
        msg = f"{component}: {name} must be one of {', '.join(map(str, known))}; got {value!r}"
        raise ParameterError(msg)
