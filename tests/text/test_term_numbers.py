"""Numbered terms are the analyzer's tokens, by either way of numbering them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.text import Analyzer
from hardneg_plugin.text import vocabulary as term_numbers
from hardneg_plugin.text.language import detect_language
from hardneg_plugin.text.vocabulary import NumbaVectorizer, PythonVectorizer


def tokens_of(numbering, batch):
    terms = list(numbering.vocabulary)
    ends = np.cumsum(batch.lengths).tolist()
    return [
        [terms[number] for number in batch.ids[end - length : end]]
        for end, length in zip(ends, batch.lengths.tolist(), strict=True)
    ]


MIXED = [
    "What does a café in Genève cost, and WHY?",
    "",
    "... !!",
    "한강은 서울을 지나 서해로 흐른다.",
    "The Amazon (3,000 km) \u2019longest\u2019 river\u200b of\u00adSouth America; ﬁne Ａ１ \ud800 x",
    "القاهرة هي عاصمة مصر وأكبر مدنها",
    "東京は日本の首都です hello",
    "a" * 50 + " " + "b" * 21,
]


@pytest.mark.parametrize("numbering", [PythonVectorizer, NumbaVectorizer])
def test_the_terms_are_the_tokens(numbering):
    expected = Analyzer().tokenize(MIXED)
    ours = numbering(Analyzer())
    for _ in range(2):
        assert tokens_of(ours, ours.number(MIXED, None)) == expected
    languages = ["en", "", "fr", "ko", "en", "", "", "de"]
    assert tokens_of(ours, ours.number(MIXED, languages)) == Analyzer().tokenize(MIXED, languages)
    assert ours.number([], None).ids.dtype == np.int32


def test_the_first_terms_have_the_first_numbers():
    ours = PythonVectorizer(Analyzer())
    batch = ours.number(["red wine", "wine red blue"], None)
    assert batch.ids.tolist() == [0, 1, 1, 0, 2]
    assert batch.lengths.tolist() == [2, 3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_text(texts):
    ours = NumbaVectorizer(Analyzer())
    assert tokens_of(ours, ours.number(texts, None)) == Analyzer().tokenize(texts)


def test_a_full_memory_begins_anew(monkeypatch):
    monkeypatch.setattr(term_numbers, "_SLOTS", 64)
    monkeypatch.setattr(term_numbers, "_CHARACTERS", 256)
    monkeypatch.setattr(term_numbers, "_LONGEST_TEXT", 60)
    texts = [f"word{number} other{number} café{number} the" for number in range(100)]
    texts.insert(50, "a text that is longer than the memory of words can ever hold, so that it goes the plain way")
    ours = NumbaVectorizer(Analyzer())
    assert tokens_of(ours, ours.number(texts, None)) == Analyzer().tokenize(texts)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["msmarco", "tydi/ar", "tydi/bn", "tydi/fi", "tydi/ko", "tydi/ru", "xquad-r/zh"])
def test_real_texts(shared, name):
    lines = (shared / "data" / name / "corpus.jsonl").read_text("utf-8").splitlines()[:4000]
    texts = [json.loads(line)["text"] for line in lines]
    ours = NumbaVectorizer(Analyzer())
    assert tokens_of(ours, ours.number(texts, None)) == Analyzer().tokenize(texts)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ab한", ""),
        ("a한", "ko"),
        ("abc한", ""),
        ("한한 ab", "ko"),
        ("the “quoted” word", ""),
        ("“…”", ""),
        ("東京は abcdefg", ""),
    ],
)
def test_most_letters_decide_over_the_language(text, language):
    assert detect_language(text) == language
