"""What miners of a corpus make of it: opened once, faults named, a document store read like a dataset."""

from __future__ import annotations

import shutil

import pytest
from component_case import CORPUS
from component_cases import CORPUS_MINERS, named
from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import MiningExample
from hardneg_plugin.errors import DatasetError, RecordError

every_miner = pytest.mark.parametrize("case", CORPUS_MINERS, ids=named)


@every_miner
def test_warming_up_twice_opens_the_corpus_once(case, spec, tiny_beir, examples):
    instance = case.build(spec)
    instance.warm_up()
    shutil.rmtree(tiny_beir)
    instance.warm_up()
    assert all(len(example.candidates) for example in instance.run(examples=examples)["examples"])


@every_miner
def test_a_missing_corpus_is_named_when_warming_up(case, tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        case.build(f"beir:{tmp_path / 'nothing'}").warm_up()


@every_miner
def test_a_document_store_gives_the_candidates_that_a_spec_gives(case, tmp_path, make_beir):
    passages = [
        {"_id": f"{number:02}", "text": text}
        for number, text in enumerate(["red apple", "green apple", "blue sky", "grey sea"])
    ]
    # A store's documents are put in the order of their ids: here that of the file.
    spec = f"beir:{make_beir(passages, [{'_id': 'q', 'text': 'apple'}], {'train': [('q', '00', 1)]})}"
    store = InMemoryDocumentStore()
    documents = [Document(id=passage["_id"], content=passage["text"]) for passage in reversed(passages)]
    store.write_documents(documents)
    example = MiningExample("q", "a red apple")
    from_spec, from_store = (
        case.build(corpus, top_k=2, **case.anywhere()).run(examples=[example])["examples"][0]
        for corpus in (spec, store)
    )
    assert list(map(repr, from_store.candidates)) == list(map(repr, from_spec.candidates))
    assert len(from_store.candidates) == 2
    assert from_store.candidates[0].document.content in [passage["text"] for passage in passages]


@every_miner
@pytest.mark.parametrize(
    ("content", "fault"), [(None, "the text is empty"), (" \n", "the text is empty"), ("a\x00b", "a NUL byte")]
)
def test_a_document_without_a_sound_text_is_named(case, content, fault):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="good", content="text"), Document(id="bad", content=content)])
    with pytest.raises(DatasetError, match=f"InMemoryDocumentStore: document 'bad' cannot be in a corpus: .*{fault}"):
        case.build(store).warm_up()


@every_miner
def test_an_empty_document_store_is_an_error(case):
    with pytest.raises(DatasetError, match="the store has no documents"):
        case.build(InMemoryDocumentStore()).warm_up()


@every_miner
def test_the_language_of_a_store_s_documents_is_kept(case):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="k", content="한강은 서울을 지나 서해로 흐른다", meta={"language": "ko"})])
    example = case.build(store, **case.anywhere()).run(examples=[MiningExample("q", "한강은 어디로 흐르나")])[
        "examples"
    ][0]
    assert example.candidates[0].document.meta == {"language": "ko"}


@every_miner
def test_a_second_source_of_the_same_name_is_refused(case, spec, examples):
    once = case.build(spec).run(examples=examples)["examples"]
    with pytest.raises(RecordError, match="already have a source"):
        case.build(spec).run(examples=once)


@every_miner
def test_candidates_of_another_corpus_are_refused(case, spec, examples):
    store = InMemoryDocumentStore()
    store.write_documents([Document(content="a river of words")])
    once = case.build(spec, source="first").run(examples=examples)["examples"]
    with pytest.raises(RecordError, match="corpus"):
        case.build(store).run(examples=once)


def test_placeholders_are_never_read():
    # The table's stand-in for a corpus must not be a spec by accident.
    with pytest.raises(DatasetError):
        CORPUS_MINERS[0].build(CORPUS).warm_up()
