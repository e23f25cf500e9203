"""What holds for every document store: the same checks over all of them, real ones.

A further store joins by a line in ``known_stores.STORES``.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hash_embedders import HashDocumentEmbedder, HashTextEmbedder, vector_of
from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers import TextEmbeddingRetriever
from haystack.document_stores.types import DuplicatePolicy
from known_stores import STORES, Place, known_of
from passages import PASSAGES, QUERIES, TOP_K, documents, examples, similarities

from hardneg_plugin import (
    BM25NegativeMiner,
    KnownPositiveFilter,
    MiningExample,
    NegativeDocumentBuilder,
    ParentDocumentFilter,
)
from hardneg_plugin.components.corpus_parameter import open_corpus
from hardneg_plugin.components.retriever_negative_miner import RetrieverNegativeMiner
from hardneg_plugin.errors import HardnegError, RetrievalError
from hardneg_plugin.llm.session import RetryPolicy, session

pytestmark = pytest.mark.integration

every_metric = pytest.mark.parametrize(
    ("name", "metric"), [(name, metric) for name, known in STORES.items() for metric in known.metrics]
)
every = pytest.mark.parametrize("name", STORES)
lasting = pytest.mark.parametrize("name", [name for name, known in STORES.items() if known.lasting])


def miner_of(name: str, store: Any, **parameters: Any) -> RetrieverNegativeMiner:
    retriever = STORES[name].retriever_of(store)
    given = {"top_k": TOP_K, "source": "store", "text_embedder": HashTextEmbedder()} | parameters
    return RetrieverNegativeMiner(retriever, **given)


def mined(name: str, store: Any, given: list[MiningExample] | None = None, **parameters: Any) -> list[MiningExample]:
    return miner_of(name, store, **parameters).run(examples=examples() if given is None else given)["examples"]


def ids(example: MiningExample) -> list[str]:
    found = [one for one in example.candidates if "store" in one.sources]
    return [one.id for one in sorted(found, key=lambda one: one.sources["store"].rank)]


def candidate_ids(example: MiningExample) -> list[str]:
    return [one.id for one in example.candidates]


def rows(example: MiningExample) -> np.ndarray:
    return np.array([int(name[1:]) for name in ids(example)])


# The order is the store's, and larger scores are better


@every_metric
def test_the_ids_are_those_of_an_exact_search(filled, name, metric):
    similarity = similarities(STORES[name].metrics[metric][0])
    for example, of_query in zip(mined(name, filled(name, metric)), similarity, strict=True):
        # Passages of equal similarity may swap places.
        np.testing.assert_allclose(of_query[rows(example)], np.sort(of_query)[::-1][:TOP_K], atol=1e-4)


@every_metric
def test_a_text_embedding_retriever_gives_the_same_order(filled, name, metric):
    store = filled(name, metric)
    wrapped = TextEmbeddingRetriever(retriever=STORES[name].retriever_of(store), text_embedder=HashTextEmbedder())
    after = RetrieverNegativeMiner(wrapped, top_k=TOP_K, source="store").run(examples=examples())["examples"]
    assert after == mined(name, store)


@every_metric
def test_larger_scores_are_better_whatever_the_store_says(filled, name, metric):
    store = filled(name, metric)
    raw = STORES[name].retriever_of(store).run(query_embedding=vector_of(examples()[0].query), top_k=TOP_K)
    scores = [document.score for document in raw["documents"]]
    assert (scores[0] > scores[-1]) is STORES[name].metrics[metric][1]
    after = mined(name, store)
    for example in after:
        kept = [one.sources["store"].score for one in sorted(example.candidates, key=lambda c: c.sources["store"].rank)]
        assert kept == sorted(kept, reverse=True)
    # Five of a query's seven words are its positive's nine.
    positions = [
        ids(example).index(example.positives[0].id) for example in after if example.positives[0].id in ids(example)
    ]
    assert len(positions) > QUERIES * 0.8
    assert np.mean(positions) < 2


# Filters, parents, documents without content, copies


@every
def test_filters_reach_the_store(filled, name):
    filters = {"field": "meta.language", "operator": "==", "value": "ko"}
    after = mined(name, filled(name), filters=filters)
    assert {row % 3 for example in after for row in rows(example)} == {0}


@every
def test_filters_of_a_corpus(filled, name):
    filters = {"field": "meta.language", "operator": "==", "value": "ko"}
    after = BM25NegativeMiner(filled(name), top_k=PASSAGES, filters=filters).run(examples=examples())["examples"]
    assert {int(one.id[1:]) % 3 for example in after for one in example.candidates} == {0}


@every
def test_neighbours_of_the_positive_are_known_by_what_the_splitter_wrote(position, name):
    text = " ".join(f"{document.content}." for document in documents())
    chunks = DocumentSplitter(split_by="word", split_length=30).run([Document(id="whole", content=text)])["documents"]
    others = [replace(one, meta={"language": "en", "source_id": "other"}) for one in documents()[:10]]
    given = [
        Document(id=f"c{number}", content=one.content, meta={"language": "en", "source_id": one.meta["source_id"]})
        for number, one in enumerate(chunks)
    ]
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    store.write_documents(HashDocumentEmbedder().run(given)["documents"] + others)
    after = mined(name, store, [MiningExample("q", " ".join(chunks[0].content.split()[:9]), (given[0],))])
    after = ParentDocumentFilter(parent_key="source_id").run(examples=after)["examples"]
    dropped = {one.id: one.dropped for one in after[0].candidates}
    assert {reason for identifier, reason in dropped.items() if identifier[0] == "c"} == {"parent: same document"}
    assert {reason for identifier, reason in dropped.items() if identifier[0] == "d"} <= {""}


@every
def test_a_corpus_keeps_what_the_parent_is_known_by(filled, name):
    miner = BM25NegativeMiner(filled(name), top_k=20, meta_fields=["source_id"])
    after = ParentDocumentFilter(parent_key="source_id").run(examples=miner.run(examples=examples())["examples"])
    for example in after["examples"]:
        source = example.positives[0].meta["source_id"]
        assert all((one.document.meta["source_id"] == source) == bool(one.dropped) for one in example.candidates)


@every
def test_a_document_without_content_is_no_candidate(position, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    query = examples()[0].query
    store.write_documents([*documents(), Document(id="image", embedding=vector_of(query), meta=documents()[0].meta)])
    (after,) = mined(name, store, examples()[:1])
    assert {one.id: one.dropped for one in after.candidates}.get("image") in (None, "content: missing")
    assert all(one.text for one in after.candidates if not one.dropped)


@every
def test_a_document_without_content_is_left_out_of_a_corpus(position, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    store.write_documents([*documents(), Document(id="image", embedding=vector_of("image"), meta=documents()[0].meta)])
    after = BM25NegativeMiner(store, top_k=PASSAGES + 1).run(examples=examples())["examples"]
    found = {one.id for example in after for one in example.candidates}
    assert found
    assert "image" not in found


@every
def test_copies_of_a_text_are_one_candidate_the_positive_where_it_is_one(position, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    store.write_documents([*documents(), replace(documents()[0], id="copy")])
    (after,) = KnownPositiveFilter().run(examples=mined(name, store, examples()[:1]))["examples"]
    dropped = {one.id: one.dropped for one in after.candidates if one.dropped}
    assert dropped == {"d0": "positive: id"}
    assert "copy" not in ids(after)
    assert len(ids(after)) == TOP_K


def test_negatives_as_documents_keep_their_meta_in_a_store_of_flat_meta(filled, position):
    given = [replace(one, query=examples()[0].query) for one in examples()[:4]]
    negatives = NegativeDocumentBuilder().run(examples=mined("memory", filled("memory"), given))["documents"]
    store = STORES["chroma"].open(position("chroma"), "l2")
    store.write_documents(HashDocumentEmbedder().run(negatives)["documents"], DuplicatePolicy.OVERWRITE)
    written = {document.id: document.meta for document in store.filter_documents()}
    # The same passages for four examples are a document of each.
    assert len(written) == 4 * TOP_K
    # Chroma reads the last digit of some numbers otherwise.
    assert written == {document.id: pytest.approx(document.meta) for document in negatives}


# Processes, event loops, stores that change


@pytest.fixture(scope="session")
def said_by_a_fresh_process(request, tmp_path_factory) -> dict[str, list[str]]:
    """What the pipelines of all installed stores find in another process, which loads them from YAML."""
    folder = tmp_path_factory.mktemp("fresh")
    for name, known in STORES.items():
        if importlib.util.find_spec(known.module.partition(".")[0]) is None:
            continue
        (folder / name).mkdir()
        at = Place(folder / name, request.getfixturevalue("connection") if known.database else None)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        store = known.open(Place(elsewhere) if known.one_process else at, next(iter(known.metrics)))
        if not known.one_process:
            store.write_documents(documents())
        pipeline = Pipeline()
        pipeline.add_component("miner", miner_of(name, store))
        yaml = pipeline.dumps().replace(str(elsewhere), str(folder / name))
        (folder / name / "pipeline.yaml").write_text(yaml, "utf-8")
        # A store in a folder is one process's at a time.
        pipeline.close()
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "HAYSTACK_DESERIALIZATION_ALLOWLIST": "hash_embedders,milvus_haystack,lancedb_haystack,hardneg_plugin",
        "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(here / "fresh_process.py"), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads((folder / "said.json").read_text("utf-8"))


@every
def test_a_pipeline_of_it_works_in_a_fresh_process(filled, said_by_a_fresh_process, name):
    store = filled(name)
    said = said_by_a_fresh_process[name]
    if STORES[name].lasting:
        assert said == [" ".join(one.id for one in example.candidates) for example in mined(name, store)]
    else:
        assert "found nothing for 20 of 20 examples" in said[0]
        assert "has no documents; one in memory is empty after it was loaded" in said[0]


@every
async def test_asynchronously_it_finds_the_same_or_says_why_not(filled, name):
    miner = miner_of(name, filled(name))
    if name == "qdrant-memory":
        with pytest.raises(RetrievalError, match="its run finds what its run_async does not"):
            await miner.run_async(examples=examples())
    elif name in ("qdrant-path", "chroma"):
        message = "already accessed by another instance|Async support in Chroma is only available for remote"
        with pytest.raises(RetrievalError, match=message):
            await miner.run_async(examples=examples())
    else:
        assert (await miner.run_async(examples=examples()))["examples"] == miner.run(examples=examples())["examples"]
        if hasattr(miner.retriever, "close_async"):
            await miner.retriever.close_async()


@every
def test_an_empty_store_is_an_error_that_names_it(position, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    with pytest.raises(RetrievalError, match=f"found nothing for 20 of 20 .* its {type(store).__name__} has no docum"):
        mined(name, store)


@every
def test_what_was_written_later_is_found(position, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    store.write_documents(documents())
    miner = miner_of(name, store)
    query = examples()[0].query
    assert "late" not in ids(miner.run(examples=examples()[:1])["examples"][0])
    late = Document(id="late", content=query, embedding=vector_of(query), meta=documents()[0].meta)
    store.write_documents([late])
    assert "late" in ids(miner.run(examples=examples()[:1])["examples"][0])


@every
def test_what_was_written_later_is_noticed_by_a_corpus(position, caplog, name):
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    store.write_documents(documents())
    miner = BM25NegativeMiner(store)
    miner.warm_up()
    store.write_documents([Document(id="late", content="late", embedding=vector_of("x"), meta=documents()[0].meta)])
    with caplog.at_level(logging.WARNING):
        try:
            miner.run(examples=examples())
            said = caplog.text
        except HardnegError as error:
            said = str(error)
    assert "61" in said


@every
def test_a_fault_in_the_middle_loses_no_answer(filled, monkeypatch, name):
    miner, retriever = miner_of(name, filled(name)), type(miner_of(name, filled(name)).retriever)
    expected = miner.run(examples=examples())["examples"]
    whole, asked = retriever.run, []

    def breaks(self: Any, *args: Any, **inputs: Any) -> Any:
        asked.append(inputs["query_embedding"])
        if len(asked) > 15:
            msg = "the server is gone"
            raise ConnectionError(msg)
        return whole(self, *args, **inputs)

    with session(retries=RetryPolicy(tries=2, base=0.0)):
        monkeypatch.setattr(retriever, "run", breaks)
        with pytest.raises(RetrievalError, match="'q15' could not be asked 2 times: ConnectionError") as caught:
            miner.run(examples=examples())
        assert "15 of 20 answers are kept" in caught.value.__notes__[0]
        asked.clear()
        assert miner.run(examples=examples())["examples"] == expected
        assert len(asked) == 5


# Cost, files, size


@every
def test_it_asks_each_query_once_and_embeds_in_batches(filled, monkeypatch, name):
    embedder = HashTextEmbedder()
    miner = miner_of(name, filled(name), text_embedder=embedder)
    retriever, asked = type(miner.retriever), []
    whole = retriever.run
    monkeypatch.setattr(retriever, "run", lambda self, **inputs: asked.append(1) or whole(self, **inputs))
    after = miner.run(examples=[*examples(), *[replace(one, id=f"again-{one.id}") for one in examples()]])["examples"]
    assert len(after) == 2 * QUERIES
    assert len(asked) == QUERIES
    assert embedder.calls == 2


@lasting
@pytest.mark.parametrize("of_a_corpus", [False, True], ids=["retriever", "corpus"])
def test_close_releases_the_store(position, name, of_a_corpus):
    at, metric = position(name), next(iter(STORES[name].metrics))
    store = STORES[name].open(at, metric)
    store.write_documents(documents())
    miner = BM25NegativeMiner(store) if of_a_corpus else miner_of(name, store)
    before = [candidate_ids(example) for example in miner.run(examples=examples())["examples"]]
    miner.close()
    # Another one opens what is there: a local Qdrant folder would be locked.
    other = STORES[name].open(at, metric)
    assert other.count_documents() == PASSAGES
    if hasattr(other, "close"):
        other.close()
    assert [candidate_ids(example) for example in miner.run(examples=examples())["examples"]] == before


def test_a_corpus_is_not_held_in_memory_as_documents(position):
    at = position("pgvector")
    store = STORES["pgvector"].open(at, next(iter(STORES["pgvector"].metrics)))
    texts = [document.content for document in documents()]
    given = [
        Document(
            id=f"n{number}",
            content=texts[number % PASSAGES],
            embedding=vector_of(texts[number % PASSAGES]),
            # By the values of a key this store is read in parts; without any it gives one list.
            meta={"source_id": f"s{number // 20}"},
        )
        for number in range(6_000)
    ]
    store.write_documents(given)
    del given
    # What the first corpus imports stays in memory.
    open_corpus(store, {"field": "meta.source_id", "operator": "==", "value": "s0"})
    as_list = peak_of(lambda: list(store.filter_documents()), 6_000)
    # A third of the documents are read at a time, and their texts are kept until they are sorted.
    own = peak_of(lambda: open_corpus(store), 6_000)
    assert own < as_list * 0.6, (own, as_list)


def peak_of(read: Callable[[], Any], size: int) -> int:
    """Memory of Python objects while something of that size is read."""
    tracemalloc.start()
    try:
        assert len(read()) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE = 12_000


def large_store(position: Any, name: str) -> Any:
    known_of(name)
    store = STORES[name].open(position(name), next(iter(STORES[name].metrics)))
    vectors = np.random.default_rng(0).standard_normal((LARGE, 64)).astype(np.float32)
    given = [
        Document(id=f"n{number}", content=f"passage {number}", embedding=vector.tolist(), meta={"language": "en"})
        for number, vector in enumerate(vectors)
    ]
    given[-1] = replace(given[-1], content=examples()[0].query, embedding=vector_of(examples()[0].query))
    for start in range(0, LARGE, 2_000):
        store.write_documents(given[start : start + 2_000])
    assert store.count_documents() == LARGE
    return store


def test_of_more_than_10000_documents_all_are_searched(position):
    assert f"n{LARGE - 1}" in ids(mined("milvus", large_store(position, "milvus"), examples()[:1])[0])


def test_of_more_than_10000_documents_all_are_in_a_corpus(position):
    store = large_store(position, "milvus")
    (after,) = BM25NegativeMiner(store).run(examples=examples()[:1])["examples"]
    assert f"n{LARGE - 1}" in {one.id for one in after.candidates}
