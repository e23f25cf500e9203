"""Haystack components, one a file, and the short names by which recipes call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hardneg_plugin.components.registry import MODULES, STAGES

if TYPE_CHECKING:
    from hardneg_plugin.components.base import StageComponent
    from hardneg_plugin.components.exported import *  # noqa: F403 - made from the registry

__all__ = ["STAGES", "stage_class", *MODULES]


def stage_class(short_name: str) -> type[StageComponent]:
    """Return the component class of a recipe's stage.

    :raises KeyError: If no stage has that name.
    """
    cls: type[StageComponent] = __getattr__(STAGES[short_name])
    return cls


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
