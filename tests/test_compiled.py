from __future__ import annotations

import pytest
from numba.core import caching

from hardneg_plugin.compiled import njit_cached


def add(left, right):
    return left + right


@pytest.mark.parametrize("signature", [None, "int64(int64, int64)"])
def test_loops_are_compiled_where_no_folder_can_be_written(signature, monkeypatch):
    kept = njit_cached(signature)(add)
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    anew = njit_cached(signature)(add)
    assert kept(2, 3) == anew(2, 3) == 5
    assert (kept.stats.cache_path is None, anew.stats.cache_path is None) == (False, True)
