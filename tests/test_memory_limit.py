"""The memory that a run promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.memory import available_memory, memory_budget, memory_limit, parse_memory, private_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GB", 8_000_000_000),
        ("8 gb", 8_000_000_000),
        ("1500 MB", 1_500_000_000),
        ("1.5GB", 1_500_000_000),
        ("2GiB", 2 * 1024**3),
        ("4096MiB", 4 * 1024**3),
        ("0.5TB", 500_000_000_000),
        ("1000000000 B", 1_000_000_000),
    ],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["8", "GB", "8 GBs", "-8GB", "8,000MB", "", 8_000_000_000, None, "8Gi"])
def test_what_is_no_size(text):
    with pytest.raises(ParameterError, match="expected a size such as"):
        parse_memory(text)


def test_less_than_the_libraries_take_is_refused():
    with pytest.raises(ParameterError, match="at least 1GB, got '500 MB'"):
        parse_memory("500 MB")


def test_the_innermost_promise_counts_and_ends_with_its_block():
    assert memory_limit() is None
    assert available_memory() is None
    with memory_budget(9_000_000_000):
        with memory_budget(None):
            assert memory_limit() == 9_000_000_000
        with memory_budget(4_000_000_000):
            assert memory_limit() == 4_000_000_000
            with memory_budget(9_000_000_000):
                assert memory_limit() == 9_000_000_000
            assert memory_limit() == 4_000_000_000
        assert memory_limit() == 9_000_000_000
    assert memory_limit() is None


def test_what_is_held_takes_room_and_mapped_files_do_not(tmp_path):
    size = 80_000_000
    np.zeros(size // 8).tofile(tmp_path / "file")
    with memory_budget(50_000_000_000):
        before, room = private_memory(), available_memory()
        mapped = np.memmap(tmp_path / "file", np.float64, "r")
        assert mapped.sum() == 0
        assert private_memory() - before < size / 2
        held = np.ones(size // 8)
        assert private_memory() - before > size * 0.9
        assert room - available_memory() > size * 0.9
        assert available_memory(0.5) < room / 2
        assert held.sum() == size // 8


def test_the_peak_counts_what_was_let_go_and_not_what_the_process_that_started_this_one_holds():
    held = np.ones(50_000_000)
    code = """
from hardneg_plugin.memory import peak_resident
before = peak_resident()
more = bytearray(b"x" * 100_000_000)
del more
print(before, peak_resident())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 5_000_000 < before < held.nbytes
    assert after - before >= 100_000_000
