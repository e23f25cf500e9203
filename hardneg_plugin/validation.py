"""Checking values against annotations, by pydantic, in the words of this package.

The annotations of a constructor are the only place where the rules of its parameters stand: their types, ranges
(``Annotated[int, Ge(1)]``) and choices (``Literal``). Callers in Python and recipes are checked by them alike. Types
are strict: ``"10"`` is no number and ``True`` is no 1. Numbers of numpy are taken for those of Python.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, Predicate

_SCALARS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_LISTS, _MAPPINGS = (list, tuple, Sequence), (dict, Mapping)


@dataclass(frozen=True)
class Words:
    """Name of a kind of value in messages, in place of the annotation's own words."""

    text: str


def is_not_blank(text: str) -> bool:
    """Tell whether a text has more than space."""
    return bool(text.strip())


Name = Annotated[str, Predicate(is_not_blank), Words("a name")]
FolderName = Annotated[str, Predicate(is_not_blank), Words("a folder")]
ModelName = Annotated[str, Predicate(is_not_blank), Words("a folder or a hub id")]
MetaKeys = Annotated[list[Name], MinLen(1), Words("a list of keys of Document.meta")]
Count = Annotated[int, Ge(1)]
Grade = Annotated[int, Ge(1), Words("a grade of at least 1")]
Share = Annotated[float, Ge(0), Le(1)]
NotZeroShare = Annotated[float, Gt(0), Le(1)]
NotNegative = Annotated[float, Ge(0)]


class Mistake(NamedTuple):
    """A value that its annotation does not allow.

    :param keys: Where it stands inside the value that was checked; empty for that value itself.
    :param expected: What is allowed, in words.
    :param value: What came.
    """

    keys: tuple[str, ...]
    expected: str
    value: Any


def mistakes_of(annotation: Any, value: Any, *, written: bool) -> list[Mistake]:
    """Return what an annotation does not allow about a value.

    :param annotation: The annotation.
    :param value: The value.
    :param written: Whether it comes from a file, where objects are mappings ``{type, init_parameters}`` and None is
        called null; otherwise objects of foreign classes are left to whoever takes them.
    """
    from pydantic import ValidationError

    try:
        _adapter(annotation, written).validate_python(value)
    except ValidationError as error:
        positions = [one["loc"] for one in error.errors(include_url=False, include_context=False)]
        found = [_located(annotation, value, position, written) for position in positions]
        # A value that fits none of several choices is one mistake.
        return list({mistake.keys: mistake for mistake in found}.values())
    return []


def _located(annotation: Any, value: Any, loc: tuple[int | str, ...], written: bool) -> Mistake:
    """Follow the place of a mistake into mappings; a list is shown whole."""
    keys: list[str] = []
    for key, behind in zip_longest(loc, loc[1:]):
        inner = _item_annotations(annotation)
        if inner is None or not isinstance(value, Mapping) or key not in value:
            break
        if behind == "[key]":
            return Mistake(tuple(keys), f"a mapping whose keys are {describe(inner[0])}", value)
        annotation, value = inner[1], value[key]
        keys.append(str(key))
    return Mistake(tuple(keys), describe(annotation, null=written), value)


