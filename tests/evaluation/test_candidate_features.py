"""The numbers that a model of false negatives sees, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from haystack import Document

from hardneg_plugin.evaluation.candidate_features import BUDGET_SCORER, CandidateFeatures
from hardneg_plugin.records import MiningExample, merge_source, table_of, with_scores, with_table
from hardneg_plugin.records.dictionary_column import DictionaryColumn


class Letters:
    """Encodes a text as how often it has the letters a and b."""

    similarity_fn_name = "cosine"

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        return np.array([[text.count("a"), text.count("b")] for text in inputs], dtype=np.float32)

    encode_query = encode_document


@pytest.fixture
def examples(make_corpus):
    corpus = make_corpus(["red apple", "blue berry", "red red apple pie", "grey stone"])
    bare = [
        MiningExample("q1", "red apple", (Document(id="x", content="the red apple"),), language="en"),
        MiningExample("q2", "stone", (Document(id="y", content="a"), Document(id="z", content="b")), language="de"),
    ]
    rows, scores = np.array([[0, 1, 2], [3, 0, -1]]), np.array([[3.0, 2.0, 1.0], [5.0, 4.0, 0.0]], dtype=np.float32)
    table = merge_source(table_of(bare), "bm25", corpus, rows, scores)
    table = with_scores(
        table, "m", np.array([0.9, 0.1, 0.5, np.nan, 0.3], np.float32), np.array([1.0, 0.4, 0.7], np.float32)
    )
    labels = DictionaryColumn.of(["false_negative", "hard_negative", "", "easy_negative", "undecided"])
    return with_table(bare, replace(table, label=labels))


def numbers(examples, rows=None, **options):
    table = table_of(examples)
    wanted = np.ones(len(table.passages), dtype=bool) if rows is None else rows
    return CandidateFeatures(examples, table, **options).of(examples, table, wanted)


def test_scores_against_the_query_and_the_positive(examples):
    found = numbers(examples, texts=False)
    nan = np.nan
    # The score, less the query's mean (.5 and .3), the share of the query's candidates below, less the best positive's
    # (1 and .7).
    expected = [[0.9, 0.4, 2 / 3, -0.1], [0.1, -0.4, 0, -0.9], [0.5, 0, 1 / 3, -0.5], [nan] * 4, [0.3, 0, 0, -0.4]]
    np.testing.assert_allclose(found[:, :4], expected, atol=1e-6)
    # The logarithm of the rank; the source's score in standard deviations of 3, 2, 1 and of 5, 4; one source each.
    deviation = np.sqrt(2 / 3)
    expected = [[0, 1 / deviation, 1], [np.log(2), 0, 1], [np.log(3), -1 / deviation, 1], [0, 1, 1], [np.log(2), -1, 1]]
    np.testing.assert_allclose(found[:, 4:7], expected, atol=1e-6)
    np.testing.assert_array_equal(found[:, 7], [2, 1, nan, 0, nan])
    # No number of the judge; the languages, in their order.
    np.testing.assert_array_equal(found[:, -2:], [[0, 1]] * 3 + [[1, 0]] * 2)


def test_texts_against_the_query_and_the_positive(examples):
    found = numbers(examples)[:, -4:]
    # The first passage has all terms of the query, as the positive has; the second none.
    np.testing.assert_allclose(found[0, :2], [1, 0])
    np.testing.assert_allclose(found[1, :3], [0, -1, 0])
    assert 0 < found[2, 2] < found[0, 2] <= 1
    # Two words against the positive's three: fewer terms, however a word is cut into them.
    assert np.log(2 / 4) < found[0, 3] < 0


def test_a_model_says_how_near_the_positive_is(examples):
    near = numbers(examples, texts=False, encoder=Letters())[:, -2:]
    # "the red apple" has one a and no b; so have the first and third passage. "blue berry" has two b and no a.
    np.testing.assert_allclose(near[:3, 0], [1, 0, 1])
    np.testing.assert_allclose(near[:3, 1], [1 / 3, -2 / 3, 1 / 3], atol=1e-6)
    # The nearest of the positives "a" and "b"; "grey stone" has neither letter.
    np.testing.assert_allclose(near[3:, 0], [0, 1])


def test_some_rows_are_seen_as_among_all(examples):
    rows = np.array([True, False, True, False, True])
    np.testing.assert_array_equal(numbers(examples, rows, texts=False), numbers(examples, texts=False)[rows])


def test_what_is_to_be_foretold_is_not_seen(examples):
    table = table_of(examples)
    values, positives = np.arange(5, dtype=np.float32), np.zeros(3, dtype=np.float32)
    told = with_table(examples, with_scores(table, "false_negative:judge", values, positives))
    blind = numbers(told, texts=False, verdicts=False)
    np.testing.assert_array_equal(blind, numbers(examples, texts=False, verdicts=False))
    assert numbers(told, texts=False).shape[1] == numbers(examples, texts=False).shape[1] + 4
    again = with_table(examples, with_scores(table, BUDGET_SCORER, values, positives))
    np.testing.assert_array_equal(numbers(again, texts=False), numbers(examples, texts=False))
