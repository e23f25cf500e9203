from __future__ import annotations

import numpy as np
import pytest

from hardneg_plugin.errors import ModelError, ParameterError
from hardneg_plugin.search.dense.search import encode, similarity_of
from hardneg_plugin.search.encoder import DualEncoder, load_model


def vectors(encoder, kind, *texts):
    return encode(encoder, list(texts), kind=kind, batch_size=2)


def test_without_parameters_it_encodes_as_the_model_does(make_static):
    model = make_static()
    model.prompts = {"query": "red ", "passage": "blue "}
    encoder = DualEncoder(model)
    np.testing.assert_array_equal(vectors(encoder, "query", "wine", "tea"), model.encode_query(["wine", "tea"]))
    np.testing.assert_array_equal(vectors(encoder, "passage", "wine"), model.encode_document(["wine"]))
    np.testing.assert_array_equal(vectors(encoder, "query", "wine"), model.encode(["red wine"]))


@pytest.mark.parametrize(
    ("prompts", "default", "query", "passage"),
    [
        ({}, None, "", ""),
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, None, "q: ", "d: "),
        ({"passage": "p: ", "corpus": "c: "}, None, "", "p: "),
        ({"corpus": "c: ", "other": "o: "}, "other", "o: ", "c: "),
        ({"query": "", "other": "o: "}, "other", "", "o: "),
    ],
)
def test_prompts_are_found_where_sentence_transformers_finds_them(make_static, prompts, default, query, passage):
    model = make_static()
    model.prompts, model.default_prompt_name = prompts, default
    encoder = DualEncoder(model)
    assert (encoder.prompt("query"), encoder.prompt("passage")) == (query, passage)
    np.testing.assert_array_equal(vectors(encoder, "query", "wine"), model.encode_query(["wine"]))
    np.testing.assert_array_equal(vectors(encoder, "passage", "wine"), model.encode_document(["wine"]))


def test_given_prompts_win_also_when_empty(make_static):
    model = make_static()
    model.prompts = {"query": "red ", "document": "blue "}
    encoder = DualEncoder(model, query_prompt="green ", passage_prompt="")
    np.testing.assert_array_equal(vectors(encoder, "query", "tea"), model.encode(["green tea"]))
    np.testing.assert_array_equal(vectors(encoder, "passage", "tea"), model.encode(["tea"]))


def test_dimensions_are_cut(make_static):
    model = make_static()
    whole = vectors(DualEncoder(model), "passage", "red tea")
    np.testing.assert_array_equal(vectors(DualEncoder(model, truncate_dim=3), "passage", "red tea"), whole[:, :3])
    model.truncate_dim = 5
    assert vectors(DualEncoder(model), "query", "tea").shape == (1, 5)


def test_the_identity_has_what_the_vectors_depend_on(make_static):
    model = make_static()
    encoders = [
        DualEncoder(model),
        DualEncoder(model, passage_prompt="a "),
        DualEncoder(model, truncate_dim=4),
        DualEncoder(make_static(1)),
    ]
    assert len({str(encoder.identity("passage")) for encoder in encoders}) == 4
    assert encoders[0].identity("query") != encoders[0].identity("passage")
    # The prompt of queries is nothing to passages.
    assert DualEncoder(model, query_prompt="a ").identity("passage") == encoders[0].identity("passage")


def test_the_similarity_is_the_model_s(make_static):
    model = make_static()
    model.similarity_fn_name = "dot"
    assert similarity_of(DualEncoder(model)) == "dot"


def test_loading_sets_length_and_precision(make_static, small_bert, tmp_path):
    make_static().save(str(tmp_path / "static"), create_model_card=False)
    short = load_model(str(tmp_path / "static"), max_length=2)
    np.testing.assert_array_equal(short.encode(["red tea wine"]), short.encode(["red tea"]))
    small_bert(tmp_path / "raw").save(str(tmp_path / "bert"), create_model_card=False)
    loaded = load_model(str(tmp_path / "bert"), max_length=5, dtype="bfloat16")
    assert (loaded.max_seq_length, str(loaded.dtype)) == (5, "torch.bfloat16")
    with pytest.raises(ParameterError, match="max_length 17 is more than the model reads: 16 tokens"):
        load_model(str(tmp_path / "bert"), max_length=17)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/folder/here", "model: there is no folder no/such/folder/here"),
        ("nobody/has-this-model", "model: no sentence-transformers model can be loaded from 'nobody/has-this-model'"),
    ],
)
def test_a_model_that_is_not_there_is_named(name, message):
    with pytest.raises(ModelError, match=message):
        load_model(name)
