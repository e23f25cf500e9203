from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import found, own_candidates, reasons
from haystack import Document

from hardneg_plugin import LanguageFilter, MiningExample
from hardneg_plugin.cache import staging_folder
from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus


@pytest.fixture
def corpus():
    passages = {"e1": "en", "e2": "en", "k1": "ko", "u1": ""}
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            for identifier, language in passages.items():
                writer.add(identifier, f"text of {identifier}", "", language)
        return publish_corpus(folder, writer.key)


def queries():
    positive = (Document(id="p", content="the answer"),)
    return [
        MiningExample("q1", "a query", positive, language="en"),
        MiningExample("q2", "한국어 질문", positive, language="ko"),
        MiningExample("q3", "???", positive, language=""),
    ]


ALL = ["e1", "e2", "k1", "u1"]


@pytest.mark.parametrize(
    ("keep", "reason", "dropped"),
    [
        ("same", "language: other", [{"k1"}, {"e1", "e2"}, set()]),
        ("other", "language: same", [{"e1", "e2"}, {"k1"}, set()]),
    ],
)
def test_candidates_are_dropped_by_language_and_stay_where_it_is_not_known(corpus, keep, reason, dropped):
    examples = found(queries(), corpus, [ALL, ALL, ALL])
    filtered = LanguageFilter(keep=keep).run(examples=examples)["examples"]
    for example, wanted in zip(filtered, dropped, strict=True):
        assert reasons(example) == {name: reason if name in wanted else "" for name in ALL}


def test_documents_of_their_own_carry_their_language_in_meta():
    documents = [
        Document(id="a", content="one", meta={"language": "en"}),
        Document(id="b", content="둘", meta={"language": "ko"}),
        Document(id="c", content="three"),
    ]
    example = replace(queries()[0], candidates=own_candidates(documents))
    (filtered,) = LanguageFilter().run(examples=[example])["examples"]
    assert reasons(filtered) == {"a": "", "b": "language: other", "c": ""}
