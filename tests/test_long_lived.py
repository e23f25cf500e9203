from __future__ import annotations

import gc

import pytest

from hardneg_plugin.long_lived import long_lived


def test_what_exists_is_left_alone_until_the_block_ends():
    assert gc.get_freeze_count() == 0
    with long_lived():
        before = gc.get_freeze_count()
        assert before > 0
        since = [[] for _ in range(1000)]
        with long_lived():
            assert gc.get_freeze_count() >= before + len(since)
        assert gc.get_freeze_count() > 0  # an inner block ends nothing
    assert gc.get_freeze_count() == 0


def test_an_error_ends_the_block_too():
    with pytest.raises(KeyError), long_lived():
        raise KeyError
    assert gc.get_freeze_count() == 0
