"""Mining from a real PostgreSQL with pgvector beside other miners."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers import TextEmbeddingRetriever
from haystack.utils import Secret
from postgres import new_server

from hardneg_plugin import BM25NegativeMiner, KnownPositiveFilter, MiningExample, load_dataset
from hardneg_plugin.components.dense_negative_miner import DenseNegativeMiner
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
from hardneg_plugin.search.dense.search import exact_search

pytestmark = pytest.mark.integration
PASSAGES, QUERIES, DIMS = 3_000, 40, 128


@pytest.fixture(scope="module")
def connection() -> Iterator[Secret]:
    """Connection to a server with pgvector."""
    server = new_server()
    try:
        yield Secret.from_token(server.start())
    finally:
        server.stop()


@pytest.fixture(scope="module")
def potion(shared):
    return str(shared / "models" / "potion-base-4m")


@pytest.fixture
def data(shared, tmp_path, make_beir):
    """Spec of 3,000 MS MARCO passages with the positives of 40 queries, and the examples."""
    from hardneg_plugin import ExampleShards

    whole = load_dataset(f"beir:{shared / 'data' / 'msmarco'}")
    given = ExampleShards(whole, "test")[0][:QUERIES]
    ids = dict.fromkeys([example.positives[0].id for example in given] + whole.corpus.ids(range(PASSAGES)))
    rows = whole.corpus.rows_of(list(ids)[:PASSAGES])
    passages = [{"_id": name, "text": text} for name, text in zip(list(ids), whole.corpus.texts(rows), strict=False)]
    queries = [{"_id": one.id, "text": one.query} for one in given]
    spec = f"beir:{make_beir(passages, queries, {'test': [(one.id, one.positives[0].id, 1) for one in given]})}"
    return spec, list(ExampleShards(load_dataset(spec), "test")[0])


@pytest.fixture
def retriever(connection, data, potion):
    """Retriever over the passages in PostgreSQL, and one document that is in no corpus."""
    from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore
    from sentence_transformers import SentenceTransformer

    corpus, model = load_dataset(data[0]).corpus, SentenceTransformer(potion)
    store = PgvectorDocumentStore(connection_string=connection, embedding_dimension=DIMS, recreate_table=True)
    texts = [*corpus.iter_texts(), data[1][0].query]
    ids = [*corpus.ids(range(len(corpus))), "the query itself"]
    vectors = model.encode_document(texts)
    store.write_documents(
        [
            Document(id=name, content=text, embedding=vector.tolist())
            for name, text, vector in zip(ids, texts, vectors, strict=True)
        ]
    )
    assert store.count_documents() == PASSAGES + 1
    return TextEmbeddingRetriever(
        retriever=PgvectorEmbeddingRetriever(document_store=store), text_embedder=QueryEmbedder(model)
    )


class QueryEmbedder:
    """A text embedder of a model that is loaded already."""

    def __init__(self, model) -> None:
        self._model = model

    def run(self, text: str):
        return {"embedding": self._model.encode_query([text])[0].tolist()}


def ids(example: MiningExample, source: str) -> list[str]:
    found = [one for one in example.candidates if source in one.sources]
    return [one.id for one in sorted(found, key=lambda one: one.sources[source].rank)]


async def test_pgvector_finds_what_the_exact_search_finds(retriever, data, potion):
    from sentence_transformers import SentenceTransformer

    spec, examples = data
    miner = RetrieverNegativeMiner(retriever, top_k=10, source="pgvector")
    after = miner.run(examples=examples)["examples"]
    model, corpus = SentenceTransformer(potion), load_dataset(spec).corpus
    vectors = model.encode_document([*corpus.iter_texts(), examples[0].query])
    hits = exact_search(model.encode_query([one.query for one in examples]), vectors, 10, "cosine")
    names = [*corpus.ids(range(len(corpus))), "the query itself"]
    for number, example in enumerate(after):
        found = [one.sources["pgvector"].score for one in example.candidates]
        np.testing.assert_allclose(found, hits.scores[number], atol=1e-5)
        # Scores that agree to the fifth digit may swap places.
        assert len(set(ids(example, "pgvector")) & {names[row] for row in hits.rows[number]}) >= 9
    assert ids(after[0], "pgvector")[0] == "the query itself"
    # Asked three at a time, no query gets the answer to another.
    assert (await miner.run_async(examples=examples))["examples"] == after
    await miner.close_async()


def test_a_mixed_pool_of_bm25_pgvector_and_dense(retriever, data, potion):
    spec, examples = data
    pipeline = Pipeline()
    pipeline.add_component("bm25", BM25NegativeMiner(spec, top_k=10))
    pipeline.add_component("pgvector", RetrieverNegativeMiner(retriever, top_k=10, source="pgvector"))
    pipeline.add_component("dense", DenseNegativeMiner(spec, potion, top_k=10, source="dense"))
    pipeline.add_component("positives", KnownPositiveFilter())
    for sender, receiver in (("bm25", "pgvector"), ("pgvector", "dense"), ("dense", "positives")):
        pipeline.connect(f"{sender}.examples", f"{receiver}.examples")
    after = pipeline.run({"bm25": {"examples": examples}})["positives"]["examples"]
    combinations = {tuple(one.sources) for example in after for one in example.candidates}
    assert {("bm25",), ("pgvector", "dense"), ("bm25", "pgvector", "dense")} <= combinations
    for example in after:
        names = [one.id for one in example.candidates]
        assert len(names) == len(set(names))
        # The same model behind both: they agree but for near ties and the document that is in no corpus.
        assert len(set(ids(example, "pgvector")) & set(ids(example, "dense"))) >= 8
        for one in example.candidates:
            if "pgvector" in one.sources:
                assert one.scores["dense"] == pytest.approx(one.sources["pgvector"].score, abs=1e-5)
    first = {one.id: one.dropped for one in after[0].candidates}
    assert first["the query itself"] == "query: text"
    assert sum("positive: id" in {one.dropped for one in example.candidates} for example in after) > QUERIES // 2
