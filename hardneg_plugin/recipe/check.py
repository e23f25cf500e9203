"""Checking values against a signature: the constructor's parameters are the schema of its section."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

_NUMBERS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parameters_of(class_: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the constructor parameters of a class; Haystack's metaclass hides them from the class's signature."""
    parameters = dict(inspect.signature(class_.__init__).parameters)
    parameters.pop("self")
    # A class without a constructor of its own shows that of `object`.
    anything = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: parameter for name, parameter in parameters.items() if parameter.kind not in anything}


def signature_defaults(class_: type[Any], skip: Collection[str] = ()) -> dict[str, Any]:
    """Return parameter → default of those that have one."""
    parameters = parameters_of(class_).values()
    return {
        parameter.name: as_yaml(parameter.default)
        for parameter in parameters
        if parameter.default is not inspect.Parameter.empty and parameter.name not in skip
    }


def as_yaml(value: Any) -> Any:
    """Return a value as YAML has it: tuples as lists, read-only mappings as mappings."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def check_call(class_: type[Any], values: Mapping[str, Any], path: str, filled: Collection[str] = ()) -> list[str]:
    """Return everything that is wrong with a section, each with its path.

    :param class_: Class whose constructor parameters the keys are.
    :param values: The section.
    :param path: Path of the section, such as ``systems.bm25[0].bm25``.
    :param filled: Parameters that the engine fills in where the section does not give them.
    """
    parameters, types_ = parameters_of(class_), typing.get_type_hints(class_.__init__)
    errors = []
    for name, value in values.items():
        if name not in parameters:
            errors.append(unknown_key(path, name, parameters))
        elif name in types_:
            errors += check_type(value, types_[name], f"{path}.{name}")
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in values and name not in filled:
            errors.append(f"{path}.{name}: missing; {describe(types_[name])} is needed")
    return errors


def unknown_key(path: str, name: str, known: Collection[str]) -> str:
    """Return the message about a key that does not exist."""
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{path}.{name}: unknown key ({hint}known: {', '.join(known)})".removeprefix(".")


def check_type(value: Any, annotation: Any, path: str) -> list[str]:
    """Return a message if a value does not have the type of an annotation."""
    return [] if _fits(value, annotation) else [f"{path}: expected {describe(annotation)}, got {value!r}"]


def describe(annotation: Any) -> str:
    """Return a type in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in args)
    if annotation is type(None):
        return "null"
    if origin in (list, tuple, Sequence) or annotation in (list, tuple):
        return "a list" + (f" of {describe(args[0])}" if args else "")
    if origin in (dict, Mapping) or annotation is dict:
        return "a mapping"
    return _NUMBERS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _fits(value: Any, annotation: Any) -> bool:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return True
    if origin is Literal:
        return value in args
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in args)
    if annotation in (None, type(None)):
        return value is None
    if annotation in _NUMBERS:
        return _is_scalar(value, annotation)
    return _fits_container(value, annotation)


def _is_scalar(value: Any, annotation: Any) -> bool:
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, annotation) and (annotation is bool or not isinstance(value, bool))


def _fits_container(value: Any, annotation: Any) -> bool:
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (list, Sequence, tuple):
        return isinstance(value, list | tuple) and all(not args or _fits(item, args[0]) for item in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and (not args or all(_fits(item, args[1]) for item in value.values()))
    # Nested Haystack objects are written as Haystack writes them.
    return isinstance(value, Mapping) and "type" in value
