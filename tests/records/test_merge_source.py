from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from haystack.dataclasses import Document

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable, MiningExample, merge_source, table_of, with_table
from hardneg_plugin.records.candidates import SourceHit


def floats(values):
    return np.array(values, dtype=np.float32)


def unscored(rows):
    return np.full(rows.shape, np.nan, dtype=np.float32)


def test_first_source_keeps_its_order(corpus):
    rows = np.array([[4, 1, 0], [-1, -1, -1], [2, -1, -1]])
    table = merge_source(CandidateTable.empty([0, 0, 0]), "bm25", corpus, rows, floats(rows) * 2)
    assert table.offsets.tolist() == [0, 3, 3, 4]
    assert table.passages.tolist() == [4, 1, 0, 2]
    assert table.ranks["bm25"].tolist() == [1, 2, 3, 1]
    assert table.source_scores["bm25"].tolist() == [8, 2, 0, 4]
    assert table.corpus is corpus


def test_second_source_merges_into_rows_and_appends_new_ones_behind_their_example(corpus):
    table = CandidateTable.empty([0, 0])
    table = merge_source(table, "bm25", corpus, np.array([[0, 1], [1, 2]]), floats([[9, 8], [7, 6]]))
    table = table.drop(np.array([True, False, False, False]), "margin")
    rows = np.array([[5, 1, 3], [2, 4, -1]])
    table = merge_source(table, "dense", corpus, rows, floats([[0.9, 0.8, 0.7], [0.6, 0.5, np.nan]]))
    # e0: 0, 1 were there, 5 and 3 are new; e1: 1, 2 were there, 4 is new.
    assert table.passages.tolist() == [0, 1, 5, 3, 1, 2, 4]
    assert table.offsets.tolist() == [0, 4, 7]
    assert table.ranks["bm25"].tolist() == [1, 2, 0, 0, 1, 2, 0]
    assert table.ranks["dense"].tolist() == [0, 2, 1, 3, 0, 1, 2]
    nan = float("nan")
    dense = [nan, 0.8, 0.9, 0.7, nan, 0.6, 0.5]
    assert table.source_scores["dense"].tolist() == pytest.approx(dense, nan_ok=True)
    assert table.source_scores["bm25"].tolist() == pytest.approx([9, 8, nan, nan, 7, 6, nan], nan_ok=True)
    assert table.dropped.strings() == ["margin", "", "", "", "", "", ""]
    assert table.best_rank().tolist() == [1, 2, 1, 3, 1, 1, 2]
    assert list(table.ranks) == ["bm25", "dense"]


def test_merging_changes_no_table(corpus):
    first = merge_source(CandidateTable.empty([0]), "a", corpus, np.array([[0]]), floats([[1]]))
    second = merge_source(first, "b", corpus, np.array([[0]]), floats([[2]]))
    assert list(first.ranks) == ["a"]
    assert with_table([MiningExample(id="x", query="q")], second)[0].candidates[0].sources == {
        "a": SourceHit(1, 1.0),
        "b": SourceHit(1, 2.0),
    }


def test_a_source_beside_own_documents(rich_examples, corpus):
    rows = np.array([[1, 5], [0, -1], [5, 2], [-1, -1]])
    table = merge_source(table_of(rich_examples), "cluster", corpus, rows, unscored(rows))
    assert table.passages.tolist() == [0, 1, 3, 5, 0, 5, -1, -2, 2, -3]
    assert table.ranks["cluster"].tolist() == [0, 1, 0, 2, 1, 1, 0, 0, 2, 0]
    # What was known of the rows moved with them.
    examples = with_table(rich_examples, table)
    assert examples[2].candidates[0].dropped == "margin"
    assert examples[2].candidates[1].text == "made up \U0001f600"
    assert examples[2].candidates.table.scores["ce"][6] == np.float32(1e-20)
    assert examples[0].candidates[3].verdict is None
    assert examples[0].candidates.positive_scores == rich_examples[0].candidates.positive_scores


def test_own_documents_first_then_a_corpus(corpus):
    own = CandidateTable(
        offsets=np.array([0, 1]),
        passages=np.array([-1]),
        positive_offsets=np.array([0, 0]),
        label_score=floats([np.nan]),
        own=(Document(id="o", content="own"),),
        **{name: getattr(CandidateTable.empty([0]), name).take(np.array([-1])) for name in _CODED},
    )
    table = merge_source(own, "bm25", corpus, np.array([[0, 1]]), floats([[2, 1]]))
    assert table.passages.tolist() == [-1, 0, 1]
    assert table.corpus is corpus


_CODED = ("label", "judge", "prompt", "dropped")


def test_padding_in_front_keeps_the_rank_of_its_place(corpus):
    rows = np.array([[-1, 3]])
    table = merge_source(CandidateTable.empty([0]), "x", corpus, rows, unscored(rows))
    assert table.ranks["x"].tolist() == [2]


def test_nothing_found(corpus):
    rows = np.full((2, 3), -1)
    table = merge_source(CandidateTable.empty([1, 0]), "x", corpus, rows, unscored(rows))
    assert len(table.passages) == 0
    assert list(table.ranks) == ["x"]
    assert table.positive_offsets.tolist() == [0, 1, 1]


def test_the_same_source_twice_is_refused(plain_examples, corpus):
    rows = np.zeros((2, 1), dtype=np.int64)
    with pytest.raises(RecordError, match="already have a source 'bm25'"):
        merge_source(table_of(plain_examples), "bm25", corpus, rows, unscored(rows))


def test_another_corpus_is_refused(plain_examples, make_corpus):
    other = make_corpus(["other"])
    rows = np.zeros((2, 1), dtype=np.int64)
    with pytest.raises(RecordError, match=f"'dense' searched corpus {other.key}"):
        merge_source(table_of(plain_examples), "dense", other, rows, unscored(rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1]], r"shape \(2, k\), got \(1, 2\)"),
        ([[0, 1], [0, 1], [0, 1]], r"shape \(2, k\), got \(3, 2\)"),
        ([0, 1], r"got \(2,\)"),
        ([[0, 1], [0, 6]], "row 6 in a corpus of 6"),
        ([[0, 1], [4, 4]], "a passage twice"),
        ([[3, 1, 3], [0, 1, -1]], "a passage twice"),
    ],
)
def test_hits_that_do_not_fit_are_refused(corpus, rows, message):
    rows = np.array(rows)
    with pytest.raises(RecordError, match=message):
        merge_source(CandidateTable.empty([0, 0]), "dense", corpus, rows, unscored(rows))


def test_scores_of_another_shape_are_refused(corpus):
    with pytest.raises(RecordError, match=r"got \(1, 2\) and \(1, 1\)"):
        merge_source(CandidateTable.empty([0]), "x", corpus, np.array([[0, 1]]), floats([[1]]))


def test_the_same_key_under_another_object_is_the_same_corpus(plain_examples, corpus):
    from hardneg_plugin.cache import entry_path
    from hardneg_plugin.records import Corpus

    reopened = Corpus(entry_path("corpus", corpus.key))
    assert reopened is not corpus
    rows = np.zeros((2, 1), dtype=np.int64)
    table = merge_source(table_of(plain_examples), "dense", reopened, rows, unscored(rows))
    assert table.ranks["dense"].tolist() == [1, 0, 0, 0, 1]


def test_sources_can_be_replaced_after_a_merge(plain_examples):
    table = table_of(plain_examples)
    scored = replace(table, scores={**table.scores, "ce": floats([1, 2, 3, 4])})
    assert with_table(plain_examples, scored)[1].candidates[0].scores == {"ce": 3.0}
