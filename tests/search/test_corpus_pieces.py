"""A corpus as the pieces of a lookup table: the same vectors, split once."""

from __future__ import annotations

import numpy as np
import pytest

from hardneg_plugin.cache import cache_root
from hardneg_plugin.evaluation import model_retriever
from hardneg_plugin.search.token_cache import KIND, corpus_pieces, encode_tokens, sums_token_vectors

TEXTS = ["red wine", "the sky is blue", "", "green grass is the green of the sea", "apple", "zzz 東京 wine"]


def test_pieces_are_those_of_the_tokenizer(make_static, make_corpus):
    tokenizer = make_static()[0].tokenizer
    ids, ends = corpus_pieces(tokenizer, make_corpus(TEXTS[:2]))
    expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS[:2]]
    assert ids.tolist() == expected[0] + expected[1]
    assert ends.tolist() == [len(expected[0]), len(expected[0]) + len(expected[1])]


@pytest.mark.parametrize("max_length", [None, 2])
def test_the_vectors_are_those_of_the_model_bit_for_bit(make_static, make_corpus, max_length):
    model = make_static(max_length=max_length)
    # More passages than are looked up at once.
    texts = TEXTS * 700
    expected = model.encode_document(texts, batch_size=512, show_progress_bar=False)
    assert encode_tokens(model, make_corpus(texts)).tobytes() == expected.tobytes()


def test_a_real_model_gives_its_own_vectors(shared, make_corpus):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(shared / "models/potion-base-4m"))
    assert sums_token_vectors(model)
    texts = [text for text in TEXTS if text]
    expected = model.encode_document(texts, show_progress_bar=False)
    assert encode_tokens(model, make_corpus(texts)).tobytes() == expected.tobytes()


def test_models_of_one_tokenizer_share_the_pieces(make_static, make_corpus):
    corpus = make_corpus(TEXTS)
    first, second = encode_tokens(make_static(seed=1), corpus), encode_tokens(make_static(seed=2), corpus)
    assert not np.array_equal(first, second)
    assert len(list((cache_root() / KIND).iterdir())) == 1
    encode_tokens(make_static(max_length=1), corpus)
    assert len(list((cache_root() / KIND).iterdir())) == 2


def test_only_a_bare_table_is_one(make_static, small_bert, tmp_path):
    model = make_static()
    assert sums_token_vectors(model)
    assert not sums_token_vectors(small_bert(tmp_path / "bert"))
    assert not sums_token_vectors("a folder")
    model.prompts = {"document": "passage: "}
    assert not sums_token_vectors(model)
    model.prompts = {}
    model.truncate_dim = 4
    assert not sums_token_vectors(model)


def test_evaluation_takes_the_pieces_and_finds_the_same(make_static, make_corpus):
    model, corpus = make_static(), make_corpus(TEXTS[:2] + TEXTS[3:])

    class Texts:
        """The same corpus as anything that gives texts."""

        def __len__(self):
            return len(corpus)

        def iter_texts(self):
            return corpus.iter_texts()

    asked = (["blue sky", "wine"], ["en", "en"], 3)
    hits, plain = model_retriever(model, corpus)(*asked), model_retriever(model, Texts())(*asked)
    assert (cache_root() / KIND).is_dir()
    assert hits.rows.tolist() == plain.rows.tolist()
    assert hits.scores.tobytes() == plain.scores.tobytes()
