"""The sample for labelling: strata, shares, weights."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from haystack import Document

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.label_sample import label_sample
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table
from hardneg_plugin.records.dictionary_column import DictionaryColumn


@pytest.fixture
def examples(make_corpus):
    """Ten queries; `bm25` finds forty passages for each, the first five of them judged false negatives."""
    corpus = make_corpus([f"passage {number}" for number in range(400)])
    bare = [MiningExample(f"q{n}", f"query {n}", (Document(id=f"a{n}", content=f"answer {n}"),)) for n in range(10)]
    rows = np.arange(400).reshape(10, 40)
    table = merge_source(table_of(bare), "bm25", corpus, rows, -rows.astype(np.float32))
    labels = ["false_negative" if position < 5 else "hard_negative" for position in range(40)] * 10
    return with_table(bare, replace(table, label=DictionaryColumn.of(labels)))


def test_every_stratum_has_its_share_and_stands_for_all_of_it(examples):
    rows = label_sample(examples, 80)
    # Of 400: 50 false negatives at ranks 1 to 5, 50 more in the first ten, 200 to rank 30, 100 beyond.
    assert Counter(row.stratum for row in rows) == {
        "bm25, 1 to 10, false_negative": 10,
        "bm25, 1 to 10, hard_negative": 10,
        "bm25, 11 to 30, hard_negative": 40,
        "bm25, 31 to 100, hard_negative": 20,
    }
    assert {row.weight for row in rows} == {5.0}
    assert sum(row.weight for row in rows) == 400
    assert len({(row.query_id, row.passage_id) for row in rows}) == 80
    assert {row.label for row in rows} == {""}


def test_a_row_says_what_a_person_must_know(examples):
    row = next(row for row in label_sample(examples, 400) if row.passage_id == "d83")
    assert (row.query_id, row.query, row.positive, row.passage) == ("q2", "query 2", "answer 2", "passage 83")
    assert (row.source, row.rank, row.verdict, row.weight) == ("bm25", 4, "false_negative", 1.0)


def test_a_small_stratum_has_two_labels(examples):
    table = table_of(examples)
    labels = ["easy_negative" if position < 3 else "hard_negative" for position in range(400)]
    rows = label_sample(with_table(examples, replace(table, label=DictionaryColumn.of(labels))), 20)
    small = [row for row in rows if row.verdict == "easy_negative"]
    assert [row.weight for row in small] == [1.5, 1.5]
    assert sum(row.weight for row in rows) == pytest.approx(400)


def test_the_draw_depends_on_the_seed_alone_and_the_order_mixes_the_strata(examples):
    first, again, other = (label_sample(examples, 80, seed) for seed in (0, 0, 1))
    assert first == again
    assert {row.passage_id for row in first} != {row.passage_id for row in other}
    assert len({row.stratum for row in first[:20]}) >= 3


def test_only_what_is_kept_is_drawn(examples):
    table = table_of(examples)
    mask = np.arange(400) % 40 >= 2
    rows = label_sample(with_table(examples, table.drop(mask, "quality")), 200)
    assert Counter(row.rank for row in rows) == {1: 10, 2: 10}
    with pytest.raises(EvaluationError, match="no candidate is kept"):
        label_sample(with_table(examples, table.drop(np.ones(400, dtype=bool), "quality")), 10)


def test_candidates_without_source_and_verdict_have_strata_too():
    sys.path.append(str(Path(__file__).parents[1] / "components"))
    from hand_made import own_candidates

    made = own_candidates([Document(content="made up"), Document(content="made up too")])
    rows = label_sample([MiningExample("g", "a query", candidates=made)], 5)
    assert [(row.stratum, row.source, row.rank, row.positive) for row in rows] == [
        ("no source, 1 to 10, no verdict", "", None, "")
    ] * 2
