"""Torch's undocumented operators stand in one file, and the search does without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import hardneg_plugin
from hardneg_plugin.search.dense import gemm_autotune, torch_operators
from hardneg_plugin.search.dense.gemm import PRODUCTS

UNDOCUMENTED = re.compile(r"torch\.(ops\.|_\w+\()|ops\.mkldnn")


def test_undocumented_operators_stand_in_one_file():
    root = Path(hardneg_plugin.__file__).parent
    using = {path.name for path in root.rglob("*.py") if UNDOCUMENTED.search(path.read_text("utf-8"))}
    assert using == {"torch_operators.py"}


@pytest.fixture
def without_operators(monkeypatch):
    """A build of torch that has none of them."""

    class Nothing:
        """A namespace without operators."""

    monkeypatch.setattr(torch.ops, "mkldnn", Nothing(), raising=False)
    monkeypatch.delattr(torch, "_int_mm", raising=False)
    gemm_autotune.benchmark_backends.cache_clear()
    yield
    gemm_autotune.benchmark_backends.cache_clear()


def test_a_build_without_them_takes_the_documented_products(without_operators):
    assert not torch_operators.has_packed_float32()
    assert not torch_operators.has_bfloat16()
    assert not torch_operators.has_int8()
    names = {product.name for product in PRODUCTS if gemm_autotune.has_product(product)}
    assert names == {"float32", "torch float32"}
    assert {product.name for product in gemm_autotune.gemm_backends()} <= names
