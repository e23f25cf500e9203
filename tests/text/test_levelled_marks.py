"""Marks find equal texts, and never rule out a pair of texts that is similar enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from hardneg_plugin.cache import entries
from hardneg_plugin.text import normalise
from hardneg_plugin.text.text_signatures import GROUPS, corpus_marks, passes_length_and_count_filter, signatures

TEXTS = ["Red wine!", "red  WINE", "Grüne Äpfel", "", "a" * 300, "青い空", "red wines"]


def pairs_of(one: str, other: str, lowest: float) -> bool:
    zero = np.zeros(1, np.int64)
    return bool(passes_length_and_count_filter(signatures([one]), zero, signatures([other]), zero, lowest)[0])


def test_marks_by_hand():
    marks = signatures(["abba", "", "a" * 300])
    assert marks.lengths.tolist() == [4, 0, 300]
    assert marks.counts.shape == (3, GROUPS)
    # a and b are 97 and 98: 1 and 2 in their last five bits.
    assert marks.counts[0].tolist() == [0, 2, 2] + [0] * (GROUPS - 3)
    assert (marks.counts[1].any(), marks.counts[2, 1]) == (False, 255)
    same = signatures(map(normalise, TEXTS)).hashes
    assert same[0] == same[1]
    assert len(set(same.tolist())) == len(TEXTS) - 1


@pytest.mark.parametrize(
    ("one", "other", "lowest", "possible"),
    [
        ("abcd", "abcd", 1.0, True),
        ("abcd", "dcba", 1.0, True),  # the same letters in another order: only a comparison can tell
        ("abcd", "abce", 0.75, True),  # two of eight letters differ
        ("abcd", "abce", 0.76, False),
        ("abcd", "abcdefgh", 0.7, False),  # four letters more, of twelve
        ("", "", 0.5, False),
        ("abcd", "", 0.1, False),
    ],
)
def test_pairs_by_hand(one, other, lowest, possible):
    assert pairs_of(one, other, lowest) is possible


words = st.text(alphabet="abcde äö青\U0001f600", max_size=40)


@settings(max_examples=300, deadline=None)
@given(one=words, edits=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "a", "xy"])), max_size=6))
def test_no_pair_that_is_similar_enough_is_ruled_out(one, edits):
    other = one
    for position, text in edits:
        other = other[:position] + text + other[position + 1 :]
    similarity = Indel.normalized_similarity(one, other)
    if other and similarity > 0:
        assert pairs_of(one, other, similarity - 1e-9)


@pytest.mark.parametrize(("rows", "kept"), [([0, 2, 4, 6], 1), ([3], 0)])
def test_marks_of_a_corpus_are_those_of_its_texts_and_kept_where_many_are_asked_for(make_corpus, rows, kept):
    texts = [text or "-" for text in TEXTS]
    corpus, rows = make_corpus(texts), np.array(rows)
    for _ in range(2):
        found = corpus_marks(corpus, rows)
        expected = signatures(normalise(texts[row]) for row in rows.tolist())
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    assert len([entry for entry in entries() if entry.kind == "levelled"]) == kept
