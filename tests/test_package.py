"""What `hardneg_plugin` exports: the table of components, and what it is made into."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hardneg_plugin
import hardneg_plugin.components
from hardneg_plugin.components import registry
from hardneg_plugin.components.base import StageComponent


def type_checking_names(module) -> dict[str, str]:
    """Name → module of what a facade imports for type checkers, from the stub where it names all of that."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    if any(node.module == "hardneg_plugin.components.exported" for node in imports):
        imports += ast.parse(registry.STUB.read_text("utf-8")).body
    names = {alias.name: node.module or "" for node in imports for alias in node.names}
    return {name: module for name, module in names.items() if name != "*"}


def test_exports_are_what_is_visible_and_what_type_checkers_see():
    names = set(hardneg_plugin.__all__)
    assert len(names) == len(hardneg_plugin.__all__)
    assert set(dir(hardneg_plugin)) == names
    assert set(hardneg_plugin._HOME) == names
    homes = {**hardneg_plugin._HOME, **{name: home(name) for name in registry.MODULES}}
    assert type_checking_names(hardneg_plugin) == homes


def home(name: str) -> str:
    return f"hardneg_plugin.components.{registry.MODULES[name]}"


def test_the_stub_is_in_step_with_the_table():
    assert registry.STUB.read_text("utf-8") == registry.stub(), (
        "write it: python -c 'from hardneg_plugin.components.registry import write_stub; write_stub()'"
    )


def test_every_file_with_a_component_is_in_the_table_once():
    package = Path(hardneg_plugin.components.__file__).parent
    marked = {
        node.name: path.stem
        for path in package.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(one) == "component" for one in node.decorator_list)
    }
    assert marked == registry.MODULES
    assert len(registry.TABLE) == len(registry.MODULES)
    assert len({row.stage for row in registry.TABLE if row.stage}) == sum(bool(row.stage) for row in registry.TABLE)


def test_every_stage_keeps_the_contract():
    for row in registry.TABLE:
        cls = getattr(hardneg_plugin, row.name)
        assert not row.stage or issubclass(cls, StageComponent), row.name
        if issubclass(cls, StageComponent):
            # What a component adds to the contract by a slip of the name would never be called.
            assert (cls.replayable is None) == (cls.replay is StageComponent.replay), row.name
            assert (cls.search is StageComponent.search) == (cls.add is StageComponent.add), row.name


@pytest.mark.parametrize("name", sorted(hardneg_plugin.__all__))
def test_an_export_is_the_object_of_its_module(name):
    exported = getattr(hardneg_plugin, name)
    assert exported.__name__ == name
    assert exported.__module__.startswith(hardneg_plugin._HOME[name])


@pytest.mark.parametrize("module", [hardneg_plugin, hardneg_plugin.components])
def test_an_unknown_name_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'NoSuchMiner'"):
        module.NoSuchMiner  # noqa: B018 - the lookup is what is tested


def test_a_stage_s_class_by_its_short_name():
    assert hardneg_plugin.components.stage_class("bm25") is hardneg_plugin.BM25NegativeMiner
    with pytest.raises(KeyError, match="bm26"):
        hardneg_plugin.components.stage_class("bm26")
