"""A dense miner over a document store: the meta its embedder reads, and the vectors the store holds already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dense_models import LetterDocumentEmbedder, LetterTextEmbedder, saved_model, static_model
from haystack import Document, component, default_to_dict
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import MiningExample
from hardneg_plugin.components.dense_negative_miner import DenseNegativeMiner
from hardneg_plugin.errors import DatasetError, ParameterError

EXAMPLES = [MiningExample("q", "bad bee", (Document(id="out", content="ace", meta={"name": "bbb"}),))]
TEXTS = {"1": "a cab", "2": "bed", "3": "dead", "4": "eee"}
NAMES = {"1": "dd", "2": "", "3": "cab"}


@component
class NamedDocumentEmbedder:
    """Counts letters of the meta that is to be embedded and of the text, as Haystack's embedders join them."""

    def __init__(self, meta_fields_to_embed: list[str] | None = None) -> None:
        self.meta_fields_to_embed = meta_fields_to_embed or []

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, meta_fields_to_embed=self.meta_fields_to_embed)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        def joined(one):
            named = [str(one.meta[key]) for key in self.meta_fields_to_embed if one.meta.get(key)]
            return replace(one, content="\n".join([*named, one.content or ""]))

        return LetterDocumentEmbedder().run([joined(one) for one in documents])


def counts(text):
    return [float(text.lower().count(letter)) for letter in "abcde"]


def store_of(documents):
    store = InMemoryDocumentStore()
    store.write_documents(documents)
    return store


def named_store():
    return store_of([Document(id=key, content=text, meta={"name": NAMES.get(key)}) for key, text in TEXTS.items()])


def pair(fields):
    return {
        "model": None,
        "similarity": "dot",
        "text_embedder": LetterTextEmbedder(),
        "document_embedder": NamedDocumentEmbedder(fields),
        "source": "d",
    }


def scores(example):
    return {one.id: one.scores["d"] for one in example.candidates}


def dot(texts):
    query = counts(EXAMPLES[0].query)
    return {key: float(np.dot(query, counts(text))) for key, text in texts.items()}


def test_the_meta_that_an_embedder_reads_is_handed_over():
    whole = {key: f"{NAMES.get(key) or ''}\n{text}" for key, text in TEXTS.items()}
    example = DenseNegativeMiner(named_store(), **pair(["name"])).run(examples=EXAMPLES)["examples"][0]
    assert scores(example) == dot(whole)
    # A positive outside the corpus is embedded with its own.
    assert example.candidates.positive_scores["d"] == [dot({"x": "bbb\nace"})["x"]]
    plain = DenseNegativeMiner(named_store(), **pair([])).run(examples=EXAMPLES)["examples"][0]
    assert scores(plain) == dot(TEXTS)


def test_other_meta_has_other_vectors():
    first = DenseNegativeMiner(named_store(), **pair(["name"])).run(examples=EXAMPLES)["examples"][0]
    renamed = store_of([Document(id=key, content=text, meta={"name": "b"}) for key, text in TEXTS.items()])
    second = DenseNegativeMiner(renamed, **pair(["name"])).run(examples=EXAMPLES)["examples"][0]
    assert scores(second) == dot({key: f"b\n{text}" for key, text in TEXTS.items()})
    assert scores(first) != scores(second)


def test_a_title_is_embedded_once(make_beir):
    passages = [{"_id": "1", "title": "bee", "text": "a cab"}, {"_id": "2", "text": "bed"}]
    spec = f"beir:{make_beir(passages, [{'_id': 'q', 'text': 'x'}], {'train': [('q', '1', 1)]})}"
    example = DenseNegativeMiner(spec, **pair(["title"])).run(examples=EXAMPLES)["examples"][0]
    assert scores(example) == dot({"1": "bee\na cab", "2": "bed"})


def test_meta_that_a_dataset_does_not_keep_is_an_error(spec):
    with pytest.raises(DatasetError, match="keeps no meta 'author', only title and language"):
        DenseNegativeMiner(spec, **pair(["title", "author"])).warm_up()


# Vectors that the store holds


def model_store(model, change=lambda vector: vector, without=()):
    texts = ["honey bees dance", "the longest river", "flowers of South America", "한강은 서울을 지나"]
    vectors = model.encode_document(texts)
    return store_of(
        [
            Document(id=str(key), content=text, embedding=None if key in without else change(vector).tolist())
            for key, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
    )


def mined(store, model, **parameters):
    miner = DenseNegativeMiner(store, model, source="d", **parameters)
    return miner.run(examples=[MiningExample("q", "where do bees dance")])["examples"][0]


@pytest.mark.parametrize("without", [(), (1, 3)])
def test_the_vectors_of_a_store_give_what_the_model_gives(without, monkeypatch):
    model = static_model()
    store = model_store(model, without=without)
    encoded = mined(store, model, vectors="encode")
    assert list(map(repr, mined(store, model, vectors="store").candidates)) == list(map(repr, encoded.candidates))


def test_passages_with_vectors_are_not_encoded_again(tmp_path, monkeypatch):
    texts = [f"bees number {number}" for number in range(200)]
    model = static_model()
    store = store_of(
        [
            Document(id=str(key), content=text, embedding=vector.tolist())
            for key, (text, vector) in enumerate(zip(texts, model.encode_document(texts), strict=True))
        ]
    )
    asked = []
    encode_document = type(model).encode_document
    monkeypatch.setattr(
        type(model),
        "encode_document",
        lambda self, given, **kw: asked.extend(given) or encode_document(self, given, **kw),
    )
    miner = DenseNegativeMiner(store, saved_model(tmp_path / "m"), source="d", vectors="store")
    example = miner.run(examples=[MiningExample("q", "where do bees dance")])["examples"][0]
    assert len(example.candidates) == 100
    assert 0 < len(set(asked)) <= 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vector: np.roll(vector, 1), "those in the store are not the model's: that of document '. has cosine"),
        (lambda vector: vector[:8], "those in the store have 8 dimensions, the model's have 16"),
        (lambda vector: vector * np.nan, "the vector of document '.' in the store has NaN or infinite values"),
    ],
)
def test_vectors_of_another_model_are_refused(change, message):
    model = static_model()
    miner = DenseNegativeMiner(model_store(model, change), model, vectors="store")
    for _ in range(2):
        with pytest.raises(ParameterError, match=message.replace("'. has", "'.' has")):
            miner.warm_up()


def test_vectors_of_other_lengths_are_compared_by_cosine_alone():
    model = static_model(normalise=False)
    store = model_store(model, lambda vector: vector / np.linalg.norm(vector))
    assert len(mined(store, model, vectors="store").candidates) == 4
    with pytest.raises(ParameterError, match="the store has changed the lengths of the vectors, which dot compares"):
        mined(store, model, vectors="store", similarity="dot")


def test_a_store_without_vectors_says_so():
    model = static_model()
    with pytest.raises(ParameterError, match="none of the 4 documents in the store has one; leave `vectors` at encode"):
        mined(model_store(model, without=range(4)), model, vectors="store")


def test_documents_that_are_written_later_bring_their_vectors():
    model = static_model()
    store = model_store(model)
    miner = DenseNegativeMiner(store, model, source="d", vectors="store")
    given = [MiningExample("q", "where do bees dance")]
    miner.run(examples=given)
    vector = model.encode_document(["where do bees dance"])[0].tolist()
    store.write_documents([Document(id="late", content="where do bees dance", embedding=vector)])
    assert miner.run(examples=given)["examples"][0].candidates[0].id == "late"
