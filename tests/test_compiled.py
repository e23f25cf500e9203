from __future__ import annotations

from pathlib import Path

import pytest
from numba.core import caching

import hardneg_plugin
from hardneg_plugin.compiled import KERNEL_FILES, content_of_kernels, njit_cached


def add(left, right):
    return left + right


@pytest.mark.parametrize("signature", [None, "int64(int64, int64)"])
def test_loops_are_compiled_where_no_folder_can_be_written(signature, monkeypatch):
    kept = njit_cached(signature)(add)
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    anew = njit_cached(signature)(add)
    assert kept(2, 3) == anew(2, 3) == 5
    assert (kept.stats.cache_path is None, anew.stats.cache_path is None) == (False, True)


def test_a_change_of_any_kernel_file_stores_all_compiled_code_elsewhere(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("outer_kernels.py", "inner/simd_kernels.py"):
        (tmp_path / name).write_text("ONE = 1\n", "utf-8")
    before = content_of_kernels(tmp_path)
    assert content_of_kernels(tmp_path) == before
    (tmp_path / "inner/simd_kernels.py").write_text("ONE = 2\n", "utf-8")
    assert content_of_kernels(tmp_path) != before


def test_compiled_functions_are_in_files_that_the_hash_covers():
    root = Path(hardneg_plugin.__file__).parent
    with_compiled = {file for file in root.rglob("*.py") if "import njit_cached" in file.read_text("utf-8")}
    assert with_compiled
    assert {file for file in with_compiled if not file.match(KERNEL_FILES)} == set()
