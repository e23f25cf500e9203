"""What `hardneg_plugin` exports, told by four lists that must not drift apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hardneg_plugin
import hardneg_plugin.components


def type_checking_names(module) -> dict[str, str]:
    """Name → module of what a facade imports for type checkers."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def test_exports_are_what_is_visible_and_what_type_checkers_see():
    names = set(hardneg_plugin.__all__)
    assert len(names) == len(hardneg_plugin.__all__)
    assert set(dir(hardneg_plugin)) == names
    assert type_checking_names(hardneg_plugin) == hardneg_plugin._HOME
    assert set(hardneg_plugin._HOME) == names


def test_the_components_package_agrees_with_its_lists():
    package = hardneg_plugin.components
    files = {**package._FILES, **package._GENERATORS}
    homes = {name: f"hardneg_plugin.components.{file}" for name, file in files.items()}
    assert type_checking_names(package) == homes
    assert set(package.__all__) == {*homes, "STAGES", "stage_class"}
    assert set(package.STAGES.values()) <= set(homes)
    assert {name for name in homes if name not in hardneg_plugin.__all__} == set()


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
