"""Reading and writing YAML: safe, without YAML 1.1's surprises, and with the line of every mistake."""

from __future__ import annotations

import copy
import re
from typing import Any, ClassVar

import yaml

from hardneg_plugin.errors import RecipeError

# PyYAML follows YAML 1.1, where 1e-3 is a string and the language code `no` is false.
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.?[\d_]*([eE][-+]?\d+)?|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
)
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)$")
# YAML 1.1 reads 010 as 8 and 1:30 as 90.
_INT = re.compile(r"[-+]?\d[\d_]*$|0o[0-7]+$|0x[0-9a-fA-F]+$")
_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:timestamp")
# No recipe comes near; what is written with aliases counts as often as it stands for.
_MOST_NODES, _DEEPEST, _LONGEST = 20_000, 60, 1_000_000


_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(yaml.SafeLoader):
    """Safe loader with YAML 1.2's numbers and truth values, and no key twice."""

    yaml_implicit_resolvers = copy.deepcopy(_RESOLVERS)
    # What JSON has, and dates, which a check then asks to be quoted; sets and bytes are no values of a recipe.
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")
    }
    _depth = _nodes = 0

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _check_nodes(node)
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > _DEEPEST or self._nodes > _MOST_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            deep = self._depth > _DEEPEST
            problem = f"nested more than {_DEEPEST} deep" if deep else f"more than {_MOST_NODES:,} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
            return value
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
            # Such as a number of too many digits, or a tag that does not fit its value.
            problem = f"not a value that can be read: {error}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)

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
    _class.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _check_nodes(root: yaml.Node) -> None:
    """Count the nodes of a document, each as often as aliases repeat it.

    :raises yaml.MarkedYAMLError: If they are too many, or one holds itself.
    """
    sizes: dict[int, int] = {}
    inside: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in inside:
            raise yaml.MarkedYAMLError(problem="an alias to what it stands in", problem_mark=node.start_mark)
        if id(node) not in sizes:
            inside.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
            inside.discard(id(node))
        if sizes[id(node)] > _MOST_NODES:
            problem = f"stands for more than {_MOST_NODES:,} values, with its aliases"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return sizes[id(node)]

    size(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def parse_yaml(text: str, position: str) -> Any:
    """Return the value of a YAML text.

    :param text: The text.
    :param position: File or option to name in a message.
    :raises RecipeError: With the line, if it is not YAML, a key is given twice, or it is far larger than any recipe.
    """
    if len(text) > _LONGEST:
        msg = f"{position}: {len(text):,} characters, more than {_LONGEST:,}: no recipe"
        raise RecipeError(msg)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        msg = f"{position}{line}: {error.problem or error}"
        raise RecipeError(msg) from error
    except (yaml.YAMLError, RecursionError) as error:
        msg = f"{position}: not YAML: {error}"
        raise RecipeError(msg) from error


def to_yaml(value: Any) -> str:
    """Return a value as YAML, keys in their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
