"""JSON schemas that say how many: a server that generates by them cannot write too much, or too little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HARDNESS = {"minimum": 0, "maximum": 100}


def bounded(schema: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return the schema of an answer about so many things.

    ``verdicts`` gets exactly that many items, their ``id`` goes from 1 to it, and ``passages`` gets at most that many;
    ``hardness`` goes from 0 to 100 wherever it stands. What the schema says of its own stays.

    :param schema: Schema of an object.
    :param count: Passages that are shown, or asked for.
    """
    bounds = {
        "verdicts": {"minItems": count, "maxItems": count},
        "passages": {"maxItems": count},
        "id": {"minimum": 1, "maximum": count},
        "hardness": _HARDNESS,
    }
    return _with(schema, bounds)


def _with(schema: Mapping[str, Any], bounds: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    result = dict(schema)
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        result["properties"] = {
            name: _with({**bounds.get(name, {}), **value}, bounds) if isinstance(value, Mapping) else value
            for name, value in properties.items()
        }
    if isinstance(schema.get("items"), Mapping):
        result["items"] = _with(schema["items"], bounds)
    return result
