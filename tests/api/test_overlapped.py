"""Two steps side by side: the order, the errors and the threads."""

from __future__ import annotations

import sys
import threading

import pytest

from hardneg_plugin.api.pipelined import pipelined


def test_results_come_in_the_order_of_the_items():
    assert list(pipelined(range(1, 6), lambda item: item * 10, lambda found: found + 1)) == [11, 21, 31, 41, 51]
    assert list(pipelined([], str, str)) == []


def test_the_second_step_goes_on_beside_the_next_first_one():
    """Each waits for the other: one after the other, neither would end."""
    second, third = threading.Event(), threading.Event()

    def first(item):
        if item == 2:
            third.set()
            assert second.wait(30)
        return item, threading.current_thread()

    def then(found):
        item, thread = found
        assert thread is threading.main_thread()
        if item == 1:
            assert third.wait(30)
            second.set()
        return item, threading.current_thread()

    items, threads = zip(*pipelined([1, 2], first, then), strict=True)
    assert items == (1, 2)
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({("first", 2), ("then", 1)}, "then of 1"),
        ({("read", 2), ("then", 1)}, "then of 1"),
        ({("read", 2), ("first", 1)}, "first of 1"),
        ({("first", 2)}, "first of 2"),
        ({("read", 2)}, "read of 2"),
        ({("then", 3)}, "then of 3"),
    ],
)
def test_of_two_errors_the_one_of_the_earlier_item_is_raised(wrong, expected):
    def step(name):
        def work(item):
            if (name, item) in wrong:
                msg = f"{name} of {item}"
                raise ValueError(msg)
            return item

        return work

    done = []
    with pytest.raises(ValueError, match=expected):
        done.extend(pipelined(map(step("read"), [1, 2, 3]), step("first"), step("then")))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_an_interrupt_ends_it_and_the_interpreter_is_left_as_it_was():
    before = sys.getswitchinterval()

    def first(item):
        if item == 2:
            raise KeyboardInterrupt
        assert sys.getswitchinterval() < before
        return item

    results = pipelined([1, 2, 3], first, str)
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert sys.getswitchinterval() == before
