"""Parameters that make one result differ from another: all of them, those at their default too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ADDED_LATER: dict[str, dict[str, Any]] = {}
"""Class → parameter that it got later → the value that means what was done before there was such a parameter.

A row keeps what was mined or trained before the parameter existed. Only a value that changes nothing may stand here.
"""


def counted(owner: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that go into a fingerprint: all but later ones that say what was done before them.

    :param owner: Name of the class that takes them.
    :param parameters: Every parameter with its value, defaults filled in.
    """
    before = ADDED_LATER.get(owner, {})
    return {name: value for name, value in parameters.items() if name not in before or before[name] != value}
