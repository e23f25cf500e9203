from __future__ import annotations

import numpy as np
import pytest
from haystack.dataclasses import Document

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import (
    CandidateTable,
    MiningExample,
    merge_documents,
    merge_source,
    table_of,
    with_scores,
    with_table,
)
from hardneg_plugin.records.candidates import Candidates, SourceHit
from hardneg_plugin.records.corpus_meta import packed
from hardneg_plugin.records.corpus_sorting import UnsortedCorpus


def doc(identifier, score=None, **others):
    return Document(id=identifier, content=others.pop("content", f"text of {identifier}"), score=score, **others)


def floats(*values):
    return np.array(values, dtype=np.float32)


def ids(examples):
    return [[candidate.id for candidate in example.candidates] for example in examples]


def blank(count):
    return [MiningExample(id=f"e{number}", query="q") for number in range(count)]


def test_documents_of_no_corpus_are_own_and_keep_their_order():
    examples = blank(3)
    found = [[doc("x", 0.9), doc("y")], [], [doc("y", 0.4)]]
    table = merge_documents(table_of(examples), "store", found)
    assert ids(with_table(examples, table)) == [["x", "y"], [], ["y"]]
    assert table.passages.tolist() == [-1, -2, -2]  # y is one document, whoever found it
    assert table.ranks["store"].tolist() == [1, 2, 1]
    np.testing.assert_array_equal(table.source_scores["store"], floats(0.9, np.nan, 0.4))


def test_a_document_of_the_corpus_becomes_its_row_with_the_corpus_s_text(plain_examples):
    # d1 and d2 are in the corpus; bm25 found d0, d1 for the first example and d1, d2 for the second.
    found = [[doc("d2", 5.0), doc("d1", 4.0), doc("new", 3.0)], [doc("d1", 1.0)]]
    table = merge_documents(table_of(plain_examples), "store", found)
    after = with_table(plain_examples, table)
    assert ids(after) == [["d0", "d1", "d2", "new"], ["d1", "d2"]]
    assert dict(after[0].candidates[1].sources) == {"bm25": SourceHit(2, 1.0), "store": SourceHit(2, 4.0)}
    assert dict(after[0].candidates[2].sources) == {"store": SourceHit(1, 5.0)}
    assert after[0].candidates[2].text == "green grass"
    assert after[0].candidates[3].text == "text of new"
    assert dict(after[1].candidates[0].sources) == {"bm25": SourceHit(1, 4.0), "store": SourceHit(1, 1.0)}


def test_two_stores_that_find_one_id_share_a_row():
    examples = blank(2)
    table = merge_documents(table_of(examples), "one", [[doc("x"), doc("y")], [doc("z")]])
    table = merge_documents(table, "two", [[doc("y"), doc("z")], [doc("x"), doc("z")]])
    after = with_table(examples, table)
    assert ids(after) == [["x", "y", "z"], ["z", "x"]]
    assert [list(one.sources) for one in after[0].candidates] == [["one"], ["one", "two"], ["two"]]
    assert [list(one.sources) for one in after[1].candidates] == [["one", "two"], ["two"]]
    assert len(table.own) == 3


def test_shards_that_were_mined_apart_share_rows_too():
    one, two = blank(2)
    first = with_table([one], merge_documents(table_of([one]), "one", [[doc("x")]]))
    second = with_table([two], merge_documents(table_of([two]), "one", [[doc("x"), doc("y")]]))
    together = table_of([*first, *second])
    after = with_table([one, two], merge_documents(together, "two", [[doc("y")], [doc("x")]]))
    assert ids(after) == [["x", "y"], ["x", "y"]]
    assert list(after[1].candidates[0].sources) == ["one", "two"]


def test_own_documents_become_rows_of_a_corpus_that_is_searched_later(corpus):
    examples = blank(1)
    table = merge_documents(table_of(examples), "store", [[doc("d4"), doc("elsewhere")]])
    table = merge_source(table, "bm25", corpus, np.array([[4, 0]]), floats(2, 1)[None])
    after = with_table(examples, table)
    assert ids(after) == [["d4", "elsewhere", "d0"]]
    assert list(after[0].candidates[0].sources) == ["store", "bm25"]
    assert after[0].candidates[0].text == "검은 밤"


def test_a_search_of_the_corpus_takes_no_meta_away(corpus):
    examples = blank(2)
    found = [[doc("d4", meta={"file": "a"}), doc("d0")], [doc("d4", meta={"file": "a"})]]
    table = merge_documents(table_of(examples), "store", found)
    table = merge_source(table, "bm25", corpus, np.array([[4, 0], [1, 4]]), np.ones((2, 2), np.float32))
    table = merge_source(table, "dense", corpus, np.array([[1, 4], [4, 0]]), np.ones((2, 2), np.float32))
    after = with_table(examples, table)
    assert ids(after) == [["d4", "d0", "d1"], ["d4", "d1", "d0"]]
    assert [dict(one.sources) for one in after[0].candidates][:2] == [
        {"store": SourceHit(1, None), "bm25": SourceHit(1, 1.0), "dense": SourceHit(2, 1.0)},
        {"store": SourceHit(2, None), "bm25": SourceHit(2, 1.0)},
    ]
    kept = after[0].candidates[0].document
    assert (kept.content, kept.meta["file"]) == ("검은 밤", "a")
    assert kept.meta == {**corpus.document(4).meta, "file": "a"}
    assert table.passages.tolist()[1:3] == [0, 1]  # what brings nothing new is the corpus's passage
    again = [MiningExample.from_dict(example.to_dict()) for example in after]
    assert again == after


