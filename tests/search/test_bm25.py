from __future__ import annotations

import math

import numpy as np
import pytest

from hardneg_plugin import cache
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.search.bm25 import index as bm25
from hardneg_plugin.search.bm25.index import BM25Index


class WordAnalyzer:
    """Words between spaces: what a test can count by hand."""

    fingerprint = "words"

    def tokenize(self, texts, languages=None):
        return [text.split() for text in texts]


def lucene(frequency, length, mean, documents, holding, k1=1.2, b=0.75):
    """Weight of one term as Lucene has it, without its constant factor k1 + 1."""
    idf = math.log(1 + (documents - holding + 0.5) / (holding + 0.5))
    return idf * frequency / (frequency + k1 * (1 - b + b * length / mean))


THREE = ["red wine red", "blue wine", "green grass and more green grass and"]  # 3, 2 and 7 words: 4 in the mean


@pytest.fixture
def three(make_corpus):
    return BM25Index(make_corpus(THREE), analyzer=WordAnalyzer())


def test_scores_by_hand(three):
    hits = three.search(["red wine", "wine", "grass grass nothing"], None, 3)
    red = lucene(2, 3, 4, 3, 1)
    wine_in_first, wine_in_second = lucene(1, 3, 4, 3, 2), lucene(1, 2, 4, 3, 2)
    grass = lucene(2, 7, 4, 3, 1)
    assert hits.rows.tolist() == [[0, 1, -1], [1, 0, -1], [2, -1, -1]]
    nan = float("nan")
    expected = [
        [red + wine_in_first, wine_in_second, nan],
        [wine_in_second, wine_in_first, nan],
        [2 * grass, nan, nan],
    ]
    np.testing.assert_allclose(hits.scores, expected, rtol=0, atol=1e-5)
    # The numbers themselves, so that the helper above cannot be wrong in the same way.
    assert hits.scores[0, 0] == pytest.approx(0.98083 * 2 / 2.975 + 0.47000 / 1.975, abs=1e-4)


def test_other_parameters(make_corpus):
    index = BM25Index(make_corpus(THREE), k1=2.0, b=0.0, analyzer=WordAnalyzer())
    expected = lucene(2, 3, 4, 3, 1, k1=2.0, b=0.0)
    assert index.search(["red"], None, 1).scores[0, 0] == pytest.approx(expected, abs=1e-5)
    assert expected == pytest.approx(0.98083 * 2 / 4, abs=1e-4)


def test_nothing_found_is_padding(three):
    hits = three.search(["purple", "", "wine"], None, 2)
    assert hits.rows.tolist() == [[-1, -1], [-1, -1], [1, 0]]
    assert np.isnan(hits.scores[:2]).all()
    assert three.search(["purple"], None, 2).rows.tolist() == [[-1, -1]]
    assert three.search([], None, 2).rows.shape == (0, 2)


def test_more_than_the_corpus_has(three):
    hits = three.search(["wine"], None, 10)
    assert hits.rows.tolist() == [[1, 0, *[-1] * 8]]
    assert hits.scores.shape == (1, 10)
    assert hits.rows.dtype == np.int64
    assert hits.scores.dtype == np.float32


def test_ties_stand_in_row_order_and_the_lowest_rows_are_found(make_corpus):
    texts = ["apple pie", "cherry apple tart with more words"] * 20 + ["apple apple"]
    index = BM25Index(make_corpus(texts), analyzer=WordAnalyzer())
    short = list(range(0, 40, 2))
    long = list(range(1, 40, 2))
    for k in (1, 2, 5, 21, 22, 30, 41):
        assert index.search(["apple"], None, k).rows[0].tolist() == [40, *short, *long][:k]
    hits = index.search(["apple", "cherry", "apple pie"], None, 4)
    assert hits.rows.tolist() == [[40, 0, 2, 4], [1, 3, 5, 7], [0, 2, 4, 6]]
    assert len(set(hits.scores[1].tolist())) == 1


@pytest.mark.integration
def test_ties_are_the_same_in_either_backend(make_corpus, monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), size=rng.integers(1, 6))) for _ in range(300)]
    queries = [" ".join(rng.choice(list("abcdefgh"), size=2)) for _ in range(40)]
    corpus = make_corpus(texts)
    plain = BM25Index(corpus, analyzer=WordAnalyzer()).search(queries, None, 10)
    monkeypatch.setattr(bm25, "COMPILED_FROM_ROWS", 1)
    compiled = BM25Index(corpus, analyzer=WordAnalyzer()).search(queries, None, 10)
    assert np.array_equal(plain.rows, compiled.rows)
    assert np.array_equal(plain.scores, compiled.scores, equal_nan=True)
    every = BM25Index(corpus, analyzer=WordAnalyzer()).search(queries, None, 300)
    assert np.array_equal(every.rows[:, :10], plain.rows)


def test_an_index_is_built_once_and_kept_in_the_cache(make_corpus, monkeypatch):
    corpus = make_corpus(THREE)
    first = BM25Index(corpus, analyzer=WordAnalyzer())

    def never(*_, **__):
        pytest.fail("the index was built again")

    monkeypatch.setattr(bm25, "_build", never)
    second = BM25Index(corpus, analyzer=WordAnalyzer())
    assert [entry.kind for entry in cache.entries()].count("bm25") == 1
    assert second.search(["red wine"], None, 3).rows.tolist() == first.search(["red wine"], None, 3).rows.tolist()


def test_parameters_corpus_and_analyzer_have_indexes_of_their_own(make_corpus):
    class OtherAnalyzer(WordAnalyzer):
        fingerprint = "other words"

    corpus = make_corpus(THREE)
    BM25Index(corpus, analyzer=WordAnalyzer())
    BM25Index(corpus, k1=1.3, analyzer=WordAnalyzer())
    BM25Index(corpus, b=0.5, analyzer=WordAnalyzer())
    BM25Index(corpus, analyzer=OtherAnalyzer())
    BM25Index(make_corpus(THREE[::-1]), analyzer=WordAnalyzer())
    assert len([entry for entry in cache.entries() if entry.kind == "bm25"]) == 5


@pytest.mark.parametrize(("k1", "b"), [(-0.1, 0.75), (1.2, -0.1), (1.2, 1.1)])
def test_parameters_out_of_range(make_corpus, k1, b):
    with pytest.raises(ParameterError, match=f"got k1={k1}, b={b}"):
        BM25Index(make_corpus(THREE), k1=k1, b=b)


def test_a_corpus_without_a_word(make_corpus):
    corpus = make_corpus(["...", "!?"])
    with pytest.raises(DatasetError, match=f"no passage of corpus {corpus.key} has a word"):
        BM25Index(corpus)
    assert not [entry for entry in cache.entries() if entry.kind == "bm25"]


def test_the_default_analysis_finds_words_of_all_three_languages(tiny_beir):
    dataset = load_dataset(f"beir:{tiny_beir}")
    index = BM25Index(dataset.corpus)
    queries = [*dataset.queries("train"), *dataset.queries("test")]
    hits = index.search([query.text for query in queries], [query.language for query in queries], 3)
    best = dataset.corpus.ids(hits.rows[:, 0])
    assert best == ["p1", "p2", "k1", "a2", "p5"]
    # The same text under two ids: the same score, in row order.
    assert dataset.corpus.ids(hits.rows[1, :2]) == ["p2", "p9"]
    assert hits.scores[1, 0] == hits.scores[1, 1]
