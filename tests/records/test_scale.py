"""A shard of 10,000 examples with 50 candidates each must stay a few arrays."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from hardneg_plugin.records import (
    CandidateTable,
    MiningExample,
    merge_source,
    read_parquet,
    table_of,
    with_table,
    write_parquet,
)

EXAMPLES, DEPTH, PASSAGES = 10_000, 50, 20_000
ROWS = EXAMPLES * DEPTH


def hits(seed):
    """50 distinct passages of 20,000 for each example: a random first one and a stride."""
    first = np.random.default_rng(seed).integers(0, PASSAGES, EXAMPLES)
    rows = (first[:, None] + 37 * np.arange(DEPTH)) % PASSAGES
    return rows, rows.astype(np.float32)


@pytest.fixture
def examples():
    return [MiningExample(id=f"q{number}", query=f"query {number}") for number in range(EXAMPLES)]


@pytest.fixture
def large_corpus(make_corpus):
    return make_corpus([f"text {number}" for number in range(PASSAGES)])


def allocated_blocks(work):
    """Return the result, the number of Python objects it left behind, and the peak of bytes on the way."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    result = work()
    after, peak = tracemalloc.take_snapshot(), tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    blocks = sum(difference.count_diff for difference in after.compare_to(before, "filename"))
    return result, blocks, peak


def test_merging_and_filtering_make_no_object_per_candidate(large_corpus):
    def work():
        table = merge_source(CandidateTable.empty([0] * EXAMPLES), "a", large_corpus, *hits(1))
        table = merge_source(table, "b", large_corpus, *hits(2))
        return table.drop(table.best_rank() > 40, "depth").select(np.arange(EXAMPLES)[::-1])

    table, blocks, peak = allocated_blocks(work)
    assert len(table.passages) > 1.9 * ROWS
    assert blocks < 1_000
    # About 33 bytes a row; a Python integer alone would be 28 more, a dict 64 or more.
    assert peak < 200 * len(table.passages)


def test_examples_cost_a_few_objects_each_and_none_a_candidate(large_corpus, examples):
    table = merge_source(CandidateTable.empty([0] * EXAMPLES), "a", large_corpus, *hits(1))
    mined, blocks, _ = allocated_blocks(lambda: with_table(examples, table))
    assert blocks < 10 * EXAMPLES
    assert table_of(mined) is table


def test_storing_a_shard_makes_no_object_per_candidate(large_corpus, examples, tmp_path):
    table = merge_source(CandidateTable.empty([0] * EXAMPLES), "a", large_corpus, *hits(1))
    mined = with_table(examples, table)
    _, blocks, _ = allocated_blocks(lambda: write_parquet(tmp_path / "part", mined))
    assert blocks < 1_000
    back, blocks, _ = allocated_blocks(lambda: read_parquet(tmp_path / "part"))
    assert blocks < 20 * EXAMPLES
    assert np.array_equal(table_of(back).passages, table.passages)


def test_shuffled_examples_of_many_tables_are_gathered_in_one_go(large_corpus, examples):
    """Examples of 100 tables, interleaved: work grows with the tables, not with the changes between them."""
    shards = [
        with_table(
            examples[start : start + 100],
            merge_source(
                CandidateTable.empty([0] * 100), "a", large_corpus, *(part[start : start + 100] for part in hits(1))
            ),
        )
        for start in range(0, EXAMPLES, 100)
    ]
    mixed = [shard[position] for position in range(100) for shard in shards]
    table = table_of(mixed)
    rows = hits(1)[0].reshape(100, 100, DEPTH).swapaxes(0, 1).reshape(-1)
    assert np.array_equal(table.passages, rows)
