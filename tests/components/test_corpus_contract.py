"""What miners of a corpus make of it: opened once, faults named, a document store read like a dataset."""

from __future__ import annotations

import shutil

import pytest
from component_case import CORPUS
from component_cases import CORPUS_MINERS, named
from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

from hardneg_plugin import MiningExample
from hardneg_plugin.errors import DatasetError, ParameterError, RecordError

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
def test_a_document_with_a_broken_text_is_named(case):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="good", content="text"), Document(id="bad", content="a\x00b")])
    with pytest.raises(DatasetError, match="InMemoryDocumentStore: document 'bad' cannot be in a corpus: .*a NUL byte"):
        case.build(store).warm_up()


@every_miner
def test_documents_without_content_are_left_out_counted_and_named(case, caplog):
    store = InMemoryDocumentStore()
    empty = [Document(id="image"), Document(id="page", content=""), Document(id="blank", content=" \n")]
    store.write_documents([*empty, Document(id="good", content="한강은 길다")])
    miner = case.build(store, **case.anywhere())
    example = miner.run(examples=[MiningExample("q", "한강은 어디로 흐르나")])["examples"][0]
    assert [candidate.id for candidate in example.candidates] == ["good"]
    assert miner.left_out == {"no content": 1, "empty text": 2}
    assert "left out 3 of 4 documents (no content: 1, empty text: 2), such as 'image', 'page', 'blank'" in caplog.text


@every_miner
def test_a_store_of_images_alone_is_an_error(case):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="image"), Document(id="other", content="")])
    with pytest.raises(DatasetError, match="no documents with a text; left out: no content: 1, empty text: 1"):
        case.build(store).warm_up()


def store_of(**languages):
    store = InMemoryDocumentStore()
    texts = {"en": "a red apple", "ko": "한강은 길다"}
    store.write_documents(
        [
            Document(id=name, content=f"{texts[language]} {name}", meta={"language": language, "source_id": name[0]})
            for name, language in languages.items()
        ]
    )
    return store


def mined_from(case, store, query="a red apple 한강은", **parameters):
    miner = case.build(store, **case.anywhere(), **parameters)
    return miner.run(examples=[MiningExample("q", query)])["examples"][0]


@every_miner
def test_filters_select_documents_of_a_store(case):
    chosen = {"field": "meta.language", "operator": "==", "value": "ko"}
    example = mined_from(case, store_of(a1="en", a2="ko", b1="ko"), filters=chosen)
    assert sorted(one.id for one in example.candidates) == ["a2", "b1"]


@every_miner
def test_the_meta_that_is_asked_for_is_kept_and_no_other(case):
    store = store_of(a1="en")
    plain = mined_from(case, store).candidates[0].document
    asked = mined_from(case, store, meta_fields=["source_id", "nowhere"]).candidates[0].document
    assert (plain.meta, asked.meta) == ({"language": "en"}, {"language": "en", "source_id": "a"})


@every_miner
def test_documents_that_were_written_later_are_seen(case, caplog):
    store = store_of(a1="en")
    miner = case.build(store, **case.anywhere())
    given = [MiningExample("q", "a red apple")]
    assert len(miner.run(examples=given)["examples"][0].candidates) == 1
    store.write_documents([Document(id="late", content="another red apple")])
    after = miner.run(examples=given)["examples"][0]
    assert sorted(one.id for one in after.candidates) == ["a1", "late"]
    assert "has 2 documents, and had 1 when it was read; it is read again" in caplog.text
    store.delete_documents(["a1"])
    assert [one.id for one in miner.run(examples=given)["examples"][0].candidates] == ["late"]


@every_miner
def test_a_closed_miner_releases_its_store_and_reads_it_anew(case):
    class Closing(InMemoryDocumentStore):
        closed = 0

        def close(self):
            self.closed += 1

    store = Closing()
    store.write_documents([Document(id="a", content="a red apple")])
    miner = case.build(store, **case.anywhere())
    given = [MiningExample("q", "a red apple")]
    miner.run(examples=given)
    # Of the same number: nothing tells that this one was changed.
    store.write_documents([Document(id="a", content="a red apple, changed")], policy=DuplicatePolicy.OVERWRITE)
    assert miner.run(examples=given)["examples"][0].candidates[0].text == "a red apple"
    miner.close()
    assert store.closed == 1
    assert miner.run(examples=given)["examples"][0].candidates[0].text == "a red apple, changed"


@every_miner
def test_more_candidates_than_passages_cost_nothing(case, spec, examples):
    most, all_of_it = (case.build(spec, top_k=size).run(examples=examples)["examples"] for size in (10**12, 12))
    assert most == all_of_it


@every_miner
def test_a_class_is_no_store(case):
    with pytest.raises(ParameterError, match="corpus must be a dataset spec or a document store, got <class"):
        case.build(InMemoryDocumentStore)


@every_miner
def test_an_error_shows_little_of_what_is_no_corpus(case):
    with pytest.raises(ParameterError) as caught:
        case.build([Document(content="long " * 1_000)] * 100)
    assert len(str(caught.value)) < 400


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
