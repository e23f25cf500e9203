from __future__ import annotations

import pytest
from hand_made import corpus_of, drop, found, own_candidates, reasons
from haystack import Document

from hardneg_plugin import MiningExample
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
    example = MiningExample("q", "a query", (split("+", None),), own_candidates([split("a", None)]))
    (after,) = ParentDocumentFilter(parent_key="source_id").run(examples=[example])["examples"]
    assert reasons(after) == {"a": ""}


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
    with pytest.raises(RecordError, match=r"a corpus, which keeps no 'source_id' \(only title\); use id_pattern"):
        ParentDocumentFilter(parent_key="source_id").run(examples=[chunks("m#1", ["m#2"])])
