from __future__ import annotations

import pickle

import pytest

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.errors import CacheError, DatasetError
from hardneg_plugin.records import Corpus
from hardneg_plugin.records.corpus_meta import packed
from hardneg_plugin.records.corpus_sorting import UnsortedCorpus
from hardneg_plugin.records.row_writer import BATCH_ROWS

DOCUMENTS = {"b": {"file": "y", "page": 2}, "é": {}, "a": {"file": None, "page": 1}}


def corpus_of(fields, documents=DOCUMENTS):
    with staging_folder("corpus") as folder:
        with UnsortedCorpus(folder, fields) as writer:
            for identifier, meta in documents.items():
                writer.add(identifier, f"text {identifier}", "en", packed(meta, fields))
        return writer.publish()


def test_passages_stand_in_the_order_of_their_ids():
    corpus, order = corpus_of(())
    assert corpus.ids(range(3)) == ["a", "b", "é"]
    assert order.tolist() == [2, 0, 1]
    assert corpus.texts([1]) == ["text b"]


def test_more_than_a_batch_is_put_in_order():
    names = [f"{(number * 7919) % 20_011:05}" for number in range(2 * BATCH_ROWS + 3)]
    corpus, order = corpus_of(("page",), {name: {"page": int(name)} for name in names})
    assert corpus.ids(range(len(corpus))) == sorted(names)
    assert [names[position] for position in order] == sorted(names)
    rows = [0, 9_000, len(corpus) - 1]
    assert [meta["page"] for meta in corpus.metas(rows)] == [int(name) for name in corpus.ids(rows)]


def test_meta_is_kept_beside_texts_of_the_same_key(cache_folder):
    plain = corpus_of(()).corpus
    assert not any((cache_folder / "corpus-meta").glob("[0-9a-f]*"))
    paged, filed = corpus_of(("page",)).corpus, corpus_of(("file",)).corpus
    assert plain.key == paged.key == filed.key
    assert len({plain.reference, paged.reference, filed.reference}) == 3
    assert plain.metas([0, 1]) == [{"language": "en"}] * 2
    assert paged.metas([1, 2]) == [{"language": "en", "page": 2}, {"language": "en"}]
    both = paged.with_meta_of(filed)
    assert (both.meta_fields, both.metas([1])) == (("page", "file"), [{"language": "en", "page": 2, "file": "y"}])
    assert both.with_meta_of(filed) is both


def test_a_reference_finds_the_meta_again():
    corpus = corpus_of(("page",)).corpus
    assert Corpus.open(corpus.reference) is corpus
    assert pickle.loads(pickle.dumps(corpus)).document(1).meta == {"language": "en", "page": 2}


def test_meta_that_is_gone_is_named(cache_folder):
    corpus = corpus_of(("page",)).corpus
    with pytest.raises(CacheError, match="has no meta 0123 of a corpus: read the document store again"):
        Corpus.open(f"{corpus.key}+0123")


def test_an_id_that_occurs_twice_is_an_error():
    with staging_folder("corpus") as folder:
        with UnsortedCorpus(folder, ()) as writer:
            for identifier in ("b", "a", "b"):
                writer.add(identifier, "text", "", "")
        with pytest.raises(DatasetError, match="two documents have the id 'b'"):
            writer.publish()
