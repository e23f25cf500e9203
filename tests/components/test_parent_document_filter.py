from __future__ import annotations

import pytest
from hand_made import corpus_of, drop, found, own_candidates, reasons
from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import BM25NegativeMiner, MiningExample, RetrieverNegativeMiner
from hardneg_plugin.cache import staging_folder
from hardneg_plugin.components.parent_document_filter import ParentDocumentFilter
from hardneg_plugin.errors import RecordError
from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus

SAME = "parent: same document"
CHUNKS = r"^(.*)#\d+$"


def by_id(*examples: MiningExample) -> list[dict[str, str]]:
    return [reasons(one) for one in ParentDocumentFilter(id_pattern=CHUNKS).run(examples=list(examples))["examples"]]


def chunks(positive: str, ids: list[str]) -> MiningExample:
    example = MiningExample("q", "a query", (Document(id=positive, content="the answer"),))
    return found([example], corpus_of({name: f"text of {name}" for name in ids}), [ids])[0]


def test_chunks_of_the_positives_document_are_dropped():
    assert by_id(chunks("manual#2", ["manual#1", "guide#2", "manual#10", "manuals#1"])) == [
        {"manual#1": SAME, "guide#2": "", "manual#10": SAME, "manuals#1": ""}
    ]


def test_an_id_without_a_chunk_number_is_that_of_a_whole_document():
    assert by_id(chunks("manual", ["manual#1", "manual", "other"])) == [{"manual#1": SAME, "manual": SAME, "other": ""}]


def test_examples_have_parents_of_their_own():
    corpus = corpus_of({"a#1": "one", "b#1": "two"})
    queries = [
        MiningExample("q1", "query", (Document(id="a#9", content="x"),)),
        MiningExample("q2", "query", (Document(id="b#9", content="x"), Document(id="c", content="y"))),
        MiningExample("q3", "query"),
    ]
    after = by_id(*found(queries, corpus, [["a#1", "b#1"]] * 3))
    assert after == [{"a#1": SAME, "b#1": ""}, {"a#1": "", "b#1": SAME}, {"a#1": "", "b#1": ""}]


def test_a_candidate_dropped_before_keeps_its_reason():
    assert by_id(drop(chunks("m#1", ["m#2"]), {"m#2": "first"})) == [{"m#2": "first"}]


def split(name: str, source: str | None) -> Document:
    return Document(id=name, content=f"text of {name}", meta={} if source is None else {"source_id": source})


def test_the_parent_may_be_named_in_the_meta():
    example = MiningExample(
        "q",
        "a query",
        (split("+", "one"),),
        own_candidates([split("a", "one"), split("b", "two"), split("c", None)]),
    )
    (after,) = ParentDocumentFilter(parent_key="source_id").run(examples=[example])["examples"]
    assert reasons(after) == {"a": SAME, "b": "", "c": ""}


def test_two_passages_without_a_parent_are_not_of_the_same_document():
    positives = (split("+", None), split("-", "one"))
    example = MiningExample("q", "a query", positives, own_candidates([split("a", None)]))
    (after,) = ParentDocumentFilter(parent_key="source_id").run(examples=[example])["examples"]
    assert reasons(after) == {"a": ""}


def test_a_key_that_no_document_has_is_an_error():
    example = MiningExample("q", "a query", (split("+", None),), own_candidates([split("a", None), split("b", None)]))
    with pytest.raises(RecordError, match="none of 1 positives has the key 'source_id' .* 0 of 2 candidates have"):
        ParentDocumentFilter(parent_key="source_id").run(examples=[example])


def test_a_key_that_no_positive_has_is_said(caplog):
    example = MiningExample("q", "a query", (split("+", None),), own_candidates([split("a", None), split("b", "one")]))
    (after,) = ParentDocumentFilter(parent_key="source_id").run(examples=[example])["examples"]
    assert reasons(after) == {"a": "", "b": ""}
    assert "none of 1 positives has the key 'source_id' in its meta, and 1 of 2 candidates have" in caplog.text


def test_whole_documents_behind_chunks_are_no_error():
    chunked = MiningExample("q1", "a query", (split("+", "one"),), own_candidates([split("a", "one")]))
    whole = MiningExample("q2", "a query", (split("-", None),), own_candidates([split("b", None)]))
    component = ParentDocumentFilter(parent_key="source_id")
    after = [component.run(examples=[one])["examples"][0] for one in (chunked, whole)]
    assert [reasons(one) for one in after] == [{"a": SAME}, {"b": ""}]


def test_the_title_of_a_corpus_passage_may_name_its_parent():
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            for name, title in (("a", "Bees"), ("b", "Rivers"), ("c", "Bees"), ("d", "")):
                writer.add(name, f"text {name}", title, "")
        corpus = publish_corpus(folder, writer.key)
    positive = corpus.document(0)
    mined = found([MiningExample("q", "a query", (positive,))], corpus, [["b", "c", "d"]])
    (after,) = ParentDocumentFilter(parent_key="title").run(examples=mined)["examples"]
    assert reasons(after) == {"b": "", "c": SAME, "d": ""}


def test_a_key_that_a_corpus_does_not_keep_is_an_error():
    with pytest.raises(RecordError, match=r"a corpus, which keeps no 'source_id' \(only title\); use id_pattern, or"):
        ParentDocumentFilter(parent_key="source_id").run(examples=[chunks("m#1", ["m#2"])])


# Chunks in a document store


CHUNKED = [
    Document(id=f"{source}{part}", content=f"river {source} {part}", meta={"source_id": source, "part": part})
    for source in "ab"
    for part in range(3)
]


def store_of_chunks():
    store = InMemoryDocumentStore()
    store.write_documents(CHUNKED)
    return store


def test_chunks_of_a_store_are_known_by_their_meta():
    miner = BM25NegativeMiner(store_of_chunks(), meta_fields=["source_id"])
    # By its id alone: what it is a chunk of is looked up in the corpus.
    example = MiningExample("q", "river", (Document(id="a1", content="river a 1"),))
    (after,) = ParentDocumentFilter(parent_key="source_id").run(**miner.run(examples=[example]))["examples"]
    assert {name for name, reason in reasons(after).items() if reason == SAME} == {"a0", "a1", "a2"}
    assert sorted(one.id for one in after.candidates.kept()) == ["b0", "b1", "b2"]


def test_a_corpus_miner_behind_a_retriever_leaves_the_meta():
    store = store_of_chunks()
    retriever = RetrieverNegativeMiner(InMemoryBM25Retriever(store), top_k=4, source="store")
    example = MiningExample("q", "river", (CHUNKED[0],))
    examples = BM25NegativeMiner(store, top_k=4).run(**retriever.run(examples=[example]))["examples"]
    found = [one for one in examples[0].candidates if "store" in one.sources]
    assert len(found) == 4
    assert all("source_id" in one.document.meta for one in found)


def test_a_store_s_chunks_without_their_meta_say_which_parameter_keeps_it():
    examples = BM25NegativeMiner(store_of_chunks()).run(examples=[MiningExample("q", "river", (CHUNKED[0],))])
    with pytest.raises(RecordError, match=r"miner's meta_fields=\['source_id'\]"):
        ParentDocumentFilter(parent_key="source_id").run(**examples)
