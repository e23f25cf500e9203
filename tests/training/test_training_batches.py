from __future__ import annotations

import logging

import datasets
import numpy as np
import pytest

from hardneg_plugin.training.batches import NoDuplicatesBatchSampler
from hardneg_plugin.training.columns import TextKeys, find_columns, read_keys


def keys_of(rows: list[tuple[str, ...]]) -> TextKeys:
    dataset = datasets.Dataset.from_dict(
        {
            "anchor": [row[0] for row in rows],
            "positive": [row[1] for row in rows],
            "negatives": [list(row[2:]) for row in rows],
        },
        features=datasets.Features(
            {
                "anchor": datasets.Value("string"),
                "positive": datasets.Value("string"),
                "negatives": datasets.List(datasets.Value("string")),
            }
        ),
    )
    return read_keys(dataset, find_columns(dataset))


def conflicts(rows: list[tuple[str, ...]], batch: list[int]) -> int:
    """Pairs of rows of which one's query or positive is a text of the other."""
    pairs = [(one, other) for one in batch for other in batch if one != other]
    return sum(bool(set(rows[one][:2]) & set(rows[other])) for one, other in pairs)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"), [(10, 4, [4, 3, 3]), (9, 3, [3, 3, 3]), (129, 128, [65, 64]), (2, 8, [2])]
)
def test_every_row_once_in_the_announced_number_of_even_batches(count, batch_size, sizes):
    batches = NoDuplicatesBatchSampler(keys_of([(f"q{row}", f"p{row}") for row in range(count)]), batch_size, seed=1)
    packed = list(batches)
    assert len(batches) == len(packed) == len(sizes)
    assert sorted(map(len, packed), reverse=True) == sizes
    assert sorted(row for batch in packed for row in batch) == list(range(count))


def test_rows_with_a_common_query_or_passage_are_kept_apart():
    # Ten queries with three positives each; the positive of one query is a negative of the next.
    rows = [(f"q{row // 3}", f"p{row}", f"p{(row + 3) % 30}") for row in range(30)]
    batches = NoDuplicatesBatchSampler(keys_of(rows), 5, seed=3)
    for epoch in range(5):
        batches.set_epoch(epoch)
        packed = list(batches)
        assert sorted(row for batch in packed for row in batch) == list(range(30))
        assert [conflicts(rows, batch) for batch in packed] == [0] * 6


def test_a_shared_negative_and_missing_negatives_are_no_conflict():
    rows = [("a", "b", "same"), ("c", "d", "same"), ("e", "f"), ("g", "h")]
    assert [sorted(batch) for batch in NoDuplicatesBatchSampler(keys_of(rows), 4, seed=0)] == [[0, 1, 2, 3]]


def test_a_late_row_takes_the_place_of_one_that_can_move():
    # Only two batches: the two rows of "q" must part, wherever the shuffle puts them.
    rows = [("q", "p1"), ("q", "p2"), *((f"a{row}", f"b{row}") for row in range(8))]
    keys = keys_of(rows)
    for seed in range(50):
        assert sum(conflicts(rows, batch) for batch in NoDuplicatesBatchSampler(keys, 5, seed)) == 0


def test_a_query_with_more_rows_than_batches_loses_none_and_says_so(caplog):
    rows = [("q", f"p{row}") for row in range(6)]
    batches = NoDuplicatesBatchSampler(keys_of(rows), 3, seed=0)
    with caplog.at_level(logging.WARNING):
        packed = [list(batches), list(batches)]
    assert [sorted(row for batch in epoch for row in batch) for epoch in packed] == [[0, 1, 2, 3, 4, 5]] * 2
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "4 of 6 rows share a batch with a row of the same query or passage"
    ]


def test_the_order_depends_on_seed_and_epoch_only():
    keys = keys_of([(f"q{row}", f"p{row}") for row in range(40)])
    first, second = NoDuplicatesBatchSampler(keys, 8, seed=5), NoDuplicatesBatchSampler(keys, 8, seed=5)
    np.random.seed(0)
    assert list(first) == list(second) == list(first)
    second.set_epoch(1)
    assert list(first) != list(second)
    assert list(first) != list(NoDuplicatesBatchSampler(keys, 8, seed=6))


@pytest.mark.parametrize("other", ["Q0?", "q0", " q0 ! "])
def test_queries_that_differ_in_case_and_punctuation_share_no_batch(other):
    rows = [("q0", "p0"), (other, "p1"), ("x", "y"), ("z", "w")]
    for seed in range(10):
        assert all(len({0, 1} & set(batch)) == 1 for batch in NoDuplicatesBatchSampler(keys_of(rows), 2, seed))


def test_queries_that_differ_in_a_sign_may_share_a_batch():
    keys = keys_of([("at -5", "p0"), ("at 5", "p1"), ("At 5?", "p2")])
    assert keys.own[0, 0] != keys.own[1, 0] == keys.own[2, 0]