def _item_annotations(annotation: Any) -> Any:
    """Return the annotations of a mapping's keys and values; None for anything that may not be a mapping."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        options = [one for one in get_args(annotation) if one is not type(None)]
        return _item_annotations(options[0]) if len(options) == 1 else None
    return get_args(annotation) if get_origin(annotation) in _MAPPINGS else None


def plain(value: Any) -> Any:
    """Return a value with Python's numbers in place of numpy's, also inside lists and mappings."""
    if type(value).__module__ == "numpy" and type(value).__name__ != "ndarray" and isinstance(value, _numbers()):
        return value.item()
    if type(value) is list:
        return [plain(item) for item in value]
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    return value


def _numbers() -> Any:
    import numpy as np

    return np.generic


@lru_cache(maxsize=1024)
def _adapter(annotation: Any, written: bool) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    return TypeAdapter(_for_pydantic(annotation, written), config=config)


def _for_pydantic(annotation: Any, written: bool) -> Any:
    """Return an annotation with tuples and sequences as lists, and with a check in the place of foreign classes."""
    origin, args = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if origin is Annotated:
        return Annotated[(_for_pydantic(args[0], written), *args[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(_for_pydantic(one, written) for one in args)]  # noqa: UP007 - made of parts
    parts = [_for_pydantic(one, written) for one in args if one is not ...] if kind in (*_LISTS, *_MAPPINGS) else []
    if kind in _LISTS:
        return _list_of(parts[0] if parts else Any, exact=kind is list and not written)
    if kind in _MAPPINGS:
        return dict[tuple(parts) if parts else (str, Any)]  # type: ignore[misc]
    if origin is Literal or annotation in (Any, None, type(None), *_SCALARS):
        return annotation
    return _foreign(written)


def _list_of(item: Any, *, exact: bool) -> Any:
    from pydantic import BeforeValidator

    return list[item] if exact else Annotated[list[item], BeforeValidator(_as_list)]


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _foreign(written: bool) -> Any:
    from pydantic import AfterValidator

    return Annotated[Any, AfterValidator(_written_object)] if written else Any


def _written_object(value: Any) -> Any:
    # Nested Haystack objects are written as Haystack writes them.
    if not isinstance(value, Mapping) or "type" not in value:
        msg = "no object"
        raise ValueError(msg)
    return value


def describe(annotation: Any, *, null: bool = True) -> str:
    """Return an annotation in words.

    :param annotation: The annotation.
    :param null: Whether None is named among the choices.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = [one.text for one in args[1:] if isinstance(one, Words)]
        return named[0] if named else f"{describe(args[0], null=null)}{_range(args[1:])}"
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (Union, types.UnionType):
        shown = [one for one in args if null or one is not type(None)]
        choices = len(shown) == 1 and get_origin(shown[0]) is Literal and len(args) == 2
        return " or ".join(describe(one, null=null) for one in shown) + (", None" if choices else "")
    if annotation is type(None):
        return "null"
    if (origin or annotation) in _LISTS:
        return "a list" + (f" of {describe(args[0], null=null)}" if args else "")
    if (origin or annotation) in _MAPPINGS:
        return "a mapping"
    return _SCALARS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _range(constraints: Sequence[Any]) -> str:
    """Return the range of a number in words."""
    low = {type(one): one for one in constraints}
    if Ge in low and Le in low:
        return f" from {low[Ge].ge:,} to {low[Le].le:,}"
    parts = []
    if Ge in low:
        parts.append(f"of at least {low[Ge].ge}")
    if Gt in low:
        parts.append(f"above {low[Gt].gt}")
    if Le in low:
        parts.append(f"up to {low[Le].le}")
    if Lt in low:
        parts.append(f"below {low[Lt].lt}")
    return f" {' and '.join(parts)}" if parts else ""


# Signatures


def parameters_of(class_: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the constructor parameters of a class; Haystack's metaclass hides them from the class's signature."""
    parameters = dict(inspect.signature(class_.__init__).parameters)
    parameters.pop("self")
    # A class without a constructor of its own shows that of `object`.
    anything = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: parameter for name, parameter in parameters.items() if parameter.kind not in anything}


def annotations_of(class_: type[Any]) -> Mapping[str, Any]:
    """Return parameter → annotation of a constructor."""
    return _annotations(inspect.unwrap(class_.__init__))


@lru_cache(maxsize=256)
def _annotations(constructor: Callable[..., None]) -> Mapping[str, Any]:
    return typing.get_type_hints(constructor, include_extras=True)


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


def section_mistakes(
    class_: type[Any], values: Mapping[str, Any], path: str, filled: Collection[str] = ()
) -> list[str]:
    """Return everything that is wrong with a section, each with its path.

    :param class_: Class whose constructor parameters the keys are.
    :param values: The section.
    :param path: Path of the section, such as ``systems.bm25[0].bm25``.
    :param filled: Parameters that the engine fills in where the section does not give them.
    """
    parameters, annotations = parameters_of(class_), annotations_of(class_)
    wrong: list[str] = []
    for name, value in values.items():
        if name not in parameters:
            wrong.append(unknown_key(path, name, parameters))
        else:
            wrong += value_mistakes(annotations.get(name, Any), value, f"{path}.{name}")
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in values and name not in filled:
            wrong.append(f"{path}.{name}: missing; {describe(annotations[name])} is needed")
    return wrong


def value_mistakes(annotation: Any, value: Any, path: str) -> list[str]:
    """Return the messages about a value in a file, each with its path."""
    return [
        f"{'.'.join([path, *found.keys])}: expected {found.expected}, got {found.value!r}"
        for found in mistakes_of(annotation, value, written=True)
    ]


def unknown_key(path: str, name: object, known: Collection[str]) -> str:
    """Return the message about a key that does not exist."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{path}.{name}: unknown key ({hint}known: {', '.join(known)})".removeprefix(".")
