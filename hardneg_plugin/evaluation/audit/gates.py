"""Gates: conditions under which an audit fails, such as ``false_negative_rate > 0.05``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from hardneg_plugin.errors import ParameterError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_GATE = re.compile(
    r"\s*(?P<name>[^\s<>=!].*?)\s*(?P<sign>>=|<=|==|!=|>|<)\s*(?P<bound>[-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*"
)


class Gate(NamedTuple):
    """A condition under which an audit fails.

    :param name: Name of a figure.
    :param sign: How it is compared.
    :param bound: What it is compared with.
    """

    name: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.bound:g}"

    def failed(self, figures: Mapping[str, float]) -> str:
        """Return the line that says how an audit fails; empty where it passes.

        :param figures: Name → value of all figures.
        :raises ParameterError: If there is no such figure.
        """
        if self.name not in figures:
            near = get_close_matches(self.name, figures, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            if self.name.startswith("false_negative_rate") and "false_negative_rate" not in figures:
                hint = " (it needs qrels or labels)"
            msg = f"--fail-if {self}: no figure {self.name!r}{hint}; figures of this audit: {', '.join(figures)}"
            raise ParameterError(msg)
        value = figures[self.name]
        return f"{self.name} is {value:g}, which is {self.sign} {self.bound:g}" if self._holds(value) else ""

    def _holds(self, value: float) -> bool:
        return _OPERATORS[self.sign](value, self.bound)


def parse_gate(text: str) -> Gate:
    """Read a gate: a figure's name, one of ``> >= < <= == !=``, a number.

    :param text: Such as ``false_negative_rate.high > 0.05``.
    :raises ParameterError: If it is something else.
    """
    found = _GATE.fullmatch(text)
    try:
        bound = float(found["bound"]) if found else float("nan")
    except ValueError:
        found = None
    if not found:
        msg = f"--fail-if {text!r}: expected NAME OPERATOR NUMBER, such as 'false_negative_rate > 0.05'"
        raise ParameterError(msg)
    return Gate(found["name"], found["sign"], bound)
