"""Reading and writing YAML: safe, without YAML 1.1's surprises, and with the line of every mistake."""

from __future__ import annotations

import copy
import re
from typing import Any

import yaml

from hardneg_plugin.errors import RecipeError

# PyYAML follows YAML 1.1, where 1e-3 is a string and the language code `no` is false.
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.?[\d_]*([eE][-+]?\d+)?|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
)
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)$")


_RESOLVERS = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(yaml.SafeLoader):
    """Safe loader with YAML 1.2's numbers and truth values, and no key twice."""

    yaml_implicit_resolvers = copy.deepcopy(_RESOLVERS)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.MarkedYAMLError(problem=f"expected a name as key, got {name!r}", problem_mark=key.start_mark)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"key {name!r} is given twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes what the loader would read as a number or a truth value."""

    yaml_implicit_resolvers = copy.deepcopy(_RESOLVERS)


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def parse_yaml(text: str, position: str) -> Any:
    """Return the value of a YAML text.

    :param text: The text.
    :param place: File or option to name in a message.
    :raises RecipeError: With the line, if it is not YAML, or a key is given twice.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        msg = f"{position}{line}: {error.problem or error}"
        raise RecipeError(msg) from error
    except yaml.YAMLError as error:
        msg = f"{position}: not YAML: {error}"
        raise RecipeError(msg) from error


def to_yaml(value: Any) -> str:
    """Return a value as YAML, keys in their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
