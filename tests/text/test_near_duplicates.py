from __future__ import annotations

import random

import pytest

from hardneg_plugin.text.near_duplicates import HASHES, band_rows, first_alike, jaccard, shingles


def test_shingles_are_the_distinct_five_grams():
    assert shingles("abcdef") == {"abcde", "bcdef"}
    assert shingles("aaaaaaaa") == {"aaaaa"}
    assert shingles("abc") == {"abc"}
    assert shingles("") == {""}


def test_likeness_is_the_share_of_common_five_grams():
    assert jaccard("abcdefgh", "abcdefgh") == 1.0
    # abcde bcdef cdefg defgh, and one more: efghi.
    assert jaccard("abcdefgh", "abcdefghi") == 4 / 5
    assert jaccard("abcdefgh", "zyxwvuts") == 0.0


def test_a_record_is_compared_with_earlier_ones_that_stay():
    records = [("abcdefgh", "x"), ("zyxwvuts", "x"), ("abcdefghi", "x"), ("abcdefghij", "x"), ("abcdefgh", "y")]
    # The fourth is 4/6 like the first and 5/6 like the third, which is no longer there.
    assert first_alike(records, 0.8) == [-1, -1, 0, -1, -1]
    assert first_alike(records, 0.6) == [-1, -1, 0, 0, -1]
    assert first_alike([], 0.8) == []


def test_the_first_of_several_is_named():
    assert first_alike([("same text", "a"), ("same text", "b"), ("same text", "b"), ("same text", "a")], 1.0) == [
        -1,
        -1,
        1,
        0,
    ]


@pytest.mark.parametrize("lowest", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_a_pair_at_the_threshold_shares_a_band_with_probability_099(lowest):
    rows = band_rows(lowest)
    assert 1 - (1 - lowest**rows) ** (HASHES // rows) >= 0.99


def test_pairs_are_found_as_comparing_all_finds_them():
    # 300 sentences, half of them with one or two letters changed; compared all with all beside the bands.
    chance = random.Random(0)
    words = ["river", "mountain", "honey", "flower", "country", "longest", "capital", "north", "winter", "machine"]
    texts = [" ".join(chance.choices(words, k=12)) + f" {number}" for number in range(150)]
    changed = []
    for text in texts:
        position = chance.randrange(len(text))
        changed.append(text[:position] + "q" + text[position + 1 :])
    records = [(text,) for text in [*texts, *changed]]
    found = first_alike(records, 0.8)
    expected = [
        next((earlier for earlier in range(150) if jaccard(records[earlier][0], records[late][0]) >= 0.8), -1)
        for late in range(150, 300)
    ]
    assert found[:150] == [-1] * 150
    missed = [late for late, (one, other) in enumerate(zip(found[150:], expected, strict=True)) if one != other]
    assert len(missed) <= 5
    assert sum(number >= 0 for number in expected) > 100


def test_records_about_another_number_are_no_repetitions():
    text = "a silicone cover for the telephone in black with a magnetic ring and a lid"
    records = [("cover 11", f"{text} 11"), ("cover 12", f"{text} 12"), ("cover 11", f"{text}s 11")]
    assert first_alike(records, 0.5) == [-1, -1, 0]
