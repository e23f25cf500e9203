"""Limits on calls, tokens and time of a language model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hardneg_plugin.errors import ParameterError

_AMOUNT = re.compile(r"\s*(\d+(?:[.,]\d+)*)\s*([kKmM]?)\s*(calls?|tokens?|minutes?|min|hours?|h)\s*")
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}
_MINUTES = {"min": 1, "minute": 1, "h": 60, "hour": 60}
_EXPECTED = '"500 calls", "2M tokens", "90 minutes" or "1.5 hours"'


@dataclass(frozen=True)
class Budget:
    """Limits of a session; what the cache answers is free.

    :param calls: Most calls.
    :param tokens: Most tokens, of prompts and answers together; the call that goes past it is the last.
    :param minutes: Most minutes since the session began.
    :raises ParameterError: If a limit is not above 0.
    """

    calls: int | None = None
    tokens: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                msg = f"budget: {name} must be above 0, got {value!r}"
                raise ParameterError(msg)

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Return the budget that a text says.

        :param text: A number and a unit, such as ``500 calls``, ``2M tokens``, ``90 minutes`` or ``1.5h``.
        :raises ParameterError: If it says none.
        """
        found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            msg = f"budget: expected {_EXPECTED}, got {text!r}"
            raise ParameterError(msg)
        digits, factor, unit = found.groups()
        # 1,000 is a thousand, as people write it; a decimal part has a point.
        amount = float(digits.replace(",", "")) * _FACTORS[factor.lower()]
        unit = unit if unit in _MINUTES else unit.rstrip("s")
        if unit in _MINUTES:
            return cls(minutes=amount * _MINUTES[unit])
        if amount != int(amount):
            msg = f"budget: {unit}s are whole numbers, got {text!r}"
            raise ParameterError(msg)
        return cls(calls=int(amount)) if unit == "call" else cls(tokens=int(amount))
