"""Candidates that become positives, with their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from haystack import Document

from hardneg_plugin.records import MiningExample, merge_documents, table_of, with_scores
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.relabel import as_positives


def test_a_candidate_becomes_a_positive_behind_those_that_were_there():
    examples = [
        MiningExample("q1", "one", (Document(id="a", content="a"), Document(id="b", content="b"))),
        MiningExample("q2", "two", (Document(id="c", content="c"),)),
    ]
    found = [[Document(id="x", content="x"), Document(id="y", content="y")], [Document(id="z", content="z")]]
    table = merge_documents(table_of(examples), "store", found)
    scores = np.array([0.1, 0.2, 0.3], dtype=np.float32)
    table = with_scores(table, "m", scores, np.array([0.7, 0.8, 0.9], dtype=np.float32))
    table = replace(table, judge=DictionaryColumn.of(["judge", "judge", "judge"]))
    first, second = as_positives(examples, table, np.array([False, True, True]), "verdict: positive")
    assert [positive.id for positive in first.positives] == ["a", "b", "y"]
    assert [positive.id for positive in second.positives] == ["c", "z"]
    assert second.positives[1].meta == {"judged_by": "judge"}
    joined = table_of([first, second])
    assert joined.positive_scores["m"].tolist() == np.array([0.7, 0.8, 0.2, 0.9, 0.3], dtype=np.float32).tolist()
    assert [candidate.dropped for candidate in first.candidates] == ["", "verdict: positive"]
    # One example alone keeps the scores of its own positives.
    assert table_of([second]).positive_scores["m"].tolist() == np.array([0.9, 0.3], dtype=np.float32).tolist()


def test_what_was_dropped_before_stays_a_dropped_candidate():
    example = MiningExample("q1", "one", (Document(id="a", content="a"),))
    table = merge_documents(table_of([example]), "store", [[Document(id="x", content="x")]])
    table = table.drop(np.array([True]), "rank window")
    (same,) = as_positives([example], table, np.array([True]), "verdict: positive")
    assert [positive.id for positive in same.positives] == ["a"]
    assert same.candidates[0].dropped == "rank window"
