"""Constructors that check their parameters by their annotations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.validation import annotations_of, mistakes_of, plain


class CheckedParameters:
    """Base of a class whose constructor takes only what its annotations allow.

    All that is wrong with a call is said at once, as a :class:`~hardneg_plugin.errors.ParameterError`. Numbers of numpy
    become Python's. Rules between several parameters stay in the constructor.
    """

    def __init_subclass__(cls, **further: Any) -> None:
        super().__init_subclass__(**further)
        init = cls.__dict__.get("__init__")
        # Haystack makes a new class of a component, with the methods of the first.
        if init is not None and not isinstance(getattr(init, "checks", None), str):
            setattr(cls, "__init__", _checked(cls, init))  # noqa: B010 - mypy knows no other constructor


def _checked(cls: type[Any], init: Callable[..., None]) -> Callable[..., None]:
    signature, owner = inspect.signature(init), cls.__name__

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.arguments.update(check_arguments(owner, cls, {k: v for k, v in bound.arguments.items() if k != "self"}))
        init(*bound.args, **bound.kwargs)

    checked.checks = owner  # type: ignore[attr-defined]
    return checked


def check_arguments(owner: str, cls: type[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor with Python's numbers.

    :param owner: What the message begins with.
    :param cls: The class whose constructor they are for.
    :param arguments: Parameter → value.
    :raises ParameterError: With everything that the annotations do not allow.
    """
    annotations = annotations_of(cls)
    arguments = {name: plain(value) for name, value in arguments.items()}
    wrong = []
    for name, value in arguments.items():
        for found in mistakes_of(annotations.get(name, Any), value, written=False):
            position = name + "".join(f"[{key!r}]" for key in found.keys)
            separator = ";" if found.expected.startswith("one of") else ","
            wrong.append(f"{position} must be {found.expected}{separator} got {found.value!r}")
    if wrong:
        msg = f"{owner}: " + "; ".join(wrong)
        raise ParameterError(msg)
    return arguments
