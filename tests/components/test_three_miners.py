"""Three miners in one pipeline, from YAML: words, vectors and a document store."""

from __future__ import annotations

import asyncio

import pytest
from component_case import tiny_model
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import (
    BM25NegativeMiner,
    DenseNegativeMiner,
    KnownPositiveFilter,
    NegativeSampler,
    PositiveAwareFilter,
    RetrieverNegativeMiner,
    load_dataset,
)

# The first is in no corpus, the second is a positive of q2 under an id of the store's own.
EXTRA = [
    Document(id="extra", content="the longest river of Asia"),
    Document(id="copy", content="honey bees dance to tell each other where flowers are!"),
]


@pytest.fixture
def text(spec) -> str:
    """The pipeline's YAML. The store is found by its index in the process: a YAML file holds no documents."""
    corpus = load_dataset(spec).corpus
    store = InMemoryDocumentStore(index=f"three miners of {spec}")
    store.write_documents([*map(corpus.document, range(len(corpus))), *EXTRA])
    stages = {
        "words": BM25NegativeMiner(spec, top_k=4),
        "vectors": DenseNegativeMiner(spec, tiny_model(), top_k=4, source="dense"),
        "store": RetrieverNegativeMiner(InMemoryBM25Retriever(store), top_k=4, source="store"),
        "known": KnownPositiveFilter(),
        "margin": PositiveAwareFilter(model=tiny_model(), scorer="judge", relative_margin=0.05),
        "sample": NegativeSampler(num_negatives=2),
    }
    pipeline = Pipeline()
    for name, stage in stages.items():
        pipeline.add_component(name, stage)
    for sender, receiver in zip(list(stages)[:-1], list(stages)[1:], strict=True):
        pipeline.connect(f"{sender}.examples", f"{receiver}.examples")
    return pipeline.dumps()


def run(text, examples):
    return Pipeline.loads(text).run({"words": {"examples": examples}})["sample"]["examples"]


def reasons(example):
    return {candidate.id: candidate.dropped for candidate in example.candidates}


def test_run_and_run_async_agree(text, examples):
    result = asyncio.run(Pipeline.loads(text).run_async({"words": {"examples": examples}}))
    assert result["sample"]["examples"] == run(text, examples)


def test_each_source_keeps_its_own_ranks_and_scores(text, spec, examples):
    alone = {
        "bm25": BM25NegativeMiner(spec, top_k=4),
        "dense": DenseNegativeMiner(spec, tiny_model(), top_k=4, source="dense"),
    }
    together = run(text, examples)
    for source, miner in alone.items():
        for one, other in zip(together, miner.run(examples=examples)["examples"], strict=True):
            found = {
                candidate.id: candidate.sources[source] for candidate in one.candidates if source in candidate.sources
            }
            assert found == {candidate.id: candidate.sources[source] for candidate in other.candidates}
    ranks = [
        sorted(one.sources["store"].rank for one in example.candidates if "store" in one.sources)
        for example in together
    ]
    assert ranks == [list(range(1, len(part) + 1)) for part in ranks]


def test_a_passage_of_several_sources_is_one_candidate(text, examples):
    for example in run(text, examples):
        rows = {candidate.id: candidate for candidate in example.candidates}
        assert len(rows) == len(example.candidates)
        # The dense miner scored what the miner of words had found; what the store found came after it.
        assert all("dense" in one.scores for one in rows.values() if set(one.sources) != {"store"})
        assert all(set(one.sources) == {"store"} for name, one in rows.items() if name in ("extra", "copy"))
    by_id = {candidate.id: candidate for candidate in run(text, examples)[0].candidates}
    assert set(by_id["p1"].sources) == {"bm25", "dense", "store"}
    assert set(by_id["extra"].sources) == {"store"}


def test_positives_of_every_source_are_dropped(text, examples):
    after = run(text, examples)
    assert reasons(after[0])["p1"] == "positive: id"
    # Its copies p9 and "copy" are the same candidate, found by every source under the id of the positive.
    dropped = {candidate.id: candidate for candidate in after[1].candidates if candidate.dropped.startswith("positive")}
    assert {name: candidate.dropped for name, candidate in dropped.items()} == {"p2": "positive: id"}
    assert set(dropped["p2"].sources) == {"bm25", "dense", "store"}
    assert not {"p9", "copy"} & set(reasons(after[1]))


def test_one_scorer_speaks_about_candidates_of_all_sources(text, examples):
    sources = set()
    for example in run(text, examples):
        (positive,) = example.candidates.positive_scores["judge"]
        judged = [candidate for candidate in example.candidates if not candidate.dropped.startswith("positive: ")]
        sources |= {source for candidate in judged for source in candidate.sources}
        for candidate in judged:
            too_near = candidate.scores["judge"] > positive - abs(positive) * 0.05
            assert (candidate.dropped == "margin: relative") is too_near
        below = [candidate for candidate in judged if candidate.dropped != "margin: relative"]
        assert len(example.candidates.kept()) == min(2, len(below))
    assert sources == {"bm25", "dense", "store"}