def test_the_order_of_the_miners_makes_no_difference_to_the_meta(plain_examples):
    # bm25 found d0, d1 for the first example and d1, d2 for the second.
    found = [[doc("d1", meta={"file": "a"})], [doc("d2")]]
    after = with_table(plain_examples, merge_documents(table_of(plain_examples), "store", found))
    assert ids(after) == [["d0", "d1"], ["d1", "d2"]]
    assert [
        example.candidates[position].document.meta.get("file") for example, position in zip(after, (1, 0), strict=True)
    ] == ["a", "a"]
    assert list(after[0].candidates[1].sources) == ["bm25", "store"]


def test_meta_that_the_corpus_keeps_costs_no_document():
    corpus = corpus_with_meta()
    table = merge_documents(CandidateTable.empty([0]), "store", [[doc("b", meta={"file": "y"}, content="beta")]])
    table = merge_source(table, "bm25", corpus, np.array([[1, 0]]), floats(2, 1)[None])
    assert table.passages.tolist() == [1, 0]
    assert [one.document.meta for one in Candidates(table, 0)] == [{"file": "y"}, {"file": "x", "page": 3}]


def corpus_with_meta():
    with staging_folder("corpus") as folder:
        with UnsortedCorpus(folder, ("file", "page")) as writer:
            writer.add("b", "beta", "", packed({"file": "y", "other": 1}, ("file", "page")))
            writer.add("a", "alpha", "", packed({"file": "x", "page": 3}, ("file", "page")))
        return writer.publish().corpus


def test_what_was_known_of_rows_stays(rich_examples):
    before = table_of(rich_examples)
    table = merge_documents(before, "store", [[], [doc("d0")], [doc("empty"), doc("o3")], [doc("o3")]])
    after = with_table(rich_examples, table)
    assert after[0].candidates[0].dropped == "positive: text"
    assert after[2].candidates[2].sources["store"] == SourceHit(1, None)
    assert [candidate.id for candidate in after[2].candidates][3] == "o3"
    assert list(after[3].candidates[0].sources) == ["generated:l", "store"]
    assert after[0].candidates.positive_scores == rich_examples[0].candidates.positive_scores
    assert list(before.ranks) == ["bm25", "dense:m/x", "generated:l"]


def test_vectors_and_scores_do_not_travel_with_own_documents():
    found = [[doc("x", 0.5, embedding=[0.1, 0.2], meta={"file": "a"})]]
    (own,) = merge_documents(CandidateTable.empty([0]), "store", found).own
    assert (own.embedding, own.score, own.id, own.meta) == (None, None, "x", {"file": "a"})


def test_nothing_found_is_a_source_that_ran():
    assert list(merge_documents(CandidateTable.empty([0, 2]), "store", [[], []]).ranks) == ["store"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([[]], "documents of 1 examples for a table of 2"),
        ([[], [doc("x"), doc("y"), doc("x")]], "found document 'x' twice for example 1"),
    ],
)
def test_answers_that_do_not_fit_are_refused(found, message):
    with pytest.raises(RecordError, match=message):
        merge_documents(CandidateTable.empty([0, 0]), "store", found)


def test_the_same_source_twice_is_refused(plain_examples):
    with pytest.raises(RecordError, match="already have a source 'bm25'"):
        merge_documents(table_of(plain_examples), "bm25", [[], []])


def test_a_round_trip_keeps_own_documents_and_sources(plain_examples):
    after = with_table(plain_examples, merge_documents(table_of(plain_examples), "s", [[doc("n", 1.5)], []]))
    again = [MiningExample.from_dict(example.to_dict()) for example in after]
    assert again == after
    assert again[0].candidates[2].sources["s"] == SourceHit(1, 1.5)


# Scores by one scorer


def test_scores_are_added_for_candidates_and_positives(rich_examples):
    table = table_of(rich_examples)
    scored = with_scores(table, "m", np.arange(7, dtype=np.float64), floats(0.5, np.nan, 0.25, 1))
    after = with_table(rich_examples, scored)
    assert after[0].candidates[1].scores == {"m": 1.0}
    assert after[0].candidates.positive_scores["m"] == [0.5, None]
    assert after[3].candidates.positive_scores["m"] == [1.0]
    assert scored.scores["m"].dtype == np.float32
    assert "m" not in table.scores


@pytest.mark.parametrize(
    ("scorer", "scores", "positives", "message"),
    [
        ("ce", 7, 4, "already have scores of 'ce'"),
        ("m", 6, 4, r"scores 'm' has shape \(6,\), expected \(7,\)"),
        ("m", 7, 3, r"positive_scores 'm' has shape \(3,\), expected \(4,\)"),
    ],
)
def test_scores_that_do_not_fit_are_refused(rich_examples, scorer, scores, positives, message):
    with pytest.raises(RecordError, match=message):
        with_scores(table_of(rich_examples), scorer, np.zeros(scores), np.zeros(positives))
