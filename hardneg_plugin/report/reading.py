"""Read nested dataclasses from parsed JSON, strictly: the annotations are the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from hardneg_plugin.errors import EvaluationError

_Data = TypeVar("_Data")


def read_dataclass(kind: type[_Data], value: object, where: str) -> _Data:
    """Build a dataclass whose fields are strings, numbers, mappings, tuples or dataclasses.

    :param kind: The dataclass.
    :param value: A mapping with one key per field; fields with a default may be absent.
    :param where: Path of the value, for messages.
    :returns: The instance.
    :raises EvaluationError: For missing or unknown keys and wrong types, with their path.
    """
    entries = _expect(value, Mapping, where)
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(entries) - set(known))
    missing = [
        name
        for name, field in known.items()
        if name not in entries and field.default is MISSING and field.default_factory is MISSING
    ]
    if unknown or missing:
        msg = f"{where}: unknown keys {unknown}, missing keys {missing} (known: {', '.join(known)})"
        raise EvaluationError(msg)
    return kind(**{name: _read(hints[name], entry, f"{where}.{name}") for name, entry in entries.items()})


def _read(hint: Any, value: object, where: str) -> Any:
    if is_dataclass(hint):
        return read_dataclass(hint, value, where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        (item, _) = get_args(hint)
        items = _expect(value, list | tuple, where)
        return tuple(_read(item, entry, f"{where}[{number}]") for number, entry in enumerate(items))
    if get_origin(hint) is Mapping:
        (_, item) = get_args(hint)
        entries = _expect(value, Mapping, where)
        return {str(key): _read(item, entry, f"{where}.{key}") for key, entry in entries.items()}
    # JSON writes 1.0 as 1.0, but people write 1.
    return _expect(value, int | float if hint is float else hint, where)


def _expect(value: object, kind: Any, where: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = getattr(kind, "__name__", str(kind))
        msg = f"{where}: expected {expected}, got {type(value).__name__}"
        raise EvaluationError(msg)
    return value
