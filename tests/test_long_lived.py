from __future__ import annotations

import gc

import pytest

from hardneg_plugin.garbage_collector import gc_frozen


def test_what_exists_is_left_alone_until_the_block_ends():
    assert gc.get_freeze_count() == 0
    with gc_frozen():
        before = gc.get_freeze_count()
        assert before > 0
        since = [[] for _ in range(1000)]
        with gc_frozen():
            assert gc.get_freeze_count() >= before + len(since)
        assert gc.get_freeze_count() > 0  # an inner block ends nothing
    assert gc.get_freeze_count() == 0


def test_an_error_ends_the_block_too():
    with pytest.raises(KeyError), gc_frozen():
        raise KeyError
    assert gc.get_freeze_count() == 0


def test_the_collector_looks_seldom_and_then_as_it_did_before():
    before = gc.get_threshold()
    try:
        for youngest, expected in ((700, 50_000), (80_000, 80_000), (0, 0)):
            gc.set_threshold(youngest, 11, 12)
            with gc_frozen():
                with gc_frozen():
                    pass
                assert gc.get_threshold() == (expected, 11, 12)
            assert gc.get_threshold() == (youngest, 11, 12)
    finally:
        gc.set_threshold(*before)
